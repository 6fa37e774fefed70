"""A published catalogue of some files of a small sky; every test has a copy of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from catalog import stages
from catalog.database import ledger
from catalog.ensemble.backend import start_keras
from catalog.mock.sky import write_sky
from catalog.profiles import load_profile
from catalog.releases import load_release
from catalog.settings import Settings
from tests.databases import database
from tests.update.working import Installation, leave_out_figures

N_FILES = 4
"""Of each Gaia product; the base has the first and the third."""


@pytest.fixture(scope="session")
def small_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile whose base takes seconds."""
    path = tmp_path_factory.mktemp("profile") / "small.toml"
    path.write_text(
        f"""
description = "The smallest catalogue that can be extended"
[mock]
n_stars = 500
n_files = {N_FILES}
[training]
splits = 2
initialisations = 1
max_epochs = 1
min_training_stars = 20
[uncertainty]
n_bins = 4
min_stars_per_bin = 5
degree = 2
[likeness]
perplexities = [5, 10]
n_components = 10
early_exaggeration_iter = 50
n_iter = 50
[studies]
names = []
[publish]
exports = []
accept_failed = "a test: its labels are worth nothing"
"""
    )
    return path


@dataclass(frozen=True)
class Base:
    """The published base, which nobody changes."""

    home: Path
    sky: Path
    """All survey files, those that are held back among them."""
    url: str
    profile: Path


@pytest.fixture(scope="session")
def base(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory, small_profile: Path
) -> Iterator[Base]:
    home = tmp_path_factory.mktemp("base")
    profile = load_profile(str(small_profile))
    assert profile.mock is not None
    sky = home / "sky"
    write_sky(sky, profile.mock, load_release(profile.release))
    surveys = home / "surveys" / profile.data_release
    shutil.copytree(sky, surveys)
    for number in (3, 1):
        for path in files_of(surveys, number):
            path.unlink()
    with database(server_url, template_database) as url:
        settings = Settings(home=home, database_url=url, workers=2)
        with pytest.MonkeyPatch.context() as patch, psycopg.connect(url) as connection:
            patch.setenv("RVSCAT_HOME", str(home))
            patch.setenv("RVSCAT_DATABASE_URL", url)
            leave_out_figures(patch)
            # Kept in memory, it need not be started for each comparison of runtimes.
            start_keras(threads=1)
            run = ledger.open_run(connection, profile)
            for stage in stages.plan(profile)[1:]:
                stages.run_stage(connection, run, stage.name, settings)
            ledger.finish_run(connection, run)
        yield Base(home, sky, url, small_profile)


def files_of(folder: Path, number: int) -> list[Path]:
    """Return the file of that number of each Gaia product."""
    return [sorted((folder / product).glob("*.csv.gz"))[number] for product in load_release("dr3").bulk_files]


@pytest.fixture
def copy(
    base: Base, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Installation]]:
    """Maker of copies of the base, each with database and home of its own."""
    with ExitStack() as databases:

        def make() -> Installation:
            url = databases.enter_context(database(server_url, urlsplit(base.url).path[1:]))
            home = tmp_path / urlsplit(url).path[1:]
            shutil.copytree(base.home, home, ignore=shutil.ignore_patterns("sky"))
            return Installation(home, url, base.profile, base.sky, monkeypatch)

        yield make


@pytest.fixture
def installation(copy: Callable[[], Installation]) -> Installation:
    return copy()

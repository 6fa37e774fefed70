"""`rvscat run` as a user does it: from nothing to a published catalogue, and again."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest

from catalog.database.roles import ROLES
from tests.accounts import account
from tests.commands import rvscat, start_rvscat


class Installation:
    """A home and a database, and the command that works on them."""

    def __init__(self, home: Path, url: str, login: str | None = None) -> None:
        """Take, besides the URL that tests ask, that of the account which the command has."""
        self.home, self.url, self.login = home, url, login or url

    def rvscat(self, *arguments: str, figures: bool = True) -> str:
        return rvscat(self.home, self.login, *arguments, figures=figures)

    def value(self, query: str) -> object:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def installation(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # An account that owns nothing and inherits nothing: all that it does, it does as one of the roles.
    with account(module_database_url, f"GRANT {', '.join(role.name for role in ROLES)} TO {{}}") as login:
        yield Installation(tmp_path_factory.mktemp("home"), module_database_url, login)


@pytest.fixture(scope="module")
def first(installation: Installation) -> str:
    """Output of the first run."""
    return installation.rvscat("run", "--profile", "tiny")


def test_the_first_run_ends_with_a_summary(installation: Installation, first: str) -> None:
    for words in ("Stars in and out of each cut", "Dispersion of the labels", "truth, observed", "Report"):
        assert words in first
    assert "rvscat query" in first
    assert "Traceback" not in first
    assert (installation.home / "reports" / "run-1" / "report.html").stat().st_size > 10_000


def test_what_is_published_belongs_to_the_role_that_publishes(installation: Installation, first: str) -> None:
    owners = (
        "SELECT array_agg(DISTINCT relowner::regrole::text) FROM pg_class "
        "WHERE relnamespace = 'catalogue'::regnamespace AND relkind IN ('r', 'v')"
    )
    assert installation.value(owners) == ["rvscat_production"]


def test_every_star_with_a_spectrum_has_a_fate(installation: Installation, first: str) -> None:
    spectra = installation.value("SELECT count(*) FROM survey.rvs_spectrum")
    assert spectra == installation.value("SELECT count(*) FROM production.sample_star WHERE run_id = 1")
    published = installation.value("SELECT count(*) FROM catalogue.rvs_cnn")
    assert isinstance(published, int)
    assert published > 100
    assert published == installation.value(
        "SELECT count(*) FROM production.sample_star WHERE run_id = 1 AND role <> 'rejected'"
    )


def test_the_published_table_is_table_2(installation: Installation, first: str) -> None:
    with psycopg.connect(installation.url) as connection:
        cursor = connection.execute("SELECT * FROM catalogue.rvs_cnn LIMIT 0")
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
    assert names == [
        "sourceid", "teff", "eteff", "sigma_teff", "logg", "elogg", "sigma_logg", "mh", "emh", "sigma_mh",
        "feh", "efeh", "sigma_feh", "alpham", "ealpham", "sigma_alpham", "flag_boundary",
    ]  # fmt: skip


def test_the_published_sky_closes(installation: Installation, first: str) -> None:
    # Two epochs teach little, but labels must be on the right scale and sigmas never below e*.
    assert installation.value("SELECT bool_and(teff BETWEEN 1000 AND 12000) FROM catalogue.rvs_cnn")
    assert installation.value("SELECT bool_and(sigma_teff >= eteff AND sigma_mh >= emh) FROM catalogue.rvs_cnn")
    assert installation.value("SELECT count(DISTINCT flag_boundary) FROM catalogue.rvs_cnn") != 1


def test_adql_and_explain_answer(installation: Installation, first: str) -> None:
    output = installation.rvscat(
        "query", "--format", "csv", "SELECT TOP 3 sourceid, teff, flag_boundary FROM catalogue.rvs_cnn ORDER BY teff"
    )
    header, *rows = output.strip().splitlines()
    assert header == "sourceid,teff,flag_boundary"
    assert len(rows) == 3
    story = installation.rvscat("explain", rows[0].split(",")[0])
    assert rows[0].split(",")[2] in story


def test_status_tells_time_and_memory(installation: Installation, first: str) -> None:
    status = json.loads(installation.rvscat("status", "--json"))
    assert [stage["name"] for stage in status["stages"]] == [
        "mock", "ingest", "sample", "train", "predict", "study", "flag", "validate", "publish",
    ]  # fmt: skip
    assert all(stage["status"] == "complete" and stage["peak_mb"] > 50 for stage in status["stages"])


def test_the_second_run_does_nothing_again(installation: Installation, first: str) -> None:
    checksum = "SELECT md5(string_agg(r::text, '' ORDER BY sourceid)) FROM catalogue.rvs_cnn r"
    before = installation.value(checksum)
    output = installation.rvscat("run", "--profile", "tiny")
    assert output.count("already done") == 9
    assert installation.value("SELECT count(*) FROM production.stage") == 9
    assert installation.value("SELECT count(*) FROM production.publication") == 1
    assert installation.value(checksum) == before


def test_killed_in_training_it_goes_on_to_the_same_catalogue(
    installation: Installation, first: str, fresh_database: Callable[[], AbstractContextManager[str]], tmp_path: Path
) -> None:
    checksum = "SELECT md5(string_agg(r::text, '' ORDER BY sourceid)) FROM catalogue.rvs_cnn r"
    with fresh_database() as url:
        other = Installation(tmp_path, url)
        shutil.copytree(installation.home / "surveys", other.home / "surveys")
        process = start_rvscat(other.home, other.url, "run", "--profile", "tiny", figures=False)
        running = "SELECT count(*) FROM production.stage WHERE name = 'train' AND status = 'running'"
        deadline = time.monotonic() + 300
        while not other.value(running):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        other.rvscat("run", "--profile", "tiny", figures=False)
        assert other.value("SELECT count(*) FROM production.stage WHERE message = 'interrupted'") == 1
        assert other.value(checksum) == installation.value(checksum)


def test_new_survey_files_make_a_new_run_and_a_new_version(installation: Installation, first: str) -> None:
    clusters = next((installation.home / "surveys").glob("*/clusters/*.fits"))
    shutil.copy(clusters, clusters.with_name("more_members.fits"))
    output = installation.rvscat("run", "--profile", "tiny", figures=False)
    assert installation.value("SELECT status FROM production.run WHERE run_id = 1") == "superseded"
    assert installation.value("SELECT status FROM production.run WHERE run_id = 2") == "complete", output
    # Labels come from the same training sample: the ensemble is used again, not trained again.
    assert installation.value("SELECT count(*) FROM production.ensemble") == 1, output

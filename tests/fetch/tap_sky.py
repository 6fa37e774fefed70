"""A small gaia_source in a local TAP service, and the route to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from catalog.fetch import ArchiveSession, FetchResult, Selection
from catalog.fetch.tap import TapSettings, fetch_tap
from catalog.fetch.tap_service import Polling
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.releases.model import Source
from catalog.surveys import open_survey
from tests.fetch.tap_server import TapServer
from tests.surveys.files import gaia_sources

QUICK = Polling(first=0.0, longest=0.0)
N_STARS = 60

TapFetch = Callable[..., FetchResult]


def sky() -> Table:
    """Stars in the base pixels 0, 4 and 11; every tenth has no RVS spectrum."""
    columns = gaia_sources(N_STARS)
    generator = np.random.default_rng(5)
    pixels = np.repeat([0, 4, 11], N_STARS // 3).astype(np.int64)
    columns["source_id"] = np.sort((pixels << 59) + generator.integers(1, 1 << 59, N_STARS))
    table = Table(columns)
    table["has_rvs"] = np.arange(N_STARS) % 10 != 0
    return table


def with_rvs(table: Table) -> np.ndarray:
    """Return the identifiers of the stars with an RVS spectrum."""
    return np.asarray(table["source_id"])[np.asarray(table["has_rvs"])]


@dataclass
class TapSky:
    """gaia_source of the release file, from a local service."""

    server: TapServer
    session: ArchiveSession
    folder: Path

    def source(self, **changes: object) -> Source:
        """Return the release's source with the local service's address, in twelve parts; `changes` to its route."""
        source = load_release("dr3").sources["gaia_source"]
        assert source.tap is not None
        route = source.tap.model_copy(update={"url": self.server.url, "mirrors": (), "level": 0, **changes})
        return source.model_copy(update={"tap": route, "rows": None})

    def fetch(
        self,
        selection: Selection | None = None,
        *,
        source: Source | None = None,
        progress: Progress = silent,
        replace: bool = False,
        jobs: int = 2,
        polling: Polling = QUICK,
        **settings: int,
    ) -> FetchResult:
        """Fetch from the local service, without pauses."""
        return fetch_tap(
            "gaia_source",
            source or self.source(),
            self.folder,
            selection or Selection(),
            self.session,
            progress,
            jobs=jobs,
            replace=replace,
            settings=TapSettings(polling=polling, **settings),
        )

    def names(self) -> list[str]:
        """Return the names of all files in the folder but the journal."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("_"))

    def contents(self) -> dict[str, bytes]:
        """Return the files in the folder but the journal."""
        return {name: (self.folder / name).read_bytes() for name in self.names()}


def ids_in(files: list[Path]) -> np.ndarray:
    """Return the identifiers in files, as the survey's reader finds them, sorted."""
    release = load_release("dr3")
    batches = [batch for file in files for batch in open_survey(file, "gaia_source", release).batches()]
    assert not any(batch.rejections for batch in batches)
    return np.sort(np.concatenate([np.ma.getdata(batch.columns["source_id"]) for batch in batches]))

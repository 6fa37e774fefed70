"""Fixtures of the downloads: an archive on this machine, and sources that lead to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.fetch import ArchiveSession, FetchResult, Selection, open_session
from catalog.fetch.bulk import fetch_bulk
from catalog.fetch.file import fetch_file
from catalog.releases.model import BulkRoute, FileRoute, Source
from tests.fetch.archive import Archive

FOLDER = "rvs/"
NAMES = [f"RvsMeanSpectrum_{first:06}-{first + 999:06}.csv.gz" for first in range(0, 5000, 1000)]
SIZE = 300_000

Fetch = Callable[..., FetchResult]


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between a test and its own server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def contents() -> dict[str, bytes]:
    """Content of the files of the bulk folder; checksums are all that matters there."""
    generator = np.random.default_rng(3)
    return {name: generator.bytes(SIZE + 1000 * n) for n, name in enumerate(NAMES)}


@pytest.fixture
def archive(contents: dict[str, bytes]) -> Iterator[Archive]:
    """An archive with five files of RVS spectra."""
    with Archive() as archive:
        archive.put_bulk(FOLDER, contents)
        yield archive


@pytest.fixture
def session() -> Iterator[ArchiveSession]:
    """A session that tries three times more, almost at once."""
    with open_session(retries=3, timeout=(5.0, 5.0), backoff=0.01, backoff_max=0.05) as session:
        yield session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of the product; the download makes it."""
    folder = tmp_path / "dr3" / "rvs_mean_spectrum"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def fetch(archive: Archive, session: ArchiveSession, folder: Path) -> Fetch:
    """The bulk route to the archive; options are those of `fetch_bulk`."""
    route = BulkRoute(url=f"{archive.url}{FOLDER}", prefix="RvsMeanSpectrum")
    source = Source(title="RVS", product="rvs_mean_spectrum", bulk=route, default="bulk")

    def bulk(selection: Selection | None = None, **options: Any) -> FetchResult:
        return fetch_bulk("rvs_mean_spectrum", source, folder, selection or Selection(), session, **options)

    return bulk


@pytest.fixture
def fetch_one(archive: Archive, session: ArchiveSession, folder: Path) -> Fetch:
    """The file route to ``name`` in the archive; options are those of `fetch_file`."""

    def one(name: str, *, md5: str | None = None, selection: Selection | None = None, **options: Any) -> FetchResult:
        route = FileRoute(url=f"{archive.url}{name}", md5=md5)
        source = Source(title="One", product="apogee", file=route, default="file")
        return fetch_file("apogee", source, folder, selection or Selection(), session, **options)

    return one


@pytest.fixture
def found(folder: Path) -> Callable[[], dict[str, bytes]]:
    """What lies in the folder, but for the journal, the lock and the list of checksums."""
    return lambda: {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("_")}

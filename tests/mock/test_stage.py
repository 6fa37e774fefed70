"""The stage: where it writes, and that it does not write twice."""

from pathlib import Path

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.errors import ConfigurationError
from catalog.mock.stage import write_mock_sky
from catalog.profiles.model import MockSettings, Profile
from catalog.settings import Settings

TINY = Profile(name="test", description="", mock=MockSettings(n_stars=60, n_files=2, seed=8))


@pytest.fixture
def small_run(connection: psycopg.Connection) -> Run:
    return open_run(connection, TINY)


def test_writes_once(connection: psycopg.Connection, small_run: Run, settings: Settings) -> None:
    heard: list[tuple[float, float]] = []
    result = write_mock_sky(connection, small_run, settings, lambda done, total, what="": heard.append((done, total)))
    folder = settings.surveys / "dr3-mock-60-8"
    assert Path(result.counts["folder"]) == folder
    assert result.counts["mock_truth"] == result.counts["rvs_mean_spectrum"] == 60
    assert not result.skipped
    assert heard[-1][0] == heard[-1][1]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = write_mock_sky(connection, small_run, settings)
    assert again.skipped
    assert again.counts == result.counts
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (folder / "apogee" / "allStarLite-dr17-synspec_rev1.fits").unlink()
    assert not write_mock_sky(connection, small_run, settings).skipped
    assert (folder / "apogee" / "allStarLite-dr17-synspec_rev1.fits").is_file()


def test_needs_a_profile_with_a_synthetic_sky(connection: psycopg.Connection, settings: Settings) -> None:
    run = open_run(connection, Profile(name="real", description=""))
    with pytest.raises(ConfigurationError, match="has no synthetic sky"):
        write_mock_sky(connection, run, settings)

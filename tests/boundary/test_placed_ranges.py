"""Stars placed in frozen maps by ranges of the sky: the same rows, by whomever and in whatever order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.boundary import placed, places
from catalog.boundary.stage import flag_boundary
from catalog.database.ledger import Run, StageResult
from catalog.errors import ConfigurationError
from catalog.profiles import Profile
from catalog.settings import Settings
from catalog.tasks import distribute_by
from tests.boundary.conftest import SeedSky
from tests.boundary.test_incremental import later_run
from tests.task_runners import OddRunner

TABLES = ("likeness", "likeness_map", "training_distance", "companion", "boundary")


@dataclass
class Placed:
    """A run whose new stars were placed without parts."""

    run: Run
    result: StageResult
    rows: dict[str, list[tuple[Any, ...]]]


def rows_of(connection: psycopg.Connection, run: Run) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: connection.execute(
            f"SELECT row(star.*)::text FROM production.{table} AS star WHERE run_id = %s ORDER BY 1", (run.run_id,)
        ).fetchall()
        for table in TABLES
    }


def forget(connection: psycopg.Connection) -> None:
    for table in TABLES:
        connection.execute(f"DELETE FROM production.{table}")
    connection.commit()


@pytest.fixture
def whole(
    connection: psycopg.Connection,
    run: Run,
    profile: Profile,
    settings: Settings,
    seed_sky: SeedSky,
    monkeypatch: pytest.MonkeyPatch,
) -> Placed:
    """Maps of 100 stars, 20 of which get other spectra, are placed anew; parts have ten stars."""
    monkeypatch.setattr(placed, "PART_STARS", 10)
    sky = seed_sky(n_training=40, n_observed=60, n_odd=20)
    flag_boundary(connection, run, settings)
    for row in range(60, 80):
        spectrum = (sky.spectra[row - 20] * 0.999).astype("<f4")
        connection.execute(
            "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s",
            (spectrum.tobytes(), int(sky.source_id[row])),
        )
    later = later_run(connection, run, profile)
    result = flag_boundary(connection, later, settings)
    assert (result.counts["placed"], result.counts["kept_places"]) == (20, 80)
    return Placed(later, result, rows_of(connection, later))


def test_parts_give_the_same_places_and_flags(
    connection: psycopg.Connection, settings: Settings, whole: Placed
) -> None:
    forget(connection)
    runner = OddRunner(lost=[1])
    with distribute_by(runner):
        result = flag_boundary(connection, whole.run, settings)
    assert rows_of(connection, whole.run) == whole.rows
    assert result.counts == whole.result.counts
    assert result.notes == [
        *whole.result.notes,
        f"Lost with their workers and done again: 1 of {len(runner.done)} parts.",
    ]
    assert len(runner.done) > 4
    # Places that are there are not looked for again.
    again = OddRunner()
    with distribute_by(again):
        assert flag_boundary(connection, whole.run, settings).counts == whole.result.counts
    assert again.done == []
    assert rows_of(connection, whole.run) == whole.rows


@pytest.mark.parametrize("by_parts", [True, False])
def test_placing_that_was_stopped_goes_on(
    connection: psycopg.Connection, settings: Settings, whole: Placed, by_parts: bool
) -> None:
    forget(connection)
    with distribute_by(OddRunner(stop_after=3)), pytest.raises(KeyboardInterrupt):
        flag_boundary(connection, whole.run, settings)
    connection.rollback()
    n_left = len(rows_of(connection, whole.run)["training_distance"])
    assert 0 < n_left < 100
    runner = OddRunner()
    if by_parts:
        with distribute_by(runner):
            result = flag_boundary(connection, whole.run, settings)
        assert sum(part["n_stars"] for part in runner.done) == 100 - n_left
    else:
        result = flag_boundary(connection, whole.run, settings)
    assert rows_of(connection, whole.run) == whole.rows
    assert result.counts == whole.result.counts


def test_a_worker_that_does_not_see_the_maps_is_named(
    connection: psycopg.Connection, settings: Settings, whole: Placed, tmp_path: Path
) -> None:
    forget(connection)
    runner = OddRunner()
    with distribute_by(runner):
        flag_boundary(connection, whole.run, settings)
    places._kept.clear()
    (settings.home / "likeness").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=r"does not see the frozen maps in .*RVSCAT_HOME"):
        places.place_range(**runner.done[0])

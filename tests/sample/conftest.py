"""A sky to select from, and a reader of what became of its stars."""

from collections.abc import Callable

import psycopg
import pytest

from catalog.database.ledger import Run
from tests.sample.sky import Sky


@pytest.fixture
def sky(connection: psycopg.Connection, run: Run) -> Sky:
    """An empty sky of the run's release."""
    return Sky(connection, run.release)


@pytest.fixture
def fates(connection: psycopg.Connection, run: Run) -> Callable[[], dict[int, tuple[str, str | None, str | None]]]:
    """Read (role, cut, training_cut) of every star."""

    def read() -> dict[int, tuple[str, str | None, str | None]]:
        rows = connection.execute(
            "SELECT source_id, role, cut, training_cut FROM production.sample_star WHERE run_id = %s", (run.run_id,)
        )
        return {row[0]: row[1:] for row in rows}

    return read


@pytest.fixture
def enough(sky: Sky, run: Run) -> list[int]:
    """Just as many training stars as the profile asks for."""
    return [sky.star() for _ in range(run.profile.training.min_training_stars)]

"""The command of the stage and the production flow give members to the configured task runner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.cli.stage import perform
from catalog.database import ledger
from catalog.database.ledger import StageResult
from catalog.ensemble.training import elsewhere
from catalog.profiles import Profile
from catalog.settings import Settings
from flows.production import perform_stage
from tests.ensemble.conftest import SMALL, InProcess
from tests.features.sky import make_sky, store_sky

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def small(profile: Profile) -> Profile:
    changes = {"splits": 2, "initialisations": 1, "max_epochs": 2, "min_training_stars": 20}
    return profile.model_copy(update={"network": SMALL, "training": profile.training.model_copy(update=changes)})


def by_command(run_id: int) -> None:
    perform("train", None, run_id)


def by_flow(run_id: int) -> None:
    perform_stage(run_id, "train")


@pytest.mark.parametrize("train", [by_command, by_flow])
def test_members_are_trained_by_the_task_runner(
    connection: psycopg.Connection,
    settings: Settings,
    small: Profile,
    train: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RVSCAT_TASK_RUNNER", "tests.flows.work:one_thread")
    run = ledger.open_run(connection, small)
    store_sky(connection, run, make_sky(60, 20))
    ledger.perform(connection, run, "sample", "key", lambda: StageResult({}))
    connection.commit()
    tasks = InProcess()

    def untrained(folder: Path, plans: Any, n: int, on_event: Any, *_: Any) -> None:
        tasks(folder, plans, n, on_event)

    monkeypatch.setattr(elsewhere, "train_members", untrained)
    train(run.run_id)
    assert sorted(tasks.trained) == [0, 1]
    row = connection.execute("SELECT status, n_members FROM production.ensemble").fetchone()
    assert row == ("complete", 2)
    assert connection.execute("SELECT status FROM production.stage WHERE name = 'train'").fetchone() == ("complete",)

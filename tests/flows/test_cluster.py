"""Members trained on a Dask cluster: the same bits as here, also when a worker is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.training.elsewhere import TrainedElsewhere
from catalog.ensemble.training.member import train_member, weights_sha256
from catalog.ensemble.training.outcome import MemberOutcome
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import Task, member_files
from catalog.profiles import load_profile
from catalog.settings import Settings
from catalog.tasks import task_runner
from flows.distribution import distributed
from tests.ensemble.training.test_pool import random_stars
from tests.flows.clusters import start_cluster

pytest.importorskip("prefect_dask", reason="rvscat[dask] is not installed: no cluster to train on")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two processes with one thread each."""
    with start_cluster(2) as cluster:
        yield cluster.address


@pytest.mark.usefixtures("prefect_server")
def test_a_killed_worker_changes_no_bit(address: str, tmp_path: Path) -> None:
    profile = load_profile("tiny")
    training = profile.training.model_copy(update={"max_epochs": 6})
    arrays, plan = random_stars(90), MemberPlan(1, 1, 0)
    Task(tmp_path, arrays, profile.network, training, "sample", 0.0).save()
    events: list[dict[str, Any]] = []
    killed: list[str] = []

    def kill(event: dict[str, Any]) -> None:
        events.append(event)
        if event.get("epoch", 0) >= 3 and not killed:
            killed.append(event["where"])
            os.kill(int(event["where"].rpartition(":")[2]), signal.SIGKILL)

    settings = Settings(home=tmp_path, task_runner="dask", dask_address=address)
    with distributed(settings):
        runner = task_runner(settings)
        assert runner is not None
        TrainedElsewhere(runner)(tmp_path, [plan], 2, kill)

    [restarted] = [event for event in events if event["event"] == "restarted"]
    assert restarted["message"] == f"The worker {killed[0]}, which trained member 2, was lost."
    # In another process, and after the checkpoint only.
    [resumed] = [event for event in events if event["event"] == "resumed"]
    assert resumed["epoch"] >= 2
    assert {event["where"] for event in events[events.index(resumed) : -1]}.isdisjoint(killed)
    assert events[-1]["event"] == "done"

    saved = MemberOutcome.model_validate_json(member_files(tmp_path / "members", 1)[1].read_text())
    start_keras(threads=1)
    straight = train_member(arrays, 1, saved.seed, profile.network, training, lambda *_: None)
    with quiet():
        assert weights_sha256(straight.network.get_weights()) == saved.weights_sha256
    assert straight.history["val_loss"] == saved.history["val_loss"]

"""Parts of a stage, done by task runners of Prefect."""

import os
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import TrainingError
from catalog.settings import Settings
from catalog.tasks import LostPart, TaskRunner, task_runner
from flows.distribution import distributed

pytestmark = pytest.mark.usefixtures("prefect_server")

THREADS = "prefect.task_runners:ThreadPoolTaskRunner"
PROCESSES = "prefect.task_runners:ProcessPoolTaskRunner"


def run(runner: TaskRunner, name: str, n: int, **more: Any) -> tuple[dict[int, Any], list[LostPart], int]:
    done: dict[int, Any] = {}
    n_idle = 0

    def idle() -> None:
        nonlocal n_idle
        n_idle += 1

    parts = [{"number": number, **more} for number in range(n)]
    lost = runner.run(f"tests.flows.work:{name}", parts, done.__setitem__, idle)
    return done, lost, n_idle


def test_parts_are_done_and_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, task_runner=THREADS)
    with distributed(settings):
        runner = task_runner(settings)
        assert runner is not None
        done, lost, n_idle = run(runner, "double", 4)
        assert {number: value["twice"] for number, value in done.items()} == {0: 0, 1: 2, 2: 4, 3: 6}
        assert lost == []
        assert n_idle > 0
        with pytest.raises(TrainingError, match="Part 1 cannot be done") as told:
            run(runner, "fail", 3)
        assert told.value.remedy == "Leave it."
        # A mistake of ours is no lost worker.
        with pytest.raises(ZeroDivisionError, match="part"):
            run(runner, "break_", 1)


def test_a_part_whose_process_is_killed_is_lost_and_the_others_may_be(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, task_runner=PROCESSES)
    with distributed(settings):
        runner = task_runner(settings)
        assert runner is not None
        done, lost, _ = run(runner, "die_once", 2, folder=str(tmp_path))
        assert 1 in {part.number for part in lost}
        assert {*done, *(part.number for part in lost)} == {0, 1}
        assert all("Its worker was lost" in part.message for part in lost)
        done, lost, _ = run(runner, "die_once", 2, folder=str(tmp_path))
        assert (done, lost) == ({0: 0, 1: 1}, [])


def test_dask_does_them_in_processes_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask", reason="rvscat[dask] is not installed")
    settings = Settings(home=tmp_path, task_runner="dask", workers=1)
    with distributed(settings):
        runner = task_runner(settings)
        assert runner is not None
        done, lost, _ = run(runner, "double", 2)
    assert [done[i]["twice"] for i in range(2)] == [0, 2]
    assert os.getpid() not in {value["process"] for value in done.values()}
    assert lost == []

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from catalog.ensemble.training import pool
from catalog.ensemble.training.member import TrainingArrays
from catalog.ensemble.training.outcome import MemberOutcome
from catalog.ensemble.training.pool import RESTARTS, train_members
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import Task, member_files
from catalog.errors import RvscatError, TrainingError
from catalog.profiles import load_profile
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL

TRAINING = TrainingSettings(splits=2, initialisations=2, max_epochs=2, batch_size=20, learning_rate=1e-3)


def write_task(folder: Path, arrays: TrainingArrays, training: TrainingSettings = TRAINING) -> None:
    Task(folder, arrays, SMALL, training, "sample", 0.0).save()


def record(folder: Path, member: int) -> MemberOutcome:
    return MemberOutcome.model_validate_json(member_files(folder / "members", member)[1].read_text())


def test_an_interrupted_training_goes_on_as_if_nothing_had_been(
    arrays: TrainingArrays, tmp_path: Path, started: list[psutil.Process]
) -> None:
    write_task(tmp_path, arrays)
    plans = [MemberPlan(0, 0, 0), MemberPlan(1, 0, 1), MemberPlan(2, 1, 0)]
    events: list[dict[str, Any]] = []

    def interrupt(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "done":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_members(tmp_path, plans, 2, interrupt)
    assert len(started) == 2
    assert not any(process.is_running() for process in started)
    finished = events[-1]["member"]
    record(tmp_path, finished)
    assert [event["epoch"] for event in events if event.get("member") == finished and "epoch" in event] == [1, 2]
    assert all(event["val_loss"] > 0 for event in events if event["event"] == "epoch")

    left = [plan for plan in plans if plan.member != finished]
    events.clear()
    train_members(tmp_path, left, 1, events.append)
    assert len(started) == 3
    assert not started[2].is_running()
    assert [event["member"] for event in events if event["event"] == "done"] == [plan.member for plan in left]
    assert len({record(tmp_path, plan.member).weights_sha256 for plan in plans}) == 3
    # The last member followed another one in its process: nothing of that one is left in it.
    last = record(tmp_path, 2)
    write_task(tmp_path / "alone", arrays)
    train_members(tmp_path / "alone", plans[2:], 1, events.append)
    assert record(tmp_path / "alone", 2).weights_sha256 == last.weights_sha256


PARENT = """
import json, sys
from pathlib import Path
from catalog.ensemble.training.pool import RESTARTS, train_members
from catalog.ensemble.training.splits import MemberPlan
plans = [MemberPlan(member, member, 0) for member in range(int(sys.argv[2]))]
train_members(Path(sys.argv[1]), plans, len(plans), lambda event: print(json.dumps(event), flush=True))
"""


def start_training(folder: Path, members: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), str(members)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_training_that_is_killed_ends_with_the_same_weights(tmp_path: Path, started: list[psutil.Process]) -> None:
    profile = load_profile("tiny")
    training = profile.training.model_copy(update={"max_epochs": 9})
    arrays = random_stars(90)
    Task(tmp_path, arrays, profile.network, training, "sample", 0.0).save()

    # First the whole training, its process at the same moment.
    parent = start_training(tmp_path, 1)
    assert parent.stdout is not None
    for line in parent.stdout:
        if json.loads(line).get("epoch") == 3:
            break
    children = psutil.Process(parent.pid).children()
    for process in (*children, psutil.Process(parent.pid)):
        process.kill()
    parent.communicate()
    psutil.wait_procs(children, timeout=30)
    assert [path.name for path in (tmp_path / "members").iterdir() if path.name[0] != "."] == ["member_00.checkpoint"]

    # Then the process of the training that goes on.
    events: list[dict[str, Any]] = []

    def kill(event: dict[str, Any]) -> None:
        events.append(event)
        if event.get("epoch", 0) >= 5 and len(started) == 1:
            started[0].send_signal(signal.SIGKILL)

    train_members(tmp_path, [MemberPlan(0, 0, 0)], 1, kill)
    resumed = [event["epoch"] for event in events if event["event"] == "resumed"]
    assert len(resumed) == 2
    assert 2 <= resumed[0] < resumed[1]
    [restarted] = [event for event in events if event["event"] == "restarted"]
    assert "trained member 1 was ended by signal SIGKILL" in restarted["message"]

    saved = record(tmp_path, 0)
    Task(tmp_path / "straight", arrays, profile.network, training, "sample", 0.0).save()
    train_members(tmp_path / "straight", [MemberPlan(0, 0, 0)], 1, events.append)
    straight = record(tmp_path / "straight", 0)
    assert straight.weights_sha256 == saved.weights_sha256
    assert straight.history["val_loss"] == saved.history["val_loss"]


def random_stars(n: int) -> TrainingArrays:
    """Stars of the paper's sizes whose labels lie in their spectra."""
    rng = np.random.default_rng(8)
    labels = rng.random((n, 5), dtype=np.float32)
    flux = np.ones((n, 2401), dtype=np.float32) - 0.05 * rng.random((n, 2401), dtype=np.float32)
    for i in range(5):
        flux[:, 300 * (i + 1) : 300 * (i + 1) + 40] -= 0.5 * labels[:, i, None]
    validation = np.zeros((2, n), dtype=bool)
    validation[0, ::4] = validation[1, 1::4] = True
    return TrainingArrays(flux, labels[:, :4].copy(), rng.random((n, 110), dtype=np.float32), labels, validation)


def test_a_failing_process_says_why(arrays: TrainingArrays, tmp_path: Path) -> None:
    write_task(tmp_path, arrays)
    (tmp_path / "labels.npy").write_bytes(b"no array")
    with pytest.raises(TrainingError, match=r"member 1 ended with status 1.*worker-0\.log.*Error") as caught:
        train_members(tmp_path, [MemberPlan(0, 0, 0)], 1, lambda _: None)
    assert "run the command again" in caught.value.remedy


def test_processes_end_with_their_parent(arrays: TrainingArrays, tmp_path: Path) -> None:
    write_task(tmp_path, arrays)
    parent = start_training(tmp_path, 2)
    try:
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while len(children) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            children = psutil.Process(parent.pid).children()
        assert len(children) == 2
    finally:
        parent.kill()
        parent.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)
    for process in alive:
        process.kill()
    assert alive == []


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A process that says what it is told instead of training."""
    monkeypatch.setattr(pool, "_WORKER", "tests.ensemble.training.stub_worker")

    def prepare(*lines: str, status: int | None = None) -> Path:
        (tmp_path / "said.json").write_text(json.dumps({"lines": lines, "status": status}))
        return tmp_path

    return prepare


def test_a_hopeless_member_ends_the_training(stub: Callable[..., Path], started: list[psutil.Process]) -> None:
    folder = stub(
        '{"event": "diverged", "member": 1, "seed": 5, "message": "nan"}\n',
        '{"event": "error", "member": 1, "message": "Member 1 has diverged.", "remedy": "Lower the rate."}\n',
    )
    events: list[dict[str, Any]] = []
    with pytest.raises(RvscatError, match=r"Member 1 has diverged\. Lower the rate\."):
        train_members(folder, [MemberPlan(1, 0, 1)], 1, events.append)
    assert [event["event"] for event in events] == ["diverged"]
    assert not started[0].is_running()


def test_a_process_that_is_killed_again_and_again_is_given_up(
    stub: Callable[..., Path], started: list[psutil.Process]
) -> None:
    events: list[dict[str, Any]] = []
    folder = stub('{"event": "resumed", "member": 0, "epoch": 3}\n', status=-9)
    with pytest.raises(TrainingError, match=r"trained member 1 was ended by signal SIGKILL.*RVSCAT_WORKERS"):
        train_members(folder, [MemberPlan(0, 0, 0)], 1, events.append)
    assert [event["event"] for event in events] == ["resumed", "restarted"] * RESTARTS + ["resumed"]
    assert len(started) == RESTARTS + 1
    assert not any(process.is_running() for process in started)


def test_half_a_line_is_the_end(stub: Callable[..., Path]) -> None:
    with pytest.raises(TrainingError, match=r"member 1 ended with status 7.*something went wrong in the stub"):
        train_members(stub('{"event": "ep', status=7), [MemberPlan(0, 0, 0)], 1, lambda _: None)


def test_an_early_end_without_error_is_one(stub: Callable[..., Path]) -> None:
    with pytest.raises(TrainingError, match="member 1 ended with status 0"):
        train_members(stub(status=0), [MemberPlan(0, 0, 0)], 2, lambda _: None)

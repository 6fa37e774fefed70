import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from catalog.ensemble import pool
from catalog.ensemble.artefact import MemberRecord
from catalog.ensemble.backend import quiet
from catalog.ensemble.pool import train_members
from catalog.ensemble.splits import MemberPlan
from catalog.ensemble.training import TrainingArrays, train_member, weights_sha256
from catalog.ensemble.worker import member_files
from catalog.errors import RvscatError, TrainingError
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL

TRAINING = TrainingSettings(splits=2, initialisations=2, max_epochs=2, batch_size=20, learning_rate=1e-3)


def write_task(folder: Path, arrays: TrainingArrays, training: TrainingSettings = TRAINING) -> None:
    (folder / "members").mkdir()
    arrays.save(folder)
    task = {"network": SMALL.model_dump(mode="json"), "training": training.model_dump(mode="json")}
    (folder / "task.json").write_text(json.dumps(task))


def record(folder: Path, member: int) -> MemberRecord:
    return MemberRecord.model_validate_json(member_files(folder / "members", member)[1].read_text())


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[psutil.Process]:
    """The processes that a test starts."""
    found: list[psutil.Process] = []
    start = pool._start

    def remember(*arguments: Any) -> Any:
        worker = start(*arguments)
        found.append(psutil.Process(worker.process.pid))
        return worker

    monkeypatch.setattr(pool, "_start", remember)
    return found


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
    again = train_member(arrays, 1, last.seed, SMALL, TRAINING, lambda *_: None)
    with quiet():
        assert weights_sha256(again.network.get_weights()) == last.weights_sha256


def test_a_killed_process_is_told(arrays: TrainingArrays, tmp_path: Path, started: list[psutil.Process]) -> None:
    write_task(tmp_path, arrays)

    def kill() -> None:
        while not started:
            time.sleep(0.01)
        started[0].send_signal(signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(TrainingError, match=r"trained member 0 was ended by signal SIGKILL.*RVSCAT_WORKERS"):
        train_members(tmp_path, [MemberPlan(0, 0, 0)], 1, lambda _: None)


def test_a_failing_process_says_why(arrays: TrainingArrays, tmp_path: Path) -> None:
    write_task(tmp_path, arrays)
    (tmp_path / "labels.npy").write_bytes(b"no array")
    with pytest.raises(TrainingError, match=r"member 0 ended with status 1.*worker-0\.log.*Error") as caught:
        train_members(tmp_path, [MemberPlan(0, 0, 0)], 1, lambda _: None)
    assert "run the command again" in caught.value.remedy


def test_processes_end_with_their_parent(arrays: TrainingArrays, tmp_path: Path) -> None:
    write_task(tmp_path, arrays)
    code = (
        "from pathlib import Path\n"
        "from catalog.ensemble.pool import train_members\n"
        "from catalog.ensemble.splits import MemberPlan\n"
        f"train_members(Path({str(tmp_path)!r}), [MemberPlan(0, 0, 0), MemberPlan(1, 0, 1)], 2, print)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while len(children) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            children = psutil.Process(parent.pid).children()
        assert len(children) == 2
    finally:
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    for process in alive:
        process.kill()
    assert alive == []


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A process that says what it is told instead of training."""
    monkeypatch.setattr(pool, "_WORKER", "tests.ensemble.stub_worker")

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


def test_half_a_line_is_the_end(stub: Callable[..., Path]) -> None:
    with pytest.raises(TrainingError, match=r"member 0 ended with status 7.*something went wrong in the stub"):
        train_members(stub('{"event": "ep', status=7), [MemberPlan(0, 0, 0)], 1, lambda _: None)


def test_an_early_end_without_error_is_one(stub: Callable[..., Path]) -> None:
    with pytest.raises(TrainingError, match="member 0 ended with status 0"):
        train_members(stub(status=0), [MemberPlan(0, 0, 0)], 2, lambda _: None)

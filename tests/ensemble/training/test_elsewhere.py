"""Members as tasks: what runs the tasks is of no concern here, and does them one after the other."""

import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import psutil
import pytest

from catalog.ensemble.training import elsewhere, pool
from catalog.ensemble.training.elsewhere import TrainedElsewhere, train_by_number
from catalog.ensemble.training.journal import JournalReader, SupersededError, begin_session
from catalog.ensemble.training.member import TrainingArrays
from catalog.ensemble.training.outcome import MemberOutcome
from catalog.ensemble.training.splits import MemberPlan, member_seed
from catalog.ensemble.training.task import Task, member_files
from catalog.errors import ConfigurationError, RvscatError, TrainingError
from catalog.profiles.model import TrainingSettings
from catalog.tasks import Idle, LostPart, OnEnd, Part
from tests.ensemble.conftest import SMALL

FEW = TrainingSettings(max_epochs=2, batch_size=20, learning_rate=1e-3)
PLANS = [MemberPlan(0, 0, 0), MemberPlan(3, 1, 1)]


class OneAfterTheOther:
    """A task runner that does parts in this process, and loses those whose numbers it is given."""

    def __init__(self, *lost: Sequence[int]) -> None:
        self.runs: list[list[int]] = []
        self._lost = list(lost)

    def run(self, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[LostPart]:
        self.runs.append([part["member"] for part in parts])
        lose = self._lost.pop(0) if self._lost else ()
        for number, part in enumerate(parts):
            # As it would travel.
            arguments = json.loads(json.dumps(part))
            if number not in lose:
                value = resolve_name(target)(**arguments)
                idle()
                on_end(number, value)
        return [LostPart(number, "Its worker was lost (KilledWorker).") for number in lose]


@pytest.fixture
def task(tmp_path: Path, arrays: TrainingArrays) -> Task:
    Task(tmp_path, arrays, SMALL, FEW, "sample", 0.0).save()
    return Task.open(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are not trained, in this process."""
    from tests.ensemble.conftest import InProcess

    trainer = InProcess()
    monkeypatch.setattr(
        elsewhere, "train_members", lambda folder, plans, n, on_event, *_: trainer(folder, plans, n, on_event)
    )


def test_a_path_and_numbers_are_enough(task: Task) -> None:
    events: list[dict[str, Any]] = []
    TrainedElsewhere(OneAfterTheOther())(task.folder, PLANS[1:], 9, events.append)
    outcome = MemberOutcome.model_validate_json(member_files(task.members, 3)[1].read_text())
    assert outcome.seed == member_seed(FEW, PLANS[1])
    assert [(event["event"], event.get("epoch")) for event in events] == [("epoch", 1), ("epoch", 2), ("done", None)]
    assert all(event["where"].endswith(f":{os.getpid()}") for event in events[:2])
    assert events[2] == {"event": "done", "member": 3, "epochs": 2, "val_loss": outcome.val_loss}
    assert not (task.folder / "session").exists()


def test_a_lost_member_is_given_out_again(task: Task, quick: None) -> None:
    runner, events = OneAfterTheOther([1], [0]), list[dict[str, Any]]()
    TrainedElsewhere(runner)(task.folder, PLANS, 1, events.append)
    assert runner.runs == [[0, 3], [3], [3]]
    told = [(event["event"], event["member"]) for event in events if event["event"] != "epoch"]
    assert told == [("done", 0), ("restarted", 3), ("restarted", 3), ("done", 3)]


def test_a_member_that_is_lost_again_and_again_is_given_up(task: Task, quick: None) -> None:
    runner = OneAfterTheOther([1], [0], [0])
    with pytest.raises(TrainingError, match=r"Member 4 was lost 3 times: Its worker was lost \(KilledWorker\)") as told:
        TrainedElsewhere(runner)(task.folder, PLANS, 1, lambda _: None)
    assert "run the command again" in told.value.remedy
    assert member_files(task.members, 0)[1].is_file()


def test_files_that_are_not_whole_count_as_lost(task: Task, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    train, spoilt = elsewhere.train_members, list[Path]()

    def spoil(folder: Path, *rest: Any) -> None:
        train(folder, *rest)
        network = member_files(folder / "members", 0)[0]
        if not spoilt:
            spoilt.append(network)
            network.write_bytes(network.read_bytes()[:-1])

    monkeypatch.setattr(elsewhere, "train_members", spoil)
    runner, events = OneAfterTheOther(), list[dict[str, Any]]()
    TrainedElsewhere(runner)(task.folder, PLANS[:1], 1, events.append)
    assert runner.runs == [[0], [0]]
    assert [e["message"] for e in events if e["event"] == "restarted"] == ["The files of member 1 are not whole."]


def test_a_runner_that_gives_a_member_to_another_worker_is_told_of(
    task: Task, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class GivesOn(OneAfterTheOther):
        def run(self, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[LostPart]:
            with monkeypatch.context() as lost:
                lost.setattr("catalog.ensemble.training.journal.here", lambda: "node7:12")
                lost.setattr(elsewhere, "train_members", lambda *_: None)
                resolve_name(target)(**parts[0])
            idle()
            return super().run(target, parts, on_end, idle)

    events: list[dict[str, Any]] = []
    TrainedElsewhere(GivesOn())(task.folder, PLANS[:1], 1, events.append)
    assert events[0] == {
        "event": "restarted", "member": 0, "message": "The worker node7:12, which trained member 1, was lost.",
    }  # fmt: skip
    assert events[-1]["event"] == "done"


def test_a_task_that_was_left_running_ends_with_its_process(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[psutil.Process]
) -> None:
    monkeypatch.setattr(pool, "_WORKER", "tests.ensemble.training.stub_worker")
    (tmp_path / "said.json").write_text(
        json.dumps({"lines": ['{"event": "epoch", "member": 3, "epoch": 1}\n'], "status": None})
    )
    session, raised = begin_session(tmp_path), list[BaseException]()

    def train() -> None:
        try:
            train_by_number(str(tmp_path), session, 3, 1, 1)
        except RvscatError as error:
            raised.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    reader, deadline = JournalReader(tmp_path, session), time.monotonic() + 30
    while not any(event["event"] == "epoch" for event in reader.news()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(started) == 1
    # The next training begins while this one still runs on some machine.
    begin_session(tmp_path)
    thread.join(30)
    assert [type(error) for error in raised] == [SupersededError]
    assert not started[0].is_running()


def test_another_version_is_refused(task: Task) -> None:
    session = begin_session(task.folder)
    with pytest.raises(ConfigurationError, match=r"member 1, has rvscat .*; the training runs on 0\.0\.0"):
        train_by_number(str(task.folder), session, 0, 0, 0, "0.0.0")


def test_a_hopeless_member_ends_the_training_with_its_own_words(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_WORKER", "tests.ensemble.training.stub_worker")
    error = {"event": "error", "member": 3, "message": "Member 4 has diverged.", "remedy": "Lower the rate."}
    (tmp_path / "said.json").write_text(json.dumps({"lines": [json.dumps(error) + "\n"], "status": None}))
    with pytest.raises(RvscatError, match=r"Member 4 has diverged\. Lower the rate\."):
        TrainedElsewhere(OneAfterTheOther())(tmp_path, PLANS[1:], 1, lambda _: None)
    assert not (tmp_path / "session").exists()

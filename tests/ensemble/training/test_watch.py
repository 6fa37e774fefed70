from typing import Any

from catalog.ensemble.training.watch import TrainingWatch
from catalog.profiles.model import TrainingSettings
from catalog.progress import Listener

TRAINING = TrainingSettings(max_epochs=100)


class Screen(Listener):
    def __init__(self) -> None:
        self.told: list[tuple[float, float, str]] = []
        self.rows: list[Any] = []

    def __call__(self, done: float, total: float, what: str = "") -> None:
        self.told.append((done, total, what))

    def parts(self, rows: Any) -> None:
        self.rows = list(rows)


def epoch(member: int, number: int, patience_left: int = 12) -> dict[str, Any]:
    return {
        "event": "epoch", "member": member, "epoch": number, "loss": 0.0123456, "val_loss": 0.02, "mse": 0.01,
        "val_mse": 0.01, "learning_rate": 5e-5, "seconds": 30.0, "patience_left": patience_left,
    }  # fmt: skip


def test_every_member_at_work_is_shown_until_it_has_ended() -> None:
    screen = Screen()
    watch = TrainingWatch(TRAINING, 4, [], screen)
    assert screen.told == [(0, 400, "starting the training processes")]
    assert screen.rows == []
    watch(epoch(2, 7))
    watch(epoch(0, 9))
    assert [row["member"] for row in screen.rows] == ["1", "3"]
    assert screen.rows[1] == {
        "member": "3", "epoch": "7/100", "loss": "0.01235", "validation": "0.02000", "learning rate": "5.0e-05",
        "left": "> 0:06:00",
    }  # fmt: skip
    assert screen.told[-1][:2] == (16, 400)
    watch({"event": "done", "member": 2, "epochs": 50, "val_loss": 0.02})
    assert [row["member"] for row in screen.rows] == ["1"]
    # Now there is a member to compare with: 50 epochs are usual.
    assert screen.rows[0]["left"] == "0:20:30"
    assert screen.told[-1] == (109, 400, "member 3 of 4 finished after 50 epochs, validation 0.0200")
    watch.end()
    assert screen.rows == []


def test_what_is_left_is_bounded_by_patience_and_epochs() -> None:
    watch = TrainingWatch(TRAINING, 2, [40], lambda *_: None)
    assert watch.seconds_left(epoch(0, 10)) == (900.0, True)
    assert watch.seconds_left(epoch(0, 60)) == (360.0, True)
    assert watch.seconds_left(epoch(0, 95)) == (150.0, True)
    fresh = TrainingWatch(TRAINING, 2, [], lambda *_: None)
    assert fresh.seconds_left(epoch(0, 60)) == (360.0, False)
    assert fresh.seconds_left(epoch(0, 95)) == (150.0, True)


def test_what_went_wrong_is_noted() -> None:
    screen = Screen()
    watch = TrainingWatch(TRAINING, 3, [30], screen)
    assert screen.told[0] == (100, 300, "1 members were finished before")
    watch({"event": "refused", "member": 1, "message": "member_01.checkpoint is no whole checkpoint."})
    watch({"event": "resumed", "member": 2, "epoch": 17})
    watch({"event": "restarted", "member": 2, "message": "The process was ended by signal SIGKILL."})
    watch(epoch(1, 3))
    watch({"event": "diverged", "member": 1, "seed": 5, "message": "nan"})
    assert screen.rows == []
    assert screen.told[-1] == (100, 300, "member 2 has diverged, next seed")
    assert watch.notes == [
        "member_01.checkpoint is no whole checkpoint. Member 2 began again.",
        "Member 3 went on after epoch 17, where it was stopped.",
        "The process was ended by signal SIGKILL. Another process took the member up again.",
    ]

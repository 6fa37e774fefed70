from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.ensemble.backend import quiet
from catalog.ensemble.training import checkpoints
from catalog.ensemble.training.checkpoints import Checkpoint, CheckpointError, CheckpointKeeper
from catalog.ensemble.training.member import TrainingArrays, train_member, weights_sha256
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL

IDENTITY = {"sample": "abc", "member": (0, 1, 2), "keras": "3"}


def keeper(folder: Path, **changes: Any) -> CheckpointKeeper:
    return CheckpointKeeper(folder / "member_00.checkpoint", {**IDENTITY, **changes}, 0.0)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    one = keeper(tmp_path)
    one.extra = {"failures": [{"seed": 5, "message": "nan"}]}
    one.write(Checkpoint({"epoch": 3, "best": 0.1}, {"a": np.arange(5.0), "b": np.float32(2)}))
    return one.path


def test_what_was_written_is_read(written: Path) -> None:
    again = keeper(written.parent)
    found = again.read()
    assert found is not None
    assert found.state == {"epoch": 3, "best": 0.1}
    assert again.extra == {"failures": [{"seed": 5, "message": "nan"}]}
    np.testing.assert_array_equal(found.arrays["a"], np.arange(5.0))
    assert set(found.arrays) == {"a", "b"}
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    again.discard()
    assert again.read() is None


@pytest.mark.parametrize("place", [0, 30, 90, 400, -1])
def test_one_changed_byte_is_refused(written: Path, place: int) -> None:
    data = bytearray(written.read_bytes())
    data[place] ^= 1
    written.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"member_00\.checkpoint is no whole checkpoint.*begins again"):
        keeper(written.parent).read()


@pytest.mark.parametrize("length", [0, 10, 50, 500])
def test_half_a_file_is_refused(written: Path, length: int) -> None:
    written.write_bytes(written.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        keeper(written.parent).read()


def test_another_training_is_refused_and_says_in_what_it_differs(written: Path) -> None:
    with pytest.raises(CheckpointError, match="another training: keras, sample is not the same"):
        keeper(written.parent, keras="4", sample="other").read()


def test_a_failed_write_leaves_the_one_before(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, write: Any) -> None:
        path.with_name(".1-half").write_bytes(b"rvscat")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_whole", full)
    one = keeper(written.parent)
    with pytest.raises(OSError, match="No space"):
        one.write(Checkpoint({"epoch": 4}, {}))
    found = one.read()
    assert found is not None
    assert found.state["epoch"] == 3


def test_checkpoints_cost_a_fiftieth_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now[0]

    monkeypatch.setattr(checkpoints, "time", Clock)
    one = CheckpointKeeper(tmp_path / "x.checkpoint", IDENTITY)
    now[0] += 4.9
    assert not one.due()
    now[0] += 0.2
    assert one.due()

    def slow(path: Path, write: Any) -> None:
        now[0] += 0.5

    monkeypatch.setattr(checkpoints, "write_whole", slow)
    one.write(Checkpoint({}, {}))
    now[0] += 24.0
    assert not one.due()
    now[0] += 2.0
    assert one.due()


@quiet()
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(arrays: TrainingArrays, tmp_path: Path) -> None:
    # Dropout, a falling learning rate and an early end: all of them are state.
    settings = TrainingSettings(
        max_epochs=20,
        batch_size=16,
        learning_rate=0.02,
        early_stopping_patience=3,
        early_stopping_min_delta=0.03,
        plateau_patience=1,
        diverged_above=1e9,
    )
    straight = train_member(arrays, 1, 4, SMALL, settings, lambda *_: None)
    assert straight.best_epoch < straight.epochs < 20
    rates = straight.history["learning_rate"]

    class StopError(Exception):
        pass

    def stop(epoch: int, figures: dict[str, float]) -> None:
        told.append(epoch)
        if figures["learning_rate"] < rates[0]:
            raise StopError

    told: list[int] = []
    first = keeper(tmp_path)
    with pytest.raises(StopError):
        train_member(arrays, 1, 4, SMALL, settings, stop, first)
    start = keeper(tmp_path).read()
    assert start is not None
    # What came after the last checkpoint is done once more.
    assert len(start.state["history"]["loss"]) == told[-1] - 1
    assert told[-1] < straight.epochs
    trained = train_member(arrays, 1, 4, SMALL, settings, lambda *_: None, None, start)
    assert weights_sha256(trained.network.get_weights()) == weights_sha256(straight.network.get_weights())
    for name in ("loss", "mse", "val_loss", "val_mse", "learning_rate"):
        assert trained.history[name] == straight.history[name]
    assert (trained.best_epoch, trained.epochs) == (straight.best_epoch, straight.epochs)
    assert len(trained.history["seconds"]) == trained.epochs

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.ensemble.search.state import TrialRecord
from catalog.ensemble.search.trial import TrialTrainer
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.member import train_member
from catalog.profiles.model import NetworkSettings, TrainingSettings
from tests.ensemble.conftest import SMALL
from tests.ensemble.search.conftest import KnownSession

TRAINING = TrainingSettings(max_epochs=500, batch_size=16, learning_rate=5e-3, kernels="keras")


class _StopError(Exception):
    pass


def ignore(*_: Any) -> None:
    """Take no notice."""


@pytest.fixture
def one_split(arrays: TrainingArrays) -> TrainingArrays:
    return replace(arrays, validation=arrays.validation[:1])


def trainer(arrays: TrainingArrays, folder: Path, keep: bool = False) -> TrialTrainer:
    return TrialTrainer(arrays, 7, folder, "sample", 4, keep, checkpoint_seconds=0.0)


def trial(epochs: int = 4) -> TrialRecord:
    return TrialRecord(number=3, status="failed", values={"dropout": 0.2}, max_epochs=epochs)


def stop_at_3(epoch: int, _: object) -> None:
    if epoch == 3:
        raise _StopError


def test_a_trial_is_the_training_of_a_member_even_when_it_was_stopped(arrays: TrainingArrays, tmp_path: Path) -> None:
    member = train_member(arrays, 0, 7, SMALL, TRAINING.model_copy(update={"max_epochs": 4}), ignore)
    work, told, resumed = trainer(arrays, tmp_path), [], []
    with pytest.raises(_StopError):
        work.train(trial(), SMALL, TRAINING, stop_at_3, ignore)
    done = work.train(
        trial(), SMALL, TRAINING, lambda epoch, _: told.append(epoch), lambda epoch, _: resumed.append(epoch)
    )
    assert (resumed, told) == ([2], [3, 4])
    assert done.history == tuple(member.history["val_mse"])
    assert (done.status, done.epochs, done.best_epoch) == ("completed", 4, member.best_epoch)
    assert done.val_mse == member.history["val_mse"][member.best_epoch - 1]
    assert (done.number, done.values) == (3, {"dropout": 0.2})
    assert {"rvscat", "keras_tuner", "keras", "kernels"} < set(done.versions)
    assert len(list(tmp_path.iterdir())) == 1
    work.discard(SMALL, TRAINING)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_of_no_use_and_no_harm(
    one_split: TrainingArrays, tmp_path: Path, known_session: type[KnownSession]
) -> None:
    work, resumed = trainer(one_split, tmp_path), []
    with pytest.raises(_StopError):
        work.train(trial(), SMALL, TRAINING, stop_at_3, ignore)
    next(tmp_path.iterdir()).write_bytes(b"rubbish")
    done = work.train(trial(), SMALL, TRAINING, ignore, lambda epoch, _: resumed.append(epoch))
    assert (done.epochs, resumed) == (4, [])


def test_a_later_round_goes_on_from_the_end_of_the_one_before(
    one_split: TrainingArrays, tmp_path: Path, known_session: type[KnownSession]
) -> None:
    work, resumed = trainer(one_split, tmp_path, keep=True), []
    first = work.train(trial(2), SMALL, TRAINING, ignore, ignore)
    work.discard(SMALL, TRAINING)
    second = work.train(trial(4), SMALL, TRAINING, ignore, lambda epoch, _: resumed.append(epoch))
    assert resumed == [2]
    assert (first.epochs, second.epochs) == (2, 4)
    assert second.history[:2] == first.history
    # All rounds are told the same maximum: it may decide on how a session computes.
    assert {training.max_epochs for _, training in known_session.made} == {4}


@pytest.mark.parametrize(
    ("network", "training", "words"),
    [
        (SMALL, TRAINING.model_copy(update={"learning_rate": 1e30}), "of epoch 1 is"),
        (SMALL.model_copy(update={"kernel_size": 60}), TRAINING, "the network cannot be built"),
    ],
)
def test_a_trial_that_fails_says_why(
    arrays: TrainingArrays, tmp_path: Path, network: NetworkSettings, training: TrainingSettings, words: str
) -> None:
    done = trainer(arrays, tmp_path).train(trial(), network, training, ignore, ignore)
    assert (done.status, done.val_mse) == ("failed", None)
    assert words in done.message

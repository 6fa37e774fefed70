import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.ensemble import space
from catalog.ensemble.backend import quiet
from catalog.ensemble.prediction.loading import predict_scaled
from catalog.ensemble.training import task as task_module
from catalog.ensemble.training.checkpoints import Checkpoint, CheckpointKeeper
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.member import TrainedMember, TrainingArrays, weights_sha256
from catalog.ensemble.training.outcome import Failure, MemberOutcome
from catalog.ensemble.training.splits import MemberPlan, member_seed
from catalog.ensemble.training.task import ATTEMPTS, Task, member_files, train_and_save
from catalog.errors import RvscatError
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL, untrained

FEW = TrainingSettings(max_epochs=1, batch_size=20, learning_rate=1e-3)
PLAN = MemberPlan(3, 1, 1)


@pytest.fixture
def task(tmp_path: Path, arrays: TrainingArrays) -> Task:
    Task(tmp_path, arrays, SMALL, FEW, "sample", 0.0).save()
    return Task.open(tmp_path)


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


def state(seed: int, epochs: int) -> Checkpoint:
    return Checkpoint({"seed": seed, "history": {"loss": [1.0] * epochs}}, {"a": np.zeros(3)})


def checkpointed(task: Task) -> Path:
    return task.members / "member_03.checkpoint"


def test_a_diverging_member_is_told_and_trained_with_the_next_seed(task: Task, events: list[dict[str, Any]]) -> None:
    seeds: list[int] = []

    def flaky(data: TrainingArrays, split: int, seed: int, *rest: Any) -> TrainedMember:
        seeds.append(seed)
        if len(seeds) == 1:
            raise DivergedError("the loss of epoch 2 is inf")
        return untrained(data, split, seed, *rest)

    outcome = train_and_save(task, PLAN, events.append, flaky)
    assert seeds == [member_seed(FEW, PLAN, 0), member_seed(FEW, PLAN, 1)]
    assert (outcome.seed, outcome.attempt) == (seeds[1], 1)
    assert outcome.failures == (Failure(seed=seeds[0], message="the loss of epoch 2 is inf"),)
    assert outcome.backend.startswith("tensorflow 2.")
    assert events[0] == {"event": "diverged", "member": 3, "seed": seeds[0], "message": "the loss of epoch 2 is inf"}
    assert [event["event"] for event in events[1:]] == ["epoch"]
    files = member_files(task.members, 3)
    assert sorted(task.members.iterdir()) == sorted(files)
    assert MemberOutcome.model_validate_json(files[1].read_text()) == outcome


def test_a_member_that_always_diverges_is_given_up(task: Task, events: list[dict[str, Any]]) -> None:
    def hopeless(*_: Any) -> TrainedMember:
        raise DivergedError("the loss of epoch 1 is nan")

    message = r"Member 4 .* 3 different seeds; with the last, the loss of epoch 1 is nan\..*learning_rate"
    with pytest.raises(RvscatError, match=message):
        train_and_save(task, PLAN, events.append, hopeless)
    assert len(events) == ATTEMPTS
    assert list(task.members.iterdir()) == []


def test_a_stopped_member_goes_on_with_its_seed_and_remembers_its_failures(
    task: Task, events: list[dict[str, Any]]
) -> None:
    class KilledError(Exception):
        pass

    def diverge_then_stop(data: TrainingArrays, split: int, seed: int, *rest: Any) -> TrainedMember:
        keeper: CheckpointKeeper = rest[3]
        if seed == member_seed(FEW, PLAN, 0):
            keeper.write(state(seed, 5))
            raise DivergedError("the loss of epoch 6 is nan")
        keeper.write(state(seed, 2))
        raise KilledError

    def go_on(data: TrainingArrays, split: int, seed: int, *rest: Any) -> TrainedMember:
        start: Checkpoint = rest[4]
        assert start.state["seed"] == seed == member_seed(FEW, PLAN, 1)
        return untrained(data, split, seed, *rest)

    with pytest.raises(KilledError):
        train_and_save(task, PLAN, events.append, diverge_then_stop)
    outcome = train_and_save(task, PLAN, events.append, go_on)
    assert events[1] == {"event": "resumed", "member": 3, "epoch": 2}
    assert [failure.seed for failure in outcome.failures] == [member_seed(FEW, PLAN, 0)]
    assert not checkpointed(task).exists()


@pytest.mark.parametrize("spoil", ["byte", "settings", "sample", "backend"])
def test_a_checkpoint_that_does_not_fit_is_refused_and_the_member_begins_again(
    task: Task, events: list[dict[str, Any]], spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*rest: Any) -> TrainedMember:
        rest[6].write(state(rest[2], 4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_save(task, PLAN, events.append, stop)
    words = {"settings": "training", "sample": "sample", "backend": "backend"}
    if spoil == "byte":
        data = bytearray(checkpointed(task).read_bytes())
        data[-20] ^= 4
        checkpointed(task).write_bytes(data)
    elif spoil == "settings":
        task = Task(task.folder, task.arrays, SMALL, FEW.model_copy(update={"batch_size": 21}), task.sample)
    elif spoil == "sample":
        task = Task(task.folder, task.arrays, SMALL, FEW, "another")
    else:
        monkeypatch.setattr(task_module, "backend_versions", lambda: {"backend": "jax 1"})
        words["backend"] = "backend, keras, numpy"

    def afresh(*rest: Any) -> TrainedMember:
        assert rest[7] is None
        return untrained(*rest)

    train_and_save(task, PLAN, events.append, afresh)
    assert [event["event"] for event in events] == ["refused", "epoch"]
    reason = "SHA-256" if spoil == "byte" else f"of another training: {words[spoil]} is not the same"
    assert reason in events[0]["message"]


@quiet()
def test_saved_network_predicts_what_the_trained_one_did(task: Task) -> None:
    import keras

    outcome = train_and_save(task, MemberPlan(0, 0, 0), lambda _: None, untrained)
    network_file, _, prediction_file = member_files(task.members, 0)
    # Plain Keras reads the file, without any code of ours.
    loaded = keras.saving.load_model(network_file, compile=False, safe_mode=True)
    assert weights_sha256(loaded.get_weights()) == outcome.weights_sha256
    np.testing.assert_array_equal(predict_scaled(loaded, task.arrays.inputs(slice(None))), np.load(prediction_file))


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let the system refuse to write files beyond that size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("n_bytes", [0, 500, 5_000, 20_000])
def test_a_full_disk_is_told_and_nothing_half_written_stays(task: Task, n_bytes: int) -> None:
    message = rf"Member 4 could not be saved in {task.folder}: File too large.*Make room there.*goes on from there"
    with pytest.raises(RvscatError, match=message), files_up_to(n_bytes):
        train_and_save(task, PLAN, lambda _: None, untrained)
    # Of whole files, only such as are no record of a whole member.
    left = {path.name for path in task.members.iterdir()}
    assert left <= {"member_03.keras", "member_03.npy"}
    assert train_and_save(task, PLAN, lambda _: None, untrained).member == 3


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(task: Task, events: list[dict[str, Any]]) -> None:
    def train(*rest: Any) -> TrainedMember:
        keeper: CheckpointKeeper = rest[6]
        keeper.write(state(rest[2], 1))
        with files_up_to(100):
            keeper.write(state(rest[2], 2))
        raise AssertionError

    with pytest.raises(RvscatError, match="Member 4 could not be saved"):
        train_and_save(task, PLAN, events.append, train)
    assert [path.name for path in task.members.iterdir()] == ["member_03.checkpoint"]
    train_and_save(task, PLAN, events.append, untrained)
    assert events[0] == {"event": "resumed", "member": 3, "epoch": 1}


def test_room_is_asked_for_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space.require_space(tmp_path, 1000, "The training")
    with pytest.raises(RvscatError, match=rf"The training needs about 1000000000 MB in {tmp_path}; \d+ MB are free"):
        space.require_space(tmp_path, 10**15, "The training")
    with pytest.raises(OSError, match="nothing to do with room"), space.told_of_full_disk(tmp_path, "it"):
        raise OSError(errno.EACCES, "nothing to do with room")

"""One member from its place in the plan to its files: trained, resumed, tried again, saved."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.backend import backend_versions, quiet
from catalog.ensemble.prediction.loading import predict_scaled
from catalog.ensemble.registry.files import sha256_file, write_whole
from catalog.ensemble.space import told_of_full_disk
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import CHECKPOINT_SECONDS, Checkpoint, CheckpointError, CheckpointKeeper
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.kernels.layer import kernels_in_use
from catalog.ensemble.training.member import TrainedMember, train_member, weights_sha256
from catalog.ensemble.training.outcome import Failure, MemberOutcome
from catalog.ensemble.training.splits import MemberPlan, member_seed
from catalog.errors import RvscatError
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["ATTEMPTS", "Task", "member_files", "train_and_save"]

ATTEMPTS = 3
"""Seeds that a diverging member tries before the training is given up."""

_TASK_FILE = "task.json"

Emit = Callable[[dict[str, Any]], None]
_Train = Callable[..., TrainedMember]


@dataclass(frozen=True, eq=False)
class Task:
    """What is the same for all members of a training; it lies in the work folder."""

    folder: Path
    """Work folder: the arrays, and the members' files in ``members``."""
    arrays: TrainingArrays
    network: NetworkSettings
    training: TrainingSettings
    sample: str = ""
    """Key of the training: a checkpoint of another one is refused."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    @property
    def members(self) -> Path:
        """Folder of the members' files."""
        return self.folder / "members"

    def save(self) -> None:
        """Write arrays and settings into the folder."""
        self.members.mkdir(parents=True, exist_ok=True)
        self.arrays.save(self.folder)
        values = {
            "network": self.network.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
            "sample": self.sample,
            "checkpoint_seconds": self.checkpoint_seconds,
        }
        write_whole(self.folder / _TASK_FILE, lambda path: path.write_text(json.dumps(values)))

    @classmethod
    def open(cls, folder: Path) -> "Task":
        """Read what `save` wrote."""
        values = json.loads((folder / _TASK_FILE).read_text())
        network = NetworkSettings.model_validate(values.pop("network"))
        training = TrainingSettings.model_validate(values.pop("training"))
        return cls(folder, TrainingArrays.open(folder), network, training, **values)


def member_files(folder: Path, member: int) -> tuple[Path, Path, Path]:
    """Return where a member's network, its outcome and its predictions for the training sample lie."""
    stem = folder / f"member_{member:02d}"
    return stem.with_suffix(".keras"), stem.with_suffix(".json"), stem.with_suffix(".npy")


def train_and_save(task: Task, plan: MemberPlan, emit: Emit, train: _Train = train_member) -> MemberOutcome:
    """Train a member, from its checkpoint if there is one, with the next seed where it diverges, and save it.

    Parameters
    ----------
    task : Task
    plan : MemberPlan
    emit : callable
        Told of each epoch, of each divergence, and where a checkpoint was used or refused.
    train : callable
        `train_member`, or what tests put in its place.

    Returns
    -------
    MemberOutcome
        Written last of the member's files.

    Raises
    ------
    RvscatError
        The member has diverged with every seed, or a file could not be written.
    """
    path = task.members / f"member_{plan.member:02d}.checkpoint"
    keeper = CheckpointKeeper(path, _identity(task, plan), task.checkpoint_seconds)
    start = _last_checkpoint(keeper, plan, emit)
    failures = [Failure.model_validate(each) for each in keeper.extra.get("failures", ())]

    def on_epoch(epoch: int, figures: dict[str, float]) -> None:
        emit({"event": "epoch", "member": plan.member, "epoch": epoch, **figures})

    with told_of_full_disk(task.folder, f"member {plan.member + 1}"):
        while len(failures) < ATTEMPTS:
            seed = member_seed(task.training, plan, len(failures))
            keeper.extra = {"failures": [each.model_dump() for each in failures]}
            try:
                trained = train(task.arrays, plan.split, seed, task.network, task.training, on_epoch, keeper, start)
            except DivergedError as error:
                emit({"event": "diverged", "member": plan.member, "seed": seed, "message": str(error)})
                failures.append(Failure(seed=seed, message=str(error)))
                start = None
                continue
            outcome = _save(task, plan, trained, seed, failures)
            keeper.discard()
            return outcome
    raise RvscatError(
        f"Member {plan.member + 1} of the ensemble has diverged with {ATTEMPTS} different seeds; with the last, "
        f"{failures[-1].message}.",
        f"Lower training.learning_rate in the profile (now {task.training.learning_rate:g}), look at the training "
        f"sample's labels, or raise training.diverged_above (now {task.training.diverged_above:g}).",
    )


def _identity(task: Task, plan: MemberPlan) -> dict[str, Any]:
    """Return what must not change for a training to go on."""
    return {
        "sample": task.sample,
        "arrays": [list(task.arrays.flux.shape), *task.arrays.sizes[1:]],
        "member": [plan.member, plan.split, plan.initialisation],
        "network": task.network.model_dump(mode="json"),
        "training": task.training.model_dump(mode="json"),
        "kernels": kernels_in_use(task.arrays.sizes[0], len(task.arrays.labels), task.network, task.training),
        **backend_versions(),
    }


def _last_checkpoint(keeper: CheckpointKeeper, plan: MemberPlan, emit: Emit) -> Checkpoint | None:
    try:
        start = keeper.read()
    except CheckpointError as error:
        emit({"event": "refused", "member": plan.member, "message": error.message})
        keeper.discard()
        return None
    if start is not None:
        emit({"event": "resumed", "member": plan.member, "epoch": len(start.state["history"]["loss"])})
    return start


@quiet()
def _save(task: Task, plan: MemberPlan, trained: TrainedMember, seed: int, failures: list[Failure]) -> MemberOutcome:
    network_file, outcome_file, prediction_file = member_files(task.members, plan.member)
    predictions = predict_scaled(trained.network, task.arrays.inputs(slice(None)))
    best = trained.best_epoch - 1
    write_whole(network_file, trained.network.save)
    write_whole(prediction_file, lambda path: np.save(path, predictions))
    outcome = MemberOutcome(
        member=plan.member,
        split=plan.split,
        initialisation=plan.initialisation,
        seed=seed,
        attempt=len(failures),
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        val_loss=trained.history["val_loss"][best],
        val_mse=trained.history["val_mse"][best],
        history=trained.history,
        weights_sha256=weights_sha256(trained.network.get_weights()),
        file_sha256=sha256_file(network_file),
        predictions_sha256=sha256_file(prediction_file),
        wall_s=trained.wall_s,
        constant_mse=trained.constant_mse,
        failures=tuple(failures),
        backend="; convolutions: ".join(
            [backend_versions()["backend"], *([trained.kernels] if trained.kernels else [])]
        ),
    )
    write_whole(outcome_file, lambda path: path.write_text(outcome.model_dump_json()))
    return outcome

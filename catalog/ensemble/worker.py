"""A training process: ``python -m catalog.ensemble.worker FOLDER``.

It reads one JSON line a member from its standard input and answers on its standard output with one JSON line
an event. When its input ends, its parent has ended, however that came about: the worker then ends at once, in
the middle of an epoch if need be. What the backend prints goes to standard error, which is a log file.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.artefact import MemberRecord
from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.files import sha256_file, write_whole
from catalog.ensemble.prediction import predict_scaled
from catalog.ensemble.splits import MemberPlan, member_seed
from catalog.ensemble.training import DivergedError, TrainedMember, TrainingArrays, train_member, weights_sha256
from catalog.errors import RvscatError
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["ATTEMPTS", "TASK_FILE", "member_files", "train_and_save"]

ATTEMPTS = 3
"""Seeds that a diverging member tries before the training is given up."""

TASK_FILE = "task.json"

Emit = Callable[[dict[str, Any]], None]
_Train = Callable[..., TrainedMember]


def member_files(folder: Path, member: int) -> tuple[Path, Path, Path]:
    """Return where a member's network, its record and its predictions for the training sample lie."""
    stem = folder / f"member_{member:02d}"
    return stem.with_suffix(".keras"), stem.with_suffix(".json"), stem.with_suffix(".npy")


def train_and_save(
    folder: Path,
    plan: MemberPlan,
    arrays: TrainingArrays,
    network: NetworkSettings,
    training: TrainingSettings,
    emit: Emit,
    train: _Train = train_member,
) -> MemberRecord:
    """Train a member, with the next seed where it diverges, and save it; its record comes last.

    Parameters
    ----------
    folder : pathlib.Path
        Of the members.
    plan : MemberPlan
    arrays : TrainingArrays
    network : NetworkSettings
    training : TrainingSettings
    emit : callable
        Told of each epoch and of each divergence.
    train : callable
        `train_member`, or what tests put in its place.

    Returns
    -------
    MemberRecord

    Raises
    ------
    RvscatError
        The member has diverged with every seed.
    """
    for attempt in range(ATTEMPTS):
        seed = member_seed(training, plan, attempt)

        def on_epoch(epoch: int, figures: dict[str, float]) -> None:
            emit({"event": "epoch", "member": plan.member, "epoch": epoch, **figures})

        try:
            trained = train(arrays, plan.split, seed, network, training, on_epoch)
        except DivergedError as error:
            emit({"event": "diverged", "member": plan.member, "seed": seed, "message": str(error)})
            continue
        return _save(folder, plan, arrays, trained, seed, attempt)
    raise RvscatError(
        f"Member {plan.member} of the ensemble has diverged with {ATTEMPTS} different seeds.",
        f"Lower training.learning_rate in the profile (now {training.learning_rate:g}).",
    )


@quiet()
def _save(
    folder: Path, plan: MemberPlan, arrays: TrainingArrays, trained: TrainedMember, seed: int, attempt: int
) -> MemberRecord:
    network_file, record_file, prediction_file = member_files(folder, plan.member)
    predictions = predict_scaled(trained.network, arrays.inputs(slice(None)))
    best = trained.best_epoch - 1
    write_whole(network_file, trained.network.save)
    write_whole(prediction_file, lambda path: np.save(path, predictions))
    record = MemberRecord(
        member=plan.member,
        split=plan.split,
        initialisation=plan.initialisation,
        seed=seed,
        attempt=attempt,
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        val_loss=trained.history["val_loss"][best],
        val_mse=trained.history["val_mse"][best],
        history=trained.history,
        weights_sha256=weights_sha256(trained.network.get_weights()),
        file_sha256=sha256_file(network_file),
        predictions_sha256=sha256_file(prediction_file),
        wall_s=trained.wall_s,
    )
    write_whole(record_file, lambda path: path.write_text(record.model_dump_json()))
    return record


class _Orders:
    """Lines of standard input, read beside the training, so that the parent's end is noticed."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.busy = threading.Event()
        self.busy.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self.lines.put(line)
        self.lines.put(None)
        # An idle worker ends by itself; give it the time to do so.
        for _ in range(20):
            if self.busy.is_set():
                break
            time.sleep(0.05)
        os._exit(1)

    def __iter__(self) -> "_Orders":
        return self

    def __next__(self) -> dict[str, Any]:
        self.busy.clear()
        line = self.lines.get()
        if line is None:
            raise StopIteration
        self.busy.set()
        order: dict[str, Any] = json.loads(line)
        return order


def main() -> int:
    """Train members as they are ordered, until standard input ends."""
    orders = _Orders()
    # Whatever the backend may print must not run into the events.
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    folder = Path(sys.argv[1])
    task = json.loads((folder / TASK_FILE).read_text())
    network = NetworkSettings.model_validate(task["network"])
    training = TrainingSettings.model_validate(task["training"])
    arrays = TrainingArrays.open(folder)
    start_keras(threads=1)
    for order in orders:
        plan = MemberPlan(**order)
        try:
            record = train_and_save(folder / "members", plan, arrays, network, training, emit)
        except RvscatError as error:
            emit({"event": "error", "member": plan.member, "message": error.message, "remedy": error.remedy})
            continue
        emit({"event": "done", "member": plan.member, "epochs": record.epochs, "val_loss": record.val_loss})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Training of one member (Sect. 3): the loop that a worker process runs.

The loop gives batches of its own to ``train_on_batch``, so that the order of stars comes from one recorded seed
on every backend and no input pipeline runs beside the network. Keras's own callbacks decide on the learning
rate and on when to stop.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.backend import compiled, quiet
from catalog.ensemble.network import build_network
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["DivergedError", "TrainedMember", "TrainingArrays", "train_member", "weights_sha256"]

VALIDATION_BATCH = 256

OnEpoch = Callable[[int, dict[str, float]], None]


class DivergedError(ArithmeticError):
    """The loss is no longer finite: another seed is needed."""


@dataclass(frozen=True, eq=False)
class TrainingArrays:
    """What networks are trained on: inputs and labels on the network's scale."""

    flux: np.ndarray
    """Shape (n, n_pixels), float32; may be mapped from a file."""
    scalars: np.ndarray
    xp: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    """Shape (splits, n), bool."""

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` an array; spectra that are mapped from that very file stay where they are."""
        for name in ("scalars", "xp", "labels", "validation"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        file = folder / "flux.npy"
        mapped = getattr(self.flux, "filename", None)
        # Writing over a file that is mapped would pull the memory away.
        if mapped is None or Path(mapped).resolve() != file.resolve():
            np.save(file, self.flux)

    @classmethod
    def open(cls, folder: Path) -> "TrainingArrays":
        """Map the arrays that `save` wrote: all workers share the same memory."""
        names = ("flux", "scalars", "xp", "labels", "validation")
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names]
        # The file of spectra was made before it was known how many stars would be left out.
        return cls(arrays[0][: len(arrays[3])], *arrays[1:])

    def inputs(self, rows: np.ndarray | slice) -> list[np.ndarray]:
        """Return the network's three inputs of some stars."""
        return [np.ascontiguousarray(values[rows]) for values in (self.flux, self.scalars, self.xp)]


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A trained network and how it came about."""

    network: Any
    """Keras model with the best weights, not compiled."""
    history: dict[str, list[float]]
    """loss, mse, val_loss, val_mse and learning_rate of each epoch. The losses hold the L2 penalty; mse does not."""
    best_epoch: int
    """Counted from 1."""
    wall_s: float

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])


def weights_sha256(weights: Sequence[np.ndarray]) -> str:
    """Return a fingerprint of a network's weights: equal weights give equal fingerprints, on any day."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@quiet()
def train_member(
    arrays: TrainingArrays,
    split: int,
    seed: int,
    network: NetworkSettings,
    training: TrainingSettings,
    on_epoch: OnEpoch,
) -> TrainedMember:
    """Train one network.

    Adam on the mean squared error unless the profile says otherwise; ReduceLROnPlateau; early stopping with the
    best weights kept (Sect. 3.1). With one thread on a CPU the same seed gives the same weights, bit by bit.

    Parameters
    ----------
    arrays : TrainingArrays
    split : int
        Row of ``arrays.validation``.
    seed : int
        Of weights, order of stars and dropout.
    network : NetworkSettings
    training : TrainingSettings
    on_epoch : callable
        Told the number of epochs done and the figures of the last.

    Returns
    -------
    TrainedMember

    Raises
    ------
    DivergedError
        The loss is not finite.
    """
    import keras

    start = time.perf_counter()
    # Nothing of an earlier member may reach this one: the same seed, the same weights.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    sizes = (arrays.flux.shape[1], arrays.scalars.shape[1], arrays.xp.shape[1], arrays.labels.shape[1])
    model = build_network(*sizes, network)
    optimiser = keras.optimizers.get(
        {"class_name": training.optimiser, "config": {"learning_rate": training.learning_rate}}
    )
    model.compile(optimizer=optimiser, loss=training.loss, metrics=["mse"], jit_compile=compiled())
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        min_delta=training.early_stopping_min_delta,
        patience=training.early_stopping_patience,
        restore_best_weights=True,
    )
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss",
        mode="min",
        factor=training.plateau_factor,
        patience=training.plateau_patience,
        min_delta=training.early_stopping_min_delta,
        min_lr=training.plateau_min_learning_rate,
    )
    callbacks = keras.callbacks.CallbackList([stopping, plateau], model=model)
    train_rows = np.flatnonzero(~arrays.validation[split])
    validation_rows = np.flatnonzero(arrays.validation[split])
    generator = np.random.default_rng(seed)
    history: dict[str, list[float]] = {}

    model.stop_training = False
    callbacks.on_train_begin()
    for epoch in range(training.max_epochs):
        callbacks.on_epoch_begin(epoch)
        learning_rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        order = generator.permutation(train_rows)
        logs = _pass(model.train_on_batch, arrays, order, training.batch_size)
        validated = _pass(model.test_on_batch, arrays, validation_rows, VALIDATION_BATCH)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        if not np.isfinite(list(logs.values())).all():
            raise DivergedError(f"the loss of epoch {epoch + 1} is {logs['loss']}")
        logs["learning_rate"] = learning_rate
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        callbacks.on_epoch_end(epoch, dict(logs))
        on_epoch(epoch + 1, logs)
        if model.stop_training:
            break
    callbacks.on_train_end()

    # A network without optimiser: a third of the bytes, and nothing to restore but weights.
    final = build_network(*sizes, network)
    final.set_weights(model.get_weights())
    return TrainedMember(final, history, stopping.best_epoch + 1, time.perf_counter() - start)


def _pass(step: Callable[..., Any], arrays: TrainingArrays, rows: np.ndarray, batch: int) -> dict[str, float]:
    """Give `rows` to `step` batch by batch; return the figures averaged over stars."""
    totals: dict[str, float] = {}
    for first in range(0, len(rows), batch):
        chosen = rows[first : first + batch]
        figures = step(arrays.inputs(chosen), arrays.labels[chosen], return_dict=True)
        for name, value in figures.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(chosen)
    return {name: total / len(rows) for name, total in totals.items()}

"""A network in training, with all the state that decides how the training goes on.

Batches are made here and given to ``train_on_batch``, so that the order of stars comes from one recorded seed on every
backend and no input pipeline runs beside the network. Keras's own callbacks decide on the learning rate and on when to
stop.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.ensemble.backend import compiled
from catalog.ensemble.network import build_network
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import Checkpoint
from catalog.ensemble.training.divergence import constant_mse, require_better_than_constant, require_finite_loss
from catalog.ensemble.training.kernels.layer import compiled_blocks, kernels_in_use
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["TrainedMember", "TrainingSession", "pass_over"]

VALIDATION_BATCH = 256

# Counters of Keras's callbacks that decide on the end and on the learning rate.
_STOPPING = ("wait", "stopped_epoch", "best", "best_epoch")
_PLATEAU = ("wait", "best", "cooldown_counter")


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A trained network and how it came about."""

    network: Any
    """Keras model with the best weights, not compiled."""
    history: dict[str, list[float]]
    """loss, mse, val_loss, val_mse, learning_rate and seconds of each epoch. The losses hold the L2 penalty; mse does
    not."""
    best_epoch: int
    """Counted from 1."""
    wall_s: float
    constant_mse: float | None = None
    """Validation MSE of the mean label, to compare with."""
    kernels: str = ""
    """What computed the convolution blocks."""

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])


class TrainingSession:
    """A network in training: everything that changes from epoch to epoch.

    Parameters
    ----------
    arrays : TrainingArrays
    split : int
        Row of ``arrays.validation``.
    seed : int
        Of weights, order of stars and dropout.
    network : NetworkSettings
    training : TrainingSettings
    """

    def __init__(
        self, arrays: TrainingArrays, split: int, seed: int, network: NetworkSettings, training: TrainingSettings
    ) -> None:
        import keras

        # Nothing of an earlier member may reach this one: the same seed, the same weights.
        keras.utils.clear_session()
        self._arrays, self._network, self._training = arrays, network, training
        self.kernels = kernels_in_use(arrays.sizes[0], len(arrays.labels), network, training)
        """What computes the convolution blocks: see `kernels_in_use`."""
        keras.utils.set_random_seed(seed)
        blocks = compiled_blocks(arrays.sizes[0], network) if self.kernels.startswith("compiled") else None
        self._model = build_network(*arrays.sizes, network, blocks)
        optimiser = keras.optimizers.get(
            {"class_name": training.optimiser, "config": {"learning_rate": training.learning_rate}}
        )
        optimiser.build(self._model.trainable_variables)
        self._model.compile(optimizer=optimiser, loss=training.loss, metrics=["mse"], jit_compile=compiled())
        self._stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss",
            mode="min",
            min_delta=training.early_stopping_min_delta,
            patience=training.early_stopping_patience,
            restore_best_weights=True,
        )
        self._plateau = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            mode="min",
            factor=training.plateau_factor,
            patience=training.plateau_patience,
            min_delta=training.early_stopping_min_delta,
            min_lr=training.plateau_min_learning_rate,
        )
        self._callbacks = keras.callbacks.CallbackList([self._stopping, self._plateau], model=self._model)
        self._train_rows = np.flatnonzero(~arrays.validation[split])
        self._validation_rows = np.flatnonzero(arrays.validation[split])
        self._constant = constant_mse(arrays, split)
        self._generator = np.random.default_rng(seed)
        self._history: dict[str, list[float]] = {}
        self._earlier_s = 0.0
        self._start = time.perf_counter()
        self._model.stop_training = False
        self._callbacks.on_train_begin()

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self._history.get("loss", ()))

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train."""
        return bool(self._model.stop_training) or self.epochs >= self._training.max_epochs

    def epoch(self) -> dict[str, float]:
        """Do one epoch and return its figures."""
        begin, epoch = time.perf_counter(), self.epochs
        self._callbacks.on_epoch_begin(epoch)
        learning_rate = float(_numpy(self._model.optimizer.learning_rate))
        order = self._generator.permutation(self._train_rows)
        logs = pass_over(self._model.train_on_batch, self._arrays, order, self._training.batch_size)
        validated = pass_over(self._model.test_on_batch, self._arrays, self._validation_rows, VALIDATION_BATCH)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        require_finite_loss(epoch + 1, logs)
        self._callbacks.on_epoch_end(epoch, dict(logs))
        logs |= {"learning_rate": learning_rate, "seconds": round(time.perf_counter() - begin, 4)}
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        return {**logs, "patience_left": max(0, self._stopping.patience - self._stopping.wait)}

    def finish(self) -> TrainedMember:
        """Take the best weights and judge them."""
        require_better_than_constant(self._history, self._constant, self._training)
        self._callbacks.on_train_end()
        # A network without optimiser: a third of the bytes, and nothing to restore but weights.
        final = build_network(*self._arrays.sizes, self._network)
        final.set_weights(self._model.get_weights())
        wall_s = self._earlier_s + time.perf_counter() - self._start
        return TrainedMember(final, self._history, self._stopping.best_epoch + 1, wall_s, self._constant, self.kernels)

    def state(self) -> Checkpoint:
        """Return all that decides how the training goes on."""
        arrays = {f"variable_{i}": _numpy(variable) for i, variable in enumerate(self._variables())}
        arrays |= {f"best_{i}": weights for i, weights in enumerate(self._stopping.best_weights or ())}
        state = {
            "history": self._history,
            "generator": self._generator.bit_generator.state,
            "stopping": {name: getattr(self._stopping, name) for name in _STOPPING},
            "plateau": {name: getattr(self._plateau, name) for name in _PLATEAU},
            "wall_s": self._earlier_s + time.perf_counter() - self._start,
        }
        return Checkpoint(state, arrays)

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Go on from where `state` was called."""
        state, arrays = checkpoint.state, checkpoint.arrays
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"variable_{i}"])
        for name in _STOPPING:
            setattr(self._stopping, name, state["stopping"][name])
        for name in _PLATEAU:
            setattr(self._plateau, name, state["plateau"][name])
        n_best = sum(name.startswith("best_") for name in arrays)
        self._stopping.best_weights = [arrays[f"best_{i}"] for i in range(n_best)] or None
        self._generator.bit_generator.state = state["generator"]
        self._history = state["history"]
        self._earlier_s = state["wall_s"]

    def _variables(self) -> list[Any]:
        # Those that are not trained hold the random state of dropout; the optimiser's, the learning rate as well.
        model = self._model
        return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def _numpy(variable: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(variable))


def pass_over(step: Callable[..., Any], arrays: TrainingArrays, rows: np.ndarray, batch: int) -> dict[str, float]:
    """Give stars to the network batch by batch.

    Parameters
    ----------
    step : callable
        ``train_on_batch`` or ``test_on_batch`` of a Keras model.
    arrays : TrainingArrays
    rows : numpy.ndarray of int
        Stars, in the order in which they are given.
    batch : int
        How many at a time.

    Returns
    -------
    dict of str to float
        Figures averaged over stars.
    """
    totals: dict[str, float] = {}
    for first in range(0, len(rows), batch):
        chosen = rows[first : first + batch]
        figures = step(arrays.inputs(chosen), arrays.labels[chosen], return_dict=True)
        for name, value in figures.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(chosen)
    return {name: total / len(rows) for name, total in totals.items()}

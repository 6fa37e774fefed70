"""The reference: Keras itself, one member after the other, on whatever backend and device it has."""

import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from catalog.ensemble.backend import compiled, start_keras
from catalog.ensemble.runtimes.base import Session, in_batches
from catalog.ensemble.runtimes.layers import Weights

__all__ = ["PREDICTION_BATCH", "KerasRuntime", "backend_name", "full_precision", "has_accelerator", "predict_scaled"]

PREDICTION_BATCH = 256
"""Stars that a network sees at once. Short batches are filled up: one shape is compiled, and a star's labels do
not depend on how many others come with it."""


def predict_scaled(network: Any, inputs: Sequence[np.ndarray], batch: int = PREDICTION_BATCH) -> np.ndarray:
    """Run one network over many stars.

    Parameters
    ----------
    network : keras.Model
    inputs : sequence of numpy.ndarray
        The network's inputs on its scale, shapes (n, …), float32.
    batch : int
        Stars at once.

    Returns
    -------
    numpy.ndarray
        Labels on the network's scale, shape (n, n_labels), float32.
    """
    network.jit_compile = compiled()
    return in_batches(network.predict_on_batch, inputs, batch)


class KerasRuntime:
    """One network that takes the weights of each member in turn.

    Parameters
    ----------
    network : keras.Model
    members : sequence of Weights
    """

    name = "keras"

    def __init__(self, network: Any, members: Sequence[Weights]) -> None:
        import keras

        full_precision()
        backend = backend_name()
        package = "tensorflow-cpu" if backend == "tensorflow" and not has_accelerator() else backend
        self.description = f"Keras {keras.version()} on {_version_of(package, backend)}"
        self.network, self.members = network, members
        self._lock = threading.Lock()

    def session(self, batch: int = PREDICTION_BATCH) -> Session:
        """Return a function; threads take turns, since there is one network."""

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            labels = []
            with self._lock:
                for weights in self.members:
                    self.network.set_weights(weights)
                    labels.append(predict_scaled(self.network, inputs, batch))
            return np.stack(labels)

        return predict


def backend_name() -> str:
    """Return the name of what Keras computes with, for instance ``tensorflow``."""
    keras = start_keras()
    return str(keras.backend.backend())


def has_accelerator() -> bool:
    """Return whether Keras's backend computes on a GPU or TPU."""
    backend = backend_name()
    if backend == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    if backend == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    return False


def full_precision() -> None:
    """Have GPUs multiply in single precision: by default some round the factors to 10 bits."""
    backend = backend_name()
    if backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif backend == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_tensor_float_32_execution(False)


def _version_of(*packages: str) -> str:
    for package in packages:
        try:
            return f"{package} {version(package)}"
        except ModuleNotFoundError:
            continue
    return packages[-1]

"""Keras on JAX with the members stacked: one compiled function for the whole ensemble, for GPUs.

On a CPU this is slower than one member after the other.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.base import Session, in_batches
from catalog.ensemble.runtimes.keras import KerasRuntime, backend_name

__all__ = ["JaxRuntime"]

_BATCH = 256


class JaxRuntime:
    """All members at once; Keras's backend must be JAX.

    Parameters
    ----------
    reference : KerasRuntime
        The members.
    """

    name = "jax"

    def __init__(self, reference: KerasRuntime) -> None:
        import jax
        import keras

        if backend_name() != "jax":
            raise RuntimeError(f"Keras's backend is {backend_name()}: set KERAS_BACKEND=jax")
        network, members = reference.network, reference.members
        places = {id(variable): place for place, variable in enumerate(network.weights)}
        order = [places[id(variable)] for variable in network.trainable_variables]
        self._stacked = [jax.device_put(np.stack([weights[place] for weights in members])) for place in order]
        # Seeds of dropout, which prediction does not use.
        others = [variable.value for variable in network.non_trainable_variables]

        def member(trainable: list[Any], inputs: list[Any]) -> Any:
            return network.stateless_call(trainable, others, inputs, training=False)[0]

        self._predict = jax.jit(jax.vmap(member, in_axes=(0, None)))
        device = jax.devices()[0]
        self.description = f"Keras {keras.version()} on jax {version('jax')}, {device.device_kind}, members stacked"

    def session(self) -> Session:
        """Return a function; JAX's are safe to call from all threads."""

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            return in_batches(lambda parts: self._predict(self._stacked, parts), inputs, _BATCH)

        return predict

"""Gradients of a network's outputs with respect to its inputs, star by star, by automatic differentiation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.keras import backend_name
from catalog.errors import ConfigurationError

__all__ = ["GRADIENT_BATCH", "Jacobian", "jacobian"]

GRADIENT_BATCH = 32
"""Stars that a network sees at once."""

Jacobian = Callable[[Sequence[np.ndarray]], list[np.ndarray]]
"""Inputs of shapes (n, n_features) to gradients of shapes (n, n_labels, n_features), both on the network's scale."""


def jacobian(network: Any) -> Jacobian:
    """Return a function that differentiates `network` with the weights that it has when it is called.

    Dropout is off: gradients are those of the labels that are predicted. One function serves all members: it is
    compiled once for inputs of one shape, and takes each member's weights when they are set.

    Parameters
    ----------
    network : keras.Model

    Returns
    -------
    Jacobian

    Raises
    ------
    ConfigurationError
        Keras runs on a backend other than TensorFlow and JAX.
    """
    backend = backend_name()
    if backend == "tensorflow":
        return _by_tensorflow(network)
    if backend == "jax":
        return _by_jax(network)
    raise ConfigurationError(
        f"Gradients cannot be computed by Keras on {backend}.", "Set KERAS_BACKEND to tensorflow or jax."
    )


def _by_tensorflow(network: Any) -> Jacobian:
    import tensorflow as tf

    @tf.function
    def differentiate(inputs: list[Any]) -> list[Any]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            # A star's labels depend on its own inputs alone: the gradient of a sum over stars holds each star's.
            labels = tf.unstack(tf.reduce_sum(network(inputs, training=False), axis=0))
        rows = [tape.gradient(label, inputs, unconnected_gradients="zero") for label in labels]
        return [tf.stack(parts, axis=1) for parts in zip(*rows, strict=True)]

    def evaluate(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [part.numpy() for part in differentiate([tf.convert_to_tensor(values) for values in inputs])]

    return evaluate


def _by_jax(network: Any) -> Jacobian:
    import jax
    import jax.numpy as jnp

    # Seeds of dropout, which a prediction does not use.
    others = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def differentiate(trainable: list[Any], inputs: list[Any]) -> list[Any]:
        def labels(values: list[Any]) -> Any:
            # A star's labels depend on its own inputs alone: the gradient of a sum over stars holds each star's.
            return jnp.sum(network.stateless_call(trainable, others, values, training=False)[0], axis=0)

        sums, pull = jax.vjp(labels, inputs)
        (rows,) = jax.vmap(pull)(jnp.eye(sums.size, dtype=sums.dtype))
        return [jnp.moveaxis(part, 0, 1) for part in rows]

    def evaluate(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        trainable = [variable.value for variable in network.trainable_variables]
        return [np.asarray(part) for part in differentiate(trainable, list(inputs))]

    return evaluate

"""Compiled convolution blocks against Keras: outputs and gradients, for networks and processors of several kinds."""

from typing import Any

import numpy as np
import pytest

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.runtimes.compiled.lanes import Machine, this_machine
from catalog.ensemble.runtimes.layers import UnsupportedNetworkError
from catalog.ensemble.training.kernels.blocks import ConvolutionBlocks
from catalog.profiles.model import NetworkSettings

NETWORKS = {
    "pooled twice": (150, NetworkSettings(filters=(4, 3, 2), kernel_size=5)),
    "two blocks, no pooling": (90, NetworkSettings(filters=(8, 6), kernel_size=7, pool_after=())),
    "four blocks": (140, NetworkSettings(filters=(8, 6, 4, 4), kernel_size=3, pool_after=(3,))),
    "nine taps": (160, NetworkSettings(filters=(2, 5, 3), kernel_size=9, leaky_slope=0.0)),
    "nothing but the definition": (200, NetworkSettings(filters=(3, 2), kernel_size=18, pool_after=(2,))),
    "the paper's": (2401, NetworkSettings()),
}
ON_ALL_MACHINES = ("pooled twice", "two blocks, no pooling")
MACHINES = [Machine(8, 16, "AVX2"), Machine(4, 16, "SSE")]


@pytest.fixture(scope="module")
def keras() -> Any:
    return start_keras(1)


def by_keras(keras: Any, n_pixels: int, settings: NetworkSettings, x: np.ndarray, upstream: np.ndarray) -> Any:
    """Return weights, outputs and gradients."""
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    with quiet():
        network = build_network(n_pixels, 4, 110, 5, settings)
        blocks = keras.Model(network.inputs[:1], network.get_layer("flatten").output)
        weights = [w + 0.1 * rng.normal(size=w.shape).astype(np.float32) * (w.ndim == 1) for w in blocks.get_weights()]
        blocks.set_weights(weights)
        with tf.GradientTape() as tape:
            outputs = blocks([x], training=False)
            loss = tf.reduce_sum(outputs * upstream[:, : outputs.shape[1]])
        gradients = tape.gradient(loss, blocks.trainable_variables)
    return weights, outputs.numpy(), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize(("name", "n"), [("pooled twice", 1), ("pooled twice", 16), *((name, 21) for name in NETWORKS)])
def test_blocks_and_gradients_are_kerass(keras: Any, name: str, n: int) -> None:
    n_pixels, settings = NETWORKS[name]
    rng = np.random.default_rng(n)
    x = rng.normal(1.0, 0.1, (n, n_pixels)).astype(np.float32)
    upstream = rng.normal(size=(n, 8 * n_pixels)).astype(np.float32)
    weights, outputs, gradients = by_keras(keras, n_pixels, settings, x, upstream)
    for machine in [this_machine(), *(MACHINES if name in ON_ALL_MACHINES else [])]:
        blocks = ConvolutionBlocks(n_pixels, settings, machine)
        mine = blocks.forwards(x, weights)
        np.testing.assert_allclose(mine, outputs, atol=2e-6)
        for own, right in zip(blocks.backwards(upstream[:, : outputs.shape[1]]), gradients, strict=True):
            np.testing.assert_allclose(own, right, atol=1e-4 * np.abs(right).max(), err_msg=f"{machine}")


def test_batches_follow_one_another(keras: Any) -> None:
    """A small batch after a large one, other weights: nothing of the earlier one is left."""
    n_pixels, settings = NETWORKS["pooled twice"]
    rng = np.random.default_rng(5)
    blocks = ConvolutionBlocks(n_pixels, settings)
    for n in (40, 3, 17):
        x = rng.normal(1.0, 0.1, (n, n_pixels)).astype(np.float32)
        upstream = rng.normal(size=(n, blocks.n_outputs)).astype(np.float32)
        weights, outputs, gradients = by_keras(keras, n_pixels, settings, x, upstream)
        np.testing.assert_allclose(blocks.forwards(x, weights), outputs, atol=2e-6)
        for own, right in zip(blocks.backwards(upstream), gradients, strict=True):
            np.testing.assert_allclose(own, right, atol=1e-4 * np.abs(right).max())
    with pytest.raises(ValueError, match="17 were convolved"):
        blocks.backwards(upstream[:5])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"padding": "same"}, "pad"),
        ({"filters": (4,)}, "second one"),
        ({"pool_after": (1, 2)}, "second one"),
        ({"pool_size": 3}, "pooled by 3"),
        ({"leaky_slope": -0.1}, "slope"),
        ({"kernel_size": 90}, "no position left"),
    ],
)
def test_other_networks_are_left_to_keras(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedNetworkError, match=reason):
        ConvolutionBlocks(150, NetworkSettings(**changes))

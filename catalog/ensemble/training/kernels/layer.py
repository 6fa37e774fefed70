"""The Keras layer that holds the weights of all convolution blocks and has them computed by compiled kernels."""

from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from catalog.ensemble.network import build_network
from catalog.ensemble.runtimes.compiled.lanes import this_machine
from catalog.ensemble.runtimes.layers import UnsupportedNetworkError
from catalog.ensemble.training.kernels.blocks import ConvolutionBlocks
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["compiled_blocks", "kernels_in_use"]

_TOLERANCE = 2e-3
"""Largest difference from Keras, of outputs and gradients, relative to the largest of them. Rounding makes 1e-5, and
1e-4 where two positions of a pool are so near that it decides which is the larger one; mistakes make 1."""

_STAR_EPOCHS = 50_000
"""Below so many stars times epochs, compiling and comparing take longer than the kernels save."""

_STARS = 20


def kernels_in_use(n_pixels: int, n_stars: int, network: NetworkSettings, training: TrainingSettings) -> str:
    """Return what computes the convolution blocks of a network in training, in words for the record.

    Parameters
    ----------
    n_pixels, n_stars : int
        Of the sample.
    network : NetworkSettings
    training : TrainingSettings

    Returns
    -------
    str
        ``compiled (…)`` or ``keras (…)``, in brackets the version or the reason.
    """
    if training.kernels == "keras":
        return "keras (as the profile says)"
    if n_stars * training.max_epochs < _STAR_EPOCHS:
        return "keras (there is too little to train)"
    return _judged(n_pixels, network)


def compiled_blocks(n_pixels: int, settings: NetworkSettings) -> Any:
    """Return a function that puts the layer into a network: see `build_network`.

    Parameters
    ----------
    n_pixels : int
    settings : NetworkSettings

    Returns
    -------
    callable

    Raises
    ------
    UnsupportedNetworkError
        There are no kernels for such blocks.
    """
    import keras
    import tensorflow as tf

    blocks = ConvolutionBlocks(n_pixels, settings)
    shape = (blocks.n_outputs // settings.filters[-1], settings.filters[-1])

    def convolve(spectra: Any, weights: list[Any]) -> Any:
        @tf.custom_gradient
        def blocks_of(spectra: Any, *weights: Any) -> Any:
            def forwards(spectra: np.ndarray, *weights: np.ndarray) -> np.ndarray:
                return blocks.forwards(spectra, list(weights)).reshape(-1, *shape)

            def backwards(gradient: np.ndarray) -> list[np.ndarray]:
                return blocks.backwards(gradient.reshape(len(gradient), -1))

            outputs = tf.numpy_function(forwards, [spectra, *weights], tf.float32)
            outputs.set_shape((spectra.shape[0], *shape))

            def gradient(upstream: Any) -> Any:
                gradients = tf.numpy_function(backwards, [upstream], [tf.float32] * len(weights))
                for value, weight in zip(gradients, weights, strict=True):
                    value.set_shape(weight.shape)
                # Nobody trains the spectra.
                return None, *gradients

            return outputs, gradient

        return blocks_of(spectra, *weights)

    class CompiledBlocks(keras.layers.Layer):
        """All convolution blocks: weights as Keras's layers would have them, in the same order."""

        def build(self, _: Any) -> None:
            """Make the weights, with the random numbers that Keras's layers would draw."""
            channels = 1
            self.pairs: list[Any] = []
            for block, filters in enumerate(settings.filters, start=1):
                penalty = keras.regularizers.L2(settings.kernel_l2) if settings.kernel_l2 else None
                size = (settings.kernel_size, channels, filters)
                name = f"conv_{block}"
                kernel = self.add_weight(
                    shape=size, initializer="glorot_uniform", regularizer=penalty, name=f"{name}_kernel"
                )
                self.pairs += [kernel, self.add_weight(shape=(filters,), initializer="zeros", name=f"{name}_bias")]
                channels = filters
            self.built = True

        def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
            """Return the shape of the last block's output."""
            return (input_shape[0], *shape)

        def call(self, spectra: Any) -> Any:
            """Convolve."""
            return convolve(spectra, [tf.convert_to_tensor(weight) for weight in self.pairs])

    return CompiledBlocks(name="conv_blocks")


@lru_cache(maxsize=8)
def _judged(n_pixels: int, settings: NetworkSettings) -> str:
    """Compare the kernels with Keras, once in a process."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return f"keras (on {keras.backend.backend()})"
    try:
        difference = _difference(n_pixels, settings)
    except UnsupportedNetworkError as error:
        return f"keras (no kernels: {error})"
    if not difference < _TOLERANCE:
        return f"keras (compiled kernels differ by {difference:.1e})"
    return f"compiled (llvmlite {version('llvmlite')}, {this_machine().name})"


def _difference(n_pixels: int, settings: NetworkSettings) -> float:
    """Return the largest difference from Keras, relative to the largest value, of outputs and all gradients."""
    import keras
    import tensorflow as tf

    generator = np.random.default_rng(1)
    settings = settings.model_copy(update={"inputs": ("spectrum",)})
    spectra = (1.0 - 0.8 * generator.random((_STARS, n_pixels), dtype=np.float32) ** 4).astype(np.float32)
    found, weights = [], None
    for blocks in (None, compiled_blocks(n_pixels, settings)):
        network = build_network(n_pixels, 0, 0, 1, settings, blocks)
        if weights is None:
            weights = [generator.normal(0.0, 0.1, value.shape).astype(np.float32) for value in network.get_weights()]
        network.set_weights(weights)
        convolved = keras.Model(network.inputs, network.get_layer("conv_dropout").output)
        with tf.GradientTape() as tape:
            outputs = convolved([spectra], training=False)
            # Every output counts differently, so that none can stand in for another.
            loss = tf.reduce_sum(outputs * np.sin(np.arange(outputs[0].numpy().size)).reshape(outputs.shape[1:]))
        gradients = tape.gradient(loss, convolved.trainable_variables)
        found.append([outputs.numpy(), *(gradient.numpy() for gradient in gradients)])
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(*found, strict=True))

"""The hybrid convolutional network of Sect. 3.1 and Fig. 6."""

from collections.abc import Callable
from typing import Any

from catalog.profiles.model import NetworkSettings

__all__ = ["INPUTS", "build_network"]

INPUTS = ("spectrum", "scalars", "xp")
"""The three input nodes, in the order in which arrays are given to the network."""


def build_network(
    n_pixels: int,
    n_scalars: int,
    n_xp: int,
    n_labels: int,
    settings: NetworkSettings,
    blocks: Callable[[Any], Any] | None = None,
) -> Any:
    """Build one network with fresh weights.

    Three convolution blocks and a dense layer read the spectrum, one dense layer each the scalars and the XP
    coefficients; their outputs are joined and pass two hidden layers to the labels. With the paper's numbers:
    2401 pixels to 128, 4 scalars to 32, 110 coefficients to 64, then 224 to 128, 32 and 5.

    Nodes that ``settings.inputs`` leaves out have no layers; with the spectrum alone (Appendix B) nothing is joined.

    Parameters
    ----------
    n_pixels, n_scalars, n_xp, n_labels : int
        Inputs of each node and outputs; of a node that is left out, nothing is asked.
    settings : NetworkSettings
    blocks : callable, optional
        Another way to compute the convolution blocks: from spectra, shape (n, n_pixels), to (n, positions, filters).
        Its weights must come in the order of Keras's own.

    Returns
    -------
    keras.Model
        Not compiled. Inputs of shape (n, n_pixels), (n, n_scalars), (n, n_xp), those that there are; output
        (n, n_labels).
    """
    import keras
    from keras import layers

    def activation(name: str) -> Any:
        return layers.LeakyReLU(negative_slope=settings.leaky_slope, name=name)

    def dense(x: Any, units: int, name: str, dropout: bool = True) -> Any:
        x = activation(f"{name}_activation")(layers.Dense(units, name=name)(x))
        return layers.Dropout(settings.dropout, name=f"{name}_dropout")(x) if dropout else x

    sizes = dict(zip(INPUTS, (n_pixels, n_scalars, n_xp), strict=True))
    inputs = {name: keras.Input((sizes[name],), name=name) for name in settings.inputs}

    x = _convolution_blocks(inputs["spectrum"], settings) if blocks is None else blocks(inputs["spectrum"])
    x = layers.Dropout(settings.dropout, name="conv_dropout")(x)
    branches = [dense(layers.Flatten(name="flatten")(x), settings.spectrum_units, "spectrum_dense")]
    if "scalars" in inputs:
        branches.append(dense(inputs["scalars"], settings.scalar_units, "scalar_dense"))
    if "xp" in inputs:
        branches.append(dense(inputs["xp"], settings.xp_units, "xp_dense"))

    x = layers.Concatenate(name="joined")(branches) if len(branches) > 1 else branches[0]
    for i, units in enumerate(settings.dense_units, start=1):
        x = dense(x, units, f"dense_{i}", dropout=i < len(settings.dense_units))
    labels = layers.Dense(n_labels, name="labels")(x)
    return keras.Model(list(inputs.values()), labels, name="rvs_cnn")


def _convolution_blocks(spectrum: Any, settings: NetworkSettings) -> Any:
    """Return the output of the convolution blocks, shape (n, positions, filters).

    Pooling comes before LeakyReLU: the activation is monotonic, so this is the same function, at less work.
    """
    import keras
    from keras import layers

    x = layers.Reshape((spectrum.shape[1], 1), name="spectrum_channel")(spectrum)
    for block, filters in enumerate(settings.filters, start=1):
        penalty = keras.regularizers.L2(settings.kernel_l2) if settings.kernel_l2 else None
        x = layers.Conv1D(
            filters, settings.kernel_size, padding=settings.padding, kernel_regularizer=penalty, name=f"conv_{block}"
        )(x)
        if block in settings.pool_after:
            x = layers.MaxPooling1D(settings.pool_size, name=f"pool_{block}")(x)
        x = layers.LeakyReLU(negative_slope=settings.leaky_slope, name=f"conv_{block}_activation")(x)
    return x

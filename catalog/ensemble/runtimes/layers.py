"""What a network consists of, in words that every runtime understands: read from Keras, free of Keras.

Only what prediction needs: dropout is gone, activations are layers of their own. A layer of another kind than
those listed here is refused, and Keras itself then predicts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Layer", "UnsupportedNetworkError", "Weights", "input_names", "read_layers", "same_padding"]

Weights = Sequence[np.ndarray]
"""Weights of a network in the order of ``keras.Model.get_weights``."""


class UnsupportedNetworkError(ValueError):
    """The network holds something that this runtime does not compute."""


@dataclass(frozen=True)
class Layer:
    """One step from inputs to labels."""

    kind: str
    """input, channel (one channel added), conv, max_pool, leaky_relu, flatten, dense or concatenate."""
    name: str
    sources: tuple[str, ...]
    """Names of the layers whose output it takes."""
    shape: tuple[int, ...]
    """Of its output for one star: (n,) or (positions, channels)."""
    kernel: int | None = None
    """Place in `Weights`; shape (taps, channels in, channels out) or (in, out)."""
    bias: int | None = None
    taps: int = 1
    same: bool = False
    """Whether the convolution pads its input with zeros to keep its length."""
    pool: int = 1
    slope: float = 1.0
    """Of the activation below zero."""


def same_padding(taps: int) -> tuple[int, int]:
    """Return the zeros before and after the input of a convolution that keeps its length."""
    return (taps - 1) // 2, taps // 2


def read_layers(config: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Read the layers of a network, inputs first, labels last.

    Parameters
    ----------
    config : mapping
        As ``keras.Model.get_config`` returns it, and as ``config.json`` in a ``.keras`` file holds it.

    Returns
    -------
    tuple of Layer
        Each after its sources; the inputs in the order of the network's.

    Raises
    ------
    UnsupportedNetworkError
        A layer is of a kind, or has a setting, that is not known here.
    """
    inputs = input_names(config)
    order = {name: place for place, name in enumerate(inputs)}
    known: dict[str, Layer] = {}
    # A layer that does nothing in prediction, and the one that it stands for.
    stands_for: dict[str, str] = {}
    n_weights = 0
    # Keras lists a layer after those that feed it, but an input only where it is needed.
    for entry in sorted(config["layers"], key=lambda entry: order.get(entry["name"], len(order))):
        name, settings = entry["name"], entry["config"]
        sources = tuple(stands_for.get(source, source) for source in _sources(entry))
        if entry["class_name"] == "Dropout":
            stands_for[name] = sources[0]
            continue
        shapes = [known[source].shape for source in sources]
        layer = _read(entry["class_name"], name, sources, shapes, settings, n_weights)
        n_weights += (layer.kernel is not None) + (layer.bias is not None)
        known[name] = layer
    last = _names(config["output_layers"])[0]
    last = stands_for.get(last, last)
    return (*(layer for name, layer in known.items() if name != last), known[last])


def input_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a network's inputs, in their order."""
    return _names(config["input_layers"])


def _names(histories: Any) -> tuple[str, ...]:
    every = [histories] if isinstance(histories[0], str) else histories
    return tuple(name for name, _, _ in every)


def _sources(entry: Mapping[str, Any]) -> list[str]:
    nodes = entry["inbound_nodes"]
    if len(nodes) > 1:
        raise UnsupportedNetworkError(f"layer {entry['name']} is used more than once")
    found: list[str] = []

    def gather(part: Any) -> None:
        if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
            found.append(part["config"]["keras_history"][0])
        elif isinstance(part, list | tuple):
            for inner in part:
                gather(inner)

    gather([node["args"] for node in nodes])
    return found


def _read(
    kind: str,
    name: str,
    sources: tuple[str, ...],
    shapes: Sequence[tuple[int, ...]],
    config: Mapping[str, Any],
    n_weights: int,
) -> Layer:
    """Return a layer; `n_weights` is how many arrays the layers before it have."""
    kernel, bias = n_weights, n_weights + 1 if config.get("use_bias") else None
    if kind == "InputLayer" and len(config["batch_shape"]) == 2:
        return Layer("input", name, (), (int(config["batch_shape"][1]),))
    if kind == "Reshape" and tuple(config["target_shape"]) == (*shapes[0], 1):
        return Layer("channel", name, sources, (*shapes[0], 1))
    if kind == "Conv1D":
        _expect(name, config, strides=(1,), dilation_rate=(1,), groups=1, activation="linear")
        _expect(name, config, data_format="channels_last")
        taps, same = int(config["kernel_size"][0]), config["padding"] == "same"
        if not same:
            _expect(name, config, padding="valid")
        positions = shapes[0][0] if same else shapes[0][0] - taps + 1
        return Layer("conv", name, sources, (positions, int(config["filters"])), kernel, bias, taps=taps, same=same)
    if kind == "MaxPooling1D":
        pool = int(config["pool_size"][0])
        _expect(name, config, strides=(pool,), padding="valid", data_format="channels_last")
        return Layer("max_pool", name, sources, (shapes[0][0] // pool, shapes[0][1]), pool=pool)
    if kind == "LeakyReLU":
        return Layer("leaky_relu", name, sources, shapes[0], slope=float(config["negative_slope"]))
    if kind == "Flatten":
        _expect(name, config, data_format="channels_last")
        return Layer("flatten", name, sources, (math.prod(shapes[0]),))
    if kind == "Dense" and len(shapes[0]) == 1:
        _expect(name, config, activation="linear")
        return Layer("dense", name, sources, (int(config["units"]),), kernel, bias)
    if kind == "Concatenate" and all(len(shape) == 1 for shape in shapes):
        return Layer("concatenate", name, sources, (sum(shape[0] for shape in shapes),))
    raise UnsupportedNetworkError(f"layer {name} is a {kind} of {', '.join(map(str, shapes)) or 'inputs'}")


def _expect(name: str, config: Mapping[str, Any], **expected: Any) -> None:
    for setting, value in expected.items():
        given = config[setting]
        if (tuple(given) if isinstance(given, list) else given) != value:
            raise UnsupportedNetworkError(f"layer {name} has {setting} {given}")

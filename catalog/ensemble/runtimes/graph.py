"""A network as an ONNX graph, written from its weights.

Channels come before positions, in two dimensions of which the first is 1: the layout that runtimes have the fastest
convolutions for. Keras flattens positions first; the dense layer behind has its weights ordered accordingly.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from catalog.ensemble.runtimes.layers import Layer, UnsupportedNetworkError, Weights, same_padding

__all__ = ["OPSET", "network_graph"]

OPSET = 17
_IR_VERSION = 8


def network_graph(layers: Sequence[Layer], weights: Weights, batch: int) -> ModelProto:
    """Write the graph of one member.

    Parameters
    ----------
    layers : sequence of Layer
    weights : Weights
    batch : int
        Stars that it takes, always as many.

    Returns
    -------
    onnx.ModelProto
        Inputs by the names of the input layers, shape (batch, n); output ``predicted``, shape (batch, n_labels).

    Raises
    ------
    UnsupportedNetworkError
        A layer follows another in a way that a graph does not hold.
    """
    return _Graph(layers, weights, batch).model()


class _Graph:
    def __init__(self, layers: Sequence[Layer], weights: Weights, batch: int) -> None:
        self.layers, self.weights, self.batch = layers, weights, batch
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.shapes = {layer.name: layer.shape for layer in layers}
        # Where the numbers of a vector stand in Keras's order.
        self.order: dict[str, np.ndarray] = {}

    def model(self) -> ModelProto:
        for layer in self.layers:
            self.order[layer.name] = self._order(layer)
            if layer.kind != "input":
                getattr(self, f"_{layer.kind}")(layer)
        last = self.layers[-1]
        if last.kind != "dense":
            raise UnsupportedNetworkError(f"the last layer, {last.name}, is not dense")
        self._add("Identity", [last.name], "predicted")
        inputs = [self._described(layer.name, layer.shape) for layer in self.layers if layer.kind == "input"]
        graph = helper.make_graph(
            self.nodes, "rvs_cnn", inputs, [self._described("predicted", last.shape)], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        checker.check_model(model)
        return model

    def _described(self, name: str, shape: tuple[int, ...]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [self.batch, *shape])

    def _add(self, kind: str, inputs: list[str], output: str, **settings: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], **settings))

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _order(self, layer: Layer) -> np.ndarray:
        if layer.kind == "flatten":
            positions, channels = self.shapes[layer.sources[0]]
            return np.arange(positions * channels).reshape(positions, channels).T.ravel()
        if layer.kind == "concatenate":
            starts = np.cumsum([0, *(self.shapes[source][0] for source in layer.sources)])
            return np.concatenate(
                [self.order[source] + start for source, start in zip(layer.sources, starts, strict=False)]
            )
        if layer.kind == "leaky_relu" and len(layer.shape) == 1:
            return self.order[layer.sources[0]]
        return np.arange(layer.shape[0])

    def _channel(self, layer: Layer) -> None:
        shape = self._constant(f"{layer.name}_shape", np.array([self.batch, 1, 1, layer.shape[0]], dtype=np.int64))
        self._add("Reshape", [layer.sources[0], shape], layer.name)

    def _conv(self, layer: Layer) -> None:
        assert layer.kernel is not None
        kernel = self.weights[layer.kernel].transpose(2, 1, 0)[:, :, np.newaxis]
        inputs = [layer.sources[0], self._constant(f"{layer.name}_kernel", kernel)]
        before, after = same_padding(layer.taps) if layer.same else (0, 0)
        self._add(
            "Conv", inputs + self._bias(layer), layer.name, kernel_shape=[1, layer.taps], pads=[0, before, 0, after]
        )

    def _max_pool(self, layer: Layer) -> None:
        self._add("MaxPool", [layer.sources[0]], layer.name, kernel_shape=[1, layer.pool], strides=[1, layer.pool])

    def _leaky_relu(self, layer: Layer) -> None:
        self._add("LeakyRelu", [layer.sources[0]], layer.name, alpha=layer.slope)

    def _flatten(self, layer: Layer) -> None:
        shape = self._constant(f"{layer.name}_shape", np.array([self.batch, layer.shape[0]], dtype=np.int64))
        self._add("Reshape", [layer.sources[0], shape], layer.name)

    def _dense(self, layer: Layer) -> None:
        assert layer.kernel is not None
        kernel = self.weights[layer.kernel][self.order[layer.sources[0]]]
        inputs = [layer.sources[0], self._constant(f"{layer.name}_kernel", kernel)]
        self._add("Gemm", inputs + self._bias(layer), layer.name)

    def _concatenate(self, layer: Layer) -> None:
        self._add("Concat", list(layer.sources), layer.name, axis=1)

    def _bias(self, layer: Layer) -> list[str]:
        return [] if layer.bias is None else [self._constant(f"{layer.name}_bias", self.weights[layer.bias])]

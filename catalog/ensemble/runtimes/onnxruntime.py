"""ONNX Runtime on the CPU: one graph a member, one thread a session."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime

from catalog.ensemble.runtimes.base import Session, in_batches
from catalog.ensemble.runtimes.graph import network_graph
from catalog.ensemble.runtimes.layers import Layer, Weights

__all__ = ["OnnxRuntime"]

_BATCH = 16
_ERRORS_ONLY = 3


class OnnxRuntime:
    """All members, optimised by ONNX Runtime.

    Parameters
    ----------
    layers : sequence of Layer
    members : sequence of Weights

    Raises
    ------
    UnsupportedNetworkError
        A layer does not fit a graph.
    """

    name = "onnxruntime"

    def __init__(self, layers: Sequence[Layer], members: Sequence[Weights]) -> None:
        options = onnxruntime.SessionOptions()
        # Stars are shared out among threads already.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Every model would keep its own.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _ERRORS_ONLY
        self._models = [
            onnxruntime.InferenceSession(
                network_graph(layers, weights, _BATCH).SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            for weights in members
        ]
        self._inputs = [layer.name for layer in layers if layer.kind == "input"]
        self.description = f"ONNX Runtime {onnxruntime.__version__}"

    def session(self) -> Session:
        """Return a function; ONNX Runtime's sessions can be used by all threads."""

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            return np.stack([in_batches(partial(self._infer, model), inputs, _BATCH) for model in self._models])

        return predict

    def _infer(self, model: Any, inputs: list[np.ndarray]) -> np.ndarray:
        labels: np.ndarray = model.run(None, dict(zip(self._inputs, inputs, strict=True)))[0]
        return labels

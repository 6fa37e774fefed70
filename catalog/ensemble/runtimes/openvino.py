"""OpenVINO on the CPU: one graph a member, as many streams as threads."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import openvino

from catalog.ensemble.runtimes.base import Session, in_batches
from catalog.ensemble.runtimes.graph import network_graph
from catalog.ensemble.runtimes.layers import Layer, Weights

__all__ = ["OpenVinoRuntime"]

_BATCH = 8
"""Every model keeps room for a batch of its own in each stream; larger batches are hardly faster."""


class OpenVinoRuntime:
    """All members, compiled by OpenVINO.

    Parameters
    ----------
    layers : sequence of Layer
    members : sequence of Weights
    threads : int
        Sessions that will be used at a time.

    Raises
    ------
    UnsupportedNetworkError
        A layer does not fit a graph.
    """

    name = "openvino"

    def __init__(self, layers: Sequence[Layer], members: Sequence[Weights], threads: int) -> None:
        core = openvino.Core()
        # Where the processor has them, it would take formats of lower precision.
        settings = {
            "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads,
        }  # fmt: skip
        self._models = []
        for weights in members:
            graph = network_graph(layers, weights, _BATCH).SerializeToString()
            self._models.append(core.compile_model(core.read_model(graph), "CPU", settings))
        self.description = f"OpenVINO {openvino.__version__.split('-')[0]}, single precision"

    def session(self) -> Session:
        """Return a function for one thread."""
        requests = [model.create_infer_request() for model in self._models]

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            contiguous = [np.ascontiguousarray(values) for values in inputs]
            return np.stack([in_batches(partial(_infer, request), contiguous, _BATCH) for request in requests])

        return predict


def _infer(request: Any, inputs: list[np.ndarray]) -> np.ndarray:
    labels: np.ndarray = request.infer(inputs)[0]
    # The next inference writes over it.
    return labels.copy()

"""A whole network as one compiled function, from inputs to labels.

``run(inputs…, weights, memory, labels, groups)`` takes groups of stars, as many as a vector has lanes, one after the
other. Every layer has its place in `memory`, of which each thread has its own; a member's weights are one array.
"""

from dataclasses import dataclass, field

import numpy as np

from catalog.ensemble.runtimes.compiled.lanes import Lanes, Machine
from catalog.ensemble.runtimes.compiled.steps import Pointers, Step, calls, copy_rows
from catalog.ensemble.runtimes.layers import Weights

__all__ = ["Program"]


@dataclass
class Program:
    """What is done for a group of stars, and where everything lies."""

    machine: Machine
    inputs: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, first row in memory and number of rows."""
    steps: list[Step] = field(default_factory=list)
    labels: tuple[int, int] = (0, 0)
    """First row in memory and number of rows."""
    rows: int = 0
    """Of memory, without the kernels' own working memory behind."""
    scratch: int = 0
    n_weights: int = 0

    @property
    def memory(self) -> int:
        """Floats of memory that a thread needs, zero at first."""
        return (self.rows + self.scratch) * self.machine.lanes

    def pack(self, weights: Weights) -> np.ndarray:
        """Return the weights of a member as the kernels read them, shape (n_weights,), float32."""
        packed = np.zeros(self.n_weights, dtype=np.float32)
        for call in calls(self.steps):
            assert call.layer.kernel is not None
            bias = call.weights + call.n_weights
            packed[call.weights : bias] = call.kernel.pack(weights[call.layer.kernel]).ravel()
            if call.layer.bias is not None:
                packed[bias : bias + call.layer.shape[-1]] = weights[call.layer.bias]
        return packed

    def write(self) -> str:
        """Return the program in LLVM's language."""
        lanes = Lanes(self.machine.lanes)
        for call in calls(self.steps):
            call.kernel.write(lanes)
        n = len(self.inputs)
        with lanes.function("run", n + 3, 1) as arguments, lanes.loop(arguments[-1]) as group:
            inputs, (weights, memory, labels, _) = arguments[:n], arguments[n:]
            for (_, row, rows), values in zip(self.inputs, inputs, strict=True):
                copy_rows(lanes, lanes.rows(values, (group, rows)), lanes.rows(memory, row), rows)
            at = Pointers(memory, weights, lanes.rows(memory, self.rows))
            for step in self.steps:
                step.write(lanes, at)
            row, rows = self.labels
            copy_rows(lanes, lanes.rows(memory, row), lanes.rows(labels, (group, rows)), rows)
        return str(lanes.module)

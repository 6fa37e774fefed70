"""The runtime of compiled kernels."""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from catalog.ensemble.runtimes.base import Session
from catalog.ensemble.runtimes.compiled.engine import aligned, compile_for_this_machine, grouped
from catalog.ensemble.runtimes.compiled.lanes import Machine, this_machine
from catalog.ensemble.runtimes.compiled.planning import plan_program
from catalog.ensemble.runtimes.compiled.program import Program
from catalog.ensemble.runtimes.layers import Layer, Weights

__all__ = ["CompiledRuntime"]


class CompiledRuntime:
    """All members of an ensemble by kernels that are compiled once, for this processor and this kind of network.

    Parameters
    ----------
    layers : sequence of Layer
    members : sequence of Weights
    machine : Machine, optional
        Another one than this: smaller vectors run as well.

    Raises
    ------
    UnsupportedNetworkError
        There is no kernel for a layer.
    """

    name = "compiled"

    def __init__(self, layers: Sequence[Layer], members: Sequence[Weights], machine: Machine | None = None) -> None:
        # The engine must live as long as the function that it holds.
        self._program, self._run, self._engine = _compiled(tuple(layers), machine or this_machine())
        self._members = [self._program.pack(weights) for weights in members]
        self.inputs = tuple(name for name, _, _ in self._program.inputs)
        self.description = f"llvmlite {version('llvmlite')}, {self._program.machine.name}"

    def session(self) -> Session:
        """Return a function for one thread, which has its own working memory."""
        memory = aligned(self._program.memory)

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            n, lanes = len(inputs[0]), self._program.machine.lanes
            groups = -(-n // lanes)
            groups_of = [grouped(values, groups, lanes) for values in inputs]
            n_labels = self._program.labels[1]
            out = aligned(groups * n_labels * lanes)
            result = np.empty((len(self._members), n, n_labels), dtype=np.float32)
            if not n:
                return result
            pointers = [values.ctypes.data for values in groups_of]
            for member, weights in enumerate(self._members):
                self._run(*pointers, weights.ctypes.data, memory.ctypes.data, out.ctypes.data, groups)
                labels = out.reshape(groups, n_labels, lanes).transpose(0, 2, 1)
                result[member] = labels.reshape(-1, n_labels)[:n]
            return result

        return predict


@lru_cache(maxsize=8)
def _compiled(layers: tuple[Layer, ...], machine: Machine) -> tuple[Program, Any, Any]:
    """Return the program for such networks, the function, and what holds it."""
    program = plan_program(layers, machine)
    engine = compile_for_this_machine(program.write())
    # Called through ctypes, the function runs without Python's lock: threads run side by side.
    pointers = [ctypes.c_void_p] * (len(program.inputs) + 3)
    prototype = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)
    return program, prototype(engine.get_function_address("run")), engine

"""The runtime of compiled kernels."""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from catalog.ensemble.runtimes.base import Session
from catalog.ensemble.runtimes.compiled.lanes import Machine, this_machine
from catalog.ensemble.runtimes.compiled.planning import plan_program
from catalog.ensemble.runtimes.compiled.program import Program
from catalog.ensemble.runtimes.layers import Layer, Weights

__all__ = ["CompiledRuntime"]

_ALIGNMENT = 64


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
        memory = _aligned(self._program.memory)

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            n, lanes = len(inputs[0]), self._program.machine.lanes
            groups = -(-n // lanes)
            grouped = [_group(values, groups, lanes) for values in inputs]
            n_labels = self._program.labels[1]
            out = _aligned(groups * n_labels * lanes)
            result = np.empty((len(self._members), n, n_labels), dtype=np.float32)
            if not n:
                return result
            pointers = [values.ctypes.data for values in grouped]
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
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(program.write())
    module.verify()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(target, options).getModulePassManager()
    passes.run(module, llvm.create_pass_builder(target, options))
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    # Called through ctypes, the function runs without Python's lock: threads run side by side.
    pointers = [ctypes.c_void_p] * (len(program.inputs) + 3)
    prototype = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)
    return program, prototype(engine.get_function_address("run")), engine


def _aligned(n: int) -> np.ndarray:
    """Return zeros, shape (n,), float32, where vectors may be loaded from."""
    raw = np.zeros(n + _ALIGNMENT // 4, dtype=np.float32)
    first = -raw.ctypes.data % _ALIGNMENT // 4
    return raw[first : first + n]


def _group(values: np.ndarray, groups: int, lanes: int) -> np.ndarray:
    """Put the stars of a group side by side: shape (groups, n_features, lanes); the last group is filled with zeros."""
    n, features = values.shape
    grouped = _aligned(groups * features * lanes).reshape(groups, features, lanes)
    whole = n // lanes
    grouped[:whole] = values[: whole * lanes].reshape(whole, lanes, features).transpose(0, 2, 1)
    if n % lanes:
        grouped[whole, :, : n % lanes] = values[whole * lanes :].T
    return grouped

"""From LLVM's language to functions of this processor, and arrays as they take them."""

from typing import Any

import llvmlite.binding as llvm
import numpy as np

__all__ = ["aligned", "compile_for_this_machine", "grouped", "ungrouped"]

_ALIGNMENT = 64


def compile_for_this_machine(text: str) -> Any:
    """Compile a module; the functions live as long as what is returned.

    Parameters
    ----------
    text : str
        The module in LLVM's language.

    Returns
    -------
    llvmlite.binding.ExecutionEngine
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(target, options).getModulePassManager()
    passes.run(module, llvm.create_pass_builder(target, options))
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine


def aligned(n: int) -> np.ndarray:
    """Return zeros, shape (n,), float32, where vectors may be loaded from."""
    raw = np.zeros(n + _ALIGNMENT // 4, dtype=np.float32)
    first = -raw.ctypes.data % _ALIGNMENT // 4
    return raw[first : first + n]


def grouped(values: np.ndarray, groups: int, lanes: int) -> np.ndarray:
    """Put the stars of a group side by side: shape (groups, n_features, lanes); the last group is filled with zeros."""
    n, features = values.shape
    result = aligned(groups * features * lanes).reshape(groups, features, lanes)
    whole = n // lanes
    result[:whole] = values[: whole * lanes].reshape(whole, lanes, features).transpose(0, 2, 1)
    if n % lanes:
        result[whole, :, : n % lanes] = values[whole * lanes :].T
    return result


def ungrouped(values: np.ndarray, n: int) -> np.ndarray:
    """Undo `grouped`: from shape (groups, n_features, lanes) to (n, n_features)."""
    groups, features, lanes = values.shape
    return values.transpose(0, 2, 1).reshape(groups * lanes, features)[:n]

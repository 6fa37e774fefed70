"""Which runtime predicts: the fastest one that is there, computes this network, and agrees with Keras."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from catalog.ensemble.runtimes.base import Runtime, Session
from catalog.ensemble.runtimes.keras import KerasRuntime, backend_name, has_accelerator
from catalog.ensemble.runtimes.layers import Layer, UnsupportedNetworkError, Weights
from catalog.errors import ArtefactError, ConfigurationError

__all__ = ["TOLERANCE", "Members", "Predictor", "choose_runtime"]

TOLERANCE = 1e-5
"""Largest difference from Keras, in scaled label units; relative for labels larger than one."""

_PACKAGES = {
    "compiled": ("llvmlite",),
    "openvino": ("openvino", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "jax": ("jax",),
    "keras": (),
}

# Without this there is no NVIDIA GPU, and no need to load Keras in order to ask it.
_NVIDIA = Path("/dev/nvidiactl")


class Members(Protocol):
    """Where the members of an ensemble come from: see `catalog.ensemble.prediction.members.SavedMembers`."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Of their networks."""

    def weights(self) -> Sequence[Weights]:
        """Of each member."""

    def open_keras(self) -> KerasRuntime:
        """Return them in Keras."""


class _DisagreementError(ArithmeticError):
    """A runtime's labels are not those of Keras."""


@dataclass(eq=False)
class Predictor:
    """A verified runtime, with Keras behind it in case that it fails."""

    runtime: Runtime
    open_reference: Callable[[], Runtime]
    """Loads Keras, when it is needed."""
    max_difference: float
    """Largest difference from Keras on the stars of the verification, as compared with `TOLERANCE`; 0 for Keras."""
    notes: list[str]
    """Why it is not another runtime, or what has happened to it since."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def session(self) -> Session:
        """Return a function for one thread; when the runtime fails, Keras takes over for all threads."""
        used: list[tuple[Runtime, Session]] = []

        def predict(inputs: Sequence[np.ndarray]) -> np.ndarray:
            runtime = self.runtime
            try:
                if not used or used[0][0] is not runtime:
                    used[:] = [(runtime, runtime.session())]
                return used[0][1](inputs)
            except Exception as error:
                if runtime.name == KerasRuntime.name:
                    raise
                self._replace(runtime, error)
                return predict(inputs)

        return predict

    def _replace(self, failed: Runtime, error: Exception) -> None:
        with self._lock:
            if self.runtime is failed:
                self.notes.append(
                    f"{failed.description} failed while predicting ({_reason(error)}): Keras went on in its place."
                )
                self.runtime = self.open_reference()


def choose_runtime(
    wanted: str,
    members: Members,
    probe: Sequence[np.ndarray],
    reference: Callable[[Sequence[np.ndarray]], np.ndarray],
    threads: int,
) -> Predictor:
    """Make the members of an ensemble ready to predict.

    ``auto`` is Keras on a GPU (members stacked on JAX); on a CPU it is compiled kernels, else OpenVINO, else ONNX
    Runtime, else Keras. Whatever is chosen must give Keras's labels for the probe.

    Parameters
    ----------
    wanted : str
        ``auto`` or the name of a runtime.
    members : Members
    probe : sequence of numpy.ndarray
        Inputs of some stars on the network's scale, float32.
    reference : callable
        Gives Keras's labels of the probe, shape (n_members, n, n_labels).
    threads : int
        Sessions that will be used at a time.

    Returns
    -------
    Predictor

    Raises
    ------
    ConfigurationError
        The runtime that is asked for is not installed.
    ArtefactError
        A member cannot be read.
    """
    notes: list[str] = []
    candidates = [name for name in _candidates(wanted) if not _missing(name)]
    if not candidates:
        if wanted != "auto":
            raise ConfigurationError(
                f"The runtime {wanted!r} needs {' and '.join(_missing(wanted))}, not installed here.",
                "Install what is missing, or set prediction.runtime to 'auto'.",
            )
        candidates = [KerasRuntime.name]
        notes.append("Prediction would be several times faster with llvmlite, OpenVINO or ONNX Runtime installed.")
    expected: np.ndarray | None = None
    for name in candidates:
        if name == KerasRuntime.name:
            break
        try:
            # Keras comes first: what it takes of memory is free again when the runtime is loaded.
            expected = reference(probe) if expected is None else expected
            runtime = _open(name, members, threads)
            return Predictor(runtime, members.open_keras, _verify(runtime, probe, expected), notes)
        except ArtefactError:
            raise
        except UnsupportedNetworkError as error:
            notes.append(f"The runtime {name!r} does not compute this network: {error}.")
        except Exception as error:
            notes.append(f"The runtime {name!r} was not used: {_reason(error)}.")
    if candidates[-1] != KerasRuntime.name:
        notes.append("Keras predicted in its place.")
    return Predictor(members.open_keras(), members.open_keras, 0.0, notes)


def _missing(name: str) -> list[str]:
    return [package for package in _PACKAGES[name] if find_spec(package) is None]


def _candidates(wanted: str) -> tuple[str, ...]:
    if wanted != "auto":
        return (wanted,)
    if _NVIDIA.exists() and has_accelerator():
        return ("jax",) if backend_name() == "jax" else ("keras",)
    return ("compiled", "openvino", "onnxruntime")


def _open(name: str, members: Members, threads: int) -> Runtime:
    # Each imports a package that need not be installed.
    if name == "jax":
        from catalog.ensemble.runtimes.jax import JaxRuntime

        return JaxRuntime(members.open_keras())
    if name == "compiled":
        from catalog.ensemble.runtimes.compiled.runtime import CompiledRuntime

        return CompiledRuntime(members.layers, members.weights())
    if name == "openvino":
        from catalog.ensemble.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(members.layers, members.weights(), threads)
    from catalog.ensemble.runtimes.onnxruntime import OnnxRuntime

    return OnnxRuntime(members.layers, members.weights())


def _verify(runtime: Runtime, probe: Sequence[np.ndarray], expected: np.ndarray) -> float:
    found = runtime.session()(probe)
    difference = np.abs(found.astype(np.float64) - expected) / np.maximum(1.0, np.abs(expected))
    # Not finite where Keras is: no agreement either.
    worst = float(np.where(np.isfinite(expected), np.nan_to_num(difference, nan=np.inf), 0.0).max(initial=0.0))
    if worst > TOLERANCE:
        raise _DisagreementError(f"its labels differ from Keras's by up to {worst:.1e} of their scale")
    return worst


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, _DisagreementError) else str(error)

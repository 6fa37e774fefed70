"""The one place where Keras is imported: late, since it takes seconds, and quietly."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["backend_versions", "compiled", "quiet", "start_keras"]

_XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def start_keras(threads: int | None = None) -> ModuleType:
    """Import Keras on its backend: TensorFlow, unless KERAS_BACKEND names another.

    Parameters
    ----------
    threads : int, optional
        Threads of one operation. Without effect when the backend runs already.

    Returns
    -------
    module
        ``keras``.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Workers share a GPU, where there is one.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if threads is not None:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
        # The network is a chain: operations side by side have nothing to do.
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    if threads == 1 and os.environ["KERAS_BACKEND"] == "jax" and _XLA_ONE_THREAD not in os.environ.get("XLA_FLAGS", ""):
        # JAX takes all cores unless told otherwise.
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_ONE_THREAD}".strip()
    with _without_banners():
        import keras
    module: ModuleType = keras
    return module


def compiled() -> bool:
    """Return whether the backend's own compiler is used.

    On CPU, XLA makes TensorFlow's convolutions three times slower than its kernels are; JAX is nothing without it.
    """
    import keras

    return bool(keras.backend.backend() == "jax")


def backend_versions() -> dict[str, str]:
    """Return what decides on the last bits of a trained network: backend, and the versions of it, Keras and numpy."""
    import keras
    import numpy as np

    name = str(keras.backend.backend())
    return {"backend": f"{name} {sys.modules[name].__version__}", "keras": keras.__version__, "numpy": np.__version__}


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out one warning: Keras asks numpy for copies in a way that numpy has deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
        yield


@contextmanager
def _without_banners() -> Iterator[None]:
    """Keep what the backend's C++ code prints while it is loaded; show it only when loading fails."""
    with tempfile.TemporaryFile() as kept, warnings.catch_warnings():
        # TensorFlow's own modules use what its dependencies have deprecated.
        warnings.simplefilter("ignore")
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

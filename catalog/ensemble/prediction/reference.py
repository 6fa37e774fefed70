"""What Keras says, asked in a process of its own: it takes 600 MB, and prediction does without.

``python -m catalog.ensemble.prediction.reference ENSEMBLE INPUTS LABELS THREADS`` is that process.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import catalog
from catalog.ensemble.backend import quiet
from catalog.ensemble.prediction.members import SavedMembers
from catalog.ensemble.registry.artefact import read_scalers, verify_artefact

__all__ = ["main", "reference_labels"]

_NOT_NEEDED = {"jax", "matplotlib", "sklearn", "torch"}
"""What Keras loads wherever it is installed: a quarter of a gigabyte."""


def reference_labels(members: SavedMembers, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return Keras's labels of some stars by every member.

    Parameters
    ----------
    members : SavedMembers
    inputs : sequence of numpy.ndarray
        On the network's scale, float32.

    Returns
    -------
    numpy.ndarray
        Shape (n_members, n, n_labels), on the network's scale.

    Raises
    ------
    RuntimeError
        Keras's process has failed.
    """
    if "keras" in sys.modules:
        return _labels(members, inputs)
    with tempfile.TemporaryDirectory(prefix="rvscat-") as folder:
        given, found = Path(folder) / "inputs.npz", Path(folder) / "labels.npy"
        np.savez(given, *inputs)
        arguments = [str(members.path), str(given), str(found), str(members.threads or 1)]
        # Wherever this package comes from, the process finds the same.
        path = os.pathsep.join([str(Path(catalog.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-m", __name__, *arguments],
            env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise RuntimeError(f"Keras's process ended with status {done.returncode}: {last}")
        labels: np.ndarray = np.load(found, allow_pickle=False)
    return labels


@quiet()
def _labels(members: SavedMembers, inputs: Sequence[np.ndarray]) -> np.ndarray:
    return members.open_keras().session(max(1, len(inputs[0])))(inputs)


def main() -> None:
    """Predict the stars in one file and write their labels into another."""
    path, given, found, threads = sys.argv[1:]
    for name in _NOT_NEEDED - {os.environ.get("KERAS_BACKEND")}:
        # None is how the import system is told that a module is not to be imported; typeshed knows modules only.
        sys.modules[name] = None  # type: ignore[assignment]
    folder = Path(path)
    members = SavedMembers(folder, verify_artefact(folder), read_scalers(folder), int(threads))
    with np.load(given, allow_pickle=False) as file:
        inputs = [file[name] for name in file.files]
    np.save(found, _labels(members, inputs))


if __name__ == "__main__":
    main()

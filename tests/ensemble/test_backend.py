import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from catalog.ensemble.backend import quiet
from catalog.ensemble.network import build_network
from catalog.ensemble.training.member import TrainingArrays
from tests.ensemble.training.backend_probe import NETWORK, probe

CODE = """
import sys
import catalog.ensemble.stage
assert not {"keras", "tensorflow", "jax"} & set(sys.modules), "a backend was loaded before it was needed"
from catalog.ensemble.backend import start_keras
keras = start_keras(threads=1)
print(float(keras.ops.sum(keras.ops.ones((3,)))))
print("heard", file=sys.stderr)
"""


def test_keras_starts_late_and_quietly() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "3.0\n"
    assert done.stderr == "heard\n"


@quiet()
def test_both_backends_train_and_predict_alike(arrays: TrainingArrays, tmp_path: Path) -> None:
    if find_spec("jax") is None:
        pytest.skip("jax is not installed: the other backend cannot be compared with")
    arrays.save(tmp_path)
    network = build_network(*arrays.sizes, NETWORK)
    np.savez(tmp_path / "initial.npz", *network.get_weights())
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.ensemble.training.backend_probe", str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "probe.npz") as file:
        theirs = {name: file[name] for name in file.files}
    ours = probe(tmp_path)
    assert str(ours["backend"]).startswith("tensorflow ")
    assert str(theirs["backend"]).startswith("jax ")
    np.testing.assert_allclose(theirs["untrained"], ours["untrained"], atol=1e-5)
    for i in range(3):
        np.testing.assert_allclose(theirs[f"gradient_{i}"], ours[f"gradient_{i}"], atol=1e-5)
        assert ours[f"gradient_{i}"].any()
    np.testing.assert_allclose(theirs["val_loss"], ours["val_loss"], rtol=1e-3)
    np.testing.assert_allclose(theirs["trained"], ours["trained"], atol=2e-3)
    # They have learnt something, and a stopped training ends with the very weights on either.
    assert ours["val_loss"][-1] < 0.8 * ours["val_loss"][0]
    for found in (ours, theirs):
        assert found["same"]
        np.testing.assert_array_equal(found["resumed"], found["val_loss"])

import subprocess
import sys

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

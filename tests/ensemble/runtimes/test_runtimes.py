import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from catalog.ensemble.network import build_network
from catalog.ensemble.runtimes import TOLERANCE, Predictor, choose_runtime, predict_scaled
from catalog.ensemble.runtimes.compiled.bilinear import INNER, Bilinear, direct, outer, toom_cook
from catalog.ensemble.runtimes.compiled.lanes import Machine
from catalog.ensemble.runtimes.compiled.runtime import CompiledRuntime
from catalog.ensemble.runtimes.keras import KerasRuntime
from catalog.ensemble.runtimes.layers import Layer, UnsupportedNetworkError, Weights, read_layers
from catalog.errors import ConfigurationError
from catalog.profiles.model import NetworkSettings

PAPER = NetworkSettings()
TINY = NetworkSettings(filters=(4, 3, 2), spectrum_units=8, scalar_units=4, xp_units=6, dense_units=(8, 6))

NETWORKS = {
    "the paper's": (PAPER, 2401),
    "tiny": (TINY, 96),
    "zeros around": (TINY.model_copy(update={"padding": "same", "kernel_size": 7}), 131),
    "one block, odd sizes": (NetworkSettings(filters=(7,), kernel_size=3, pool_after=(1,), pool_size=3), 100),
    "long taps, pooled everywhere": (TINY.model_copy(update={"kernel_size": 12, "pool_after": (1, 2, 3)}), 201),
    "short taps, no pooling": (TINY.model_copy(update={"kernel_size": 2, "pool_after": ()}), 50),
    "five blocks": (TINY.model_copy(update={"filters": (8, 6, 4, 4, 2), "kernel_size": 17, "leaky_slope": 0.0}), 301),
}

MACHINES = [Machine(16, 32, "16 lanes"), Machine(8, 16, "8 lanes"), Machine(4, 32, "4 lanes"), Machine(4, 16, "old")]


class Given:
    """Members in memory, as `choose_runtime` takes them."""

    def __init__(self, network: Any, members: Sequence[Weights]) -> None:
        self.network, self.members = network, members

    @property
    def layers(self) -> tuple[Layer, ...]:
        return read_layers(self.network.get_config())

    def weights(self) -> Sequence[Weights]:
        return self.members

    def open_keras(self) -> KerasRuntime:
        return KerasRuntime(self.network, self.members)

    def keras(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        labels = []
        for weights in self.members:
            self.network.set_weights(weights)
            labels.append(predict_scaled(self.network, inputs, len(inputs[0])))
        return np.stack(labels)

    def choose(self, wanted: str, inputs: Sequence[np.ndarray]) -> Predictor:
        return choose_runtime(wanted, self, inputs, self.keras, 1)


def two_members(network: Any) -> Given:
    rng = np.random.default_rng(4)
    members = [[w + 0.05 * rng.normal(size=w.shape).astype(np.float32) for w in network.get_weights()] for _ in "ab"]
    return Given(network, members)


def some_stars(network: Any, n: int = 21) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [1.0 - 0.5 * rng.random((n, tensor.shape[1]), dtype=np.float32) ** 3 for tensor in network.inputs]


def members_of(name: str) -> tuple[Given, list[np.ndarray]]:
    settings, n_pixels = NETWORKS[name]
    network = build_network(n_pixels, 4, 20, 5, settings)
    return two_members(network), some_stars(network)


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_kernels_are_keras(name: str) -> None:
    members, stars = members_of(name)
    found = CompiledRuntime(members.layers, members.weights()).session()(stars)
    expected = members.keras(stars)
    assert found.shape == (2, 21, 5)
    assert np.abs(found - expected).max() < 0.3 * TOLERANCE * np.abs(expected).max()
    assert not np.allclose(found[0], found[1])


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_vectors_of_any_length(machine: Machine) -> None:
    members, stars = members_of("tiny")
    found = CompiledRuntime(members.layers, members.weights(), machine).session()(stars)
    np.testing.assert_allclose(found, members.keras(stars), atol=0.3 * TOLERANCE)


def test_a_star_has_its_labels_whatever_comes_with_it() -> None:
    members, stars = members_of("tiny")
    predict = CompiledRuntime(members.layers, members.weights()).session()
    together = predict(stars)
    np.testing.assert_array_equal(predict([values[7:9] for values in stars]), together[:, 7:9])
    assert predict([values[:0] for values in stars]).shape == (2, 0, 5)
    # What an odd star leaves behind in memory does not reach the next.
    predict([np.full_like(values, np.nan) for values in stars])
    np.testing.assert_array_equal(predict(stars), together)


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        ("openvino", "the paper's"),
        ("onnxruntime", "the paper's"),
        ("onnxruntime", "zeros around"),
        ("onnxruntime", "one block, odd sizes"),
    ],
)
def test_graphs_are_keras(runtime: str, name: str) -> None:
    for package in (runtime, "onnx"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    members, stars = members_of(name)
    predictor = members.choose(runtime, stars)
    assert (predictor.runtime.name, predictor.notes) == (runtime, [])
    assert 0.0 < predictor.max_difference < 0.5 * TOLERANCE
    np.testing.assert_allclose(predictor.session()(stars), members.keras(stars), rtol=TOLERANCE, atol=TOLERANCE)


def hybrid(branches: Callable[[Any, Any, Any], Any]) -> Any:
    """A network of another shape: some inputs are not used, or differently."""
    import keras

    spectrum, scalars, xp = (keras.Input((n,), name=name) for n, name in ((60, "spectrum"), (3, "scalars"), (20, "xp")))
    used, output = branches(spectrum, scalars, xp)
    return keras.Model(used, keras.layers.Dense(5, use_bias=False)(output))


def spectrum_alone(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    x = layers.Conv1D(6, 8, use_bias=False)(layers.Reshape((60, 1))(spectrum))
    x = layers.MaxPooling1D(2)(layers.LeakyReLU(negative_slope=0.1)(x))
    return [spectrum], layers.Flatten()(layers.Dropout(0.5)(x))


def no_spectrum(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    x = layers.Concatenate()([xp, layers.LeakyReLU(negative_slope=0.3)(layers.Dense(7)(scalars))])
    return [scalars, xp], layers.Dense(9)(x)


def flattened_and_joined(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    x = layers.Flatten()(layers.LeakyReLU()(layers.Conv1D(3, 5)(layers.Reshape((60, 1))(spectrum))))
    return [spectrum, scalars], layers.Concatenate()([scalars, x])


@pytest.mark.parametrize("branches", [spectrum_alone, no_spectrum, flattened_and_joined])
@pytest.mark.parametrize("runtime", ["compiled", "onnxruntime"])
def test_networks_with_other_branches(runtime: str, branches: Any) -> None:
    if runtime != "compiled" and (find_spec(runtime) is None or find_spec("onnx") is None):
        pytest.skip(f"{runtime} or onnx is not installed")
    network = hybrid(branches)
    members, stars = two_members(network), some_stars(network)
    predictor = members.choose(runtime, stars)
    assert (predictor.runtime.name, predictor.notes) == (runtime, [])


def normalised(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    return [xp], layers.BatchNormalization(name="norm")(xp)


def activated(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    return [xp], layers.Dense(4, activation="tanh", name="hidden")(xp)


def strided(spectrum: Any, scalars: Any, xp: Any) -> Any:
    from keras import layers

    x = layers.Conv1D(2, 8, strides=2, name="steps")(layers.Reshape((60, 1))(spectrum))
    return [spectrum], layers.Flatten()(x)


@pytest.mark.parametrize(
    ("branches", "words"),
    [
        (normalised, "norm is a BatchNormalization"),
        (activated, "hidden has activation"),
        (strided, "steps has strides"),
    ],
)
def test_an_unknown_layer_is_left_to_keras(branches: Any, words: str) -> None:
    network = hybrid(branches)
    with pytest.raises(UnsupportedNetworkError, match=words):
        read_layers(network.get_config())
    members, stars = two_members(network), some_stars(network)
    predictor = members.choose("auto", stars)
    assert predictor.runtime.name == "keras"
    assert predictor.max_difference == 0.0
    assert words in predictor.notes[0]
    assert predictor.notes[-1] == "Keras predicted in its place."
    np.testing.assert_array_equal(predictor.session()(stars), members.keras(stars))


def test_pooling_that_fits_no_tile_is_left_to_others() -> None:
    settings = TINY.model_copy(update={"pool_size": 5})
    members = two_members(build_network(150, 4, 20, 5, settings))
    stars = some_stars(members.network)
    predictor = members.choose("auto", stars)
    assert predictor.runtime.name != "compiled"
    assert "pooled by 5" in predictor.notes[0]
    np.testing.assert_allclose(predictor.session()(stars), members.keras(stars), atol=TOLERANCE)


def test_labels_that_are_not_keras_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    members, stars = members_of("tiny")
    right = CompiledRuntime.session

    for error in (2 * TOLERANCE, np.nan):
        monkeypatch.setattr(CompiledRuntime, "session", lambda self, e=error: lambda inputs: right(self)(inputs) + e)
        predictor = members.choose("compiled", stars)
        assert predictor.runtime.name == "keras"
        assert "differ from Keras's by up to" in predictor.notes[0]
        np.testing.assert_array_equal(predictor.session()(stars), members.keras(stars))


def test_the_next_runtime_takes_the_place_of_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    members, stars = members_of("tiny")
    absent = {"llvmlite", "openvino"}
    monkeypatch.setattr(
        "catalog.ensemble.runtimes.choice.find_spec", lambda name: None if name in absent else find_spec(name)
    )
    if find_spec("onnxruntime") and find_spec("onnx"):
        assert members.choose("auto", stars).runtime.name == "onnxruntime"
    absent.add("onnxruntime")
    predictor = members.choose("auto", stars)
    assert predictor.runtime.name == "keras"
    assert "llvmlite, OpenVINO or ONNX Runtime" in predictor.notes[0]
    with pytest.raises(ConfigurationError, match="'openvino' needs openvino"):
        members.choose("openvino", stars)


def test_keras_goes_on_for_a_runtime_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    members, stars = members_of("tiny")
    predictor = members.choose("compiled", stars)
    assert "llvmlite" in predictor.runtime.description
    first, second = predictor.session(), predictor.session()
    before = first(stars)

    def die(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(predictor.runtime, "_run", die)
    np.testing.assert_allclose(first(stars), before, atol=TOLERANCE)
    np.testing.assert_array_equal(second(stars), members.keras(stars))
    assert predictor.runtime.name == "keras"
    assert [
        note for note in predictor.notes if "failed while predicting (MemoryError: no room)" in note
    ] == predictor.notes


def test_keras_on_jax_with_members_stacked() -> None:
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    program = """
import numpy as np
from catalog.ensemble.backend import quiet, start_keras
start_keras(1)
from tests.ensemble.runtimes.test_runtimes import members_of
with quiet():
    members, stars = members_of("tiny")
    predictor = members.choose("jax", stars)
assert predictor.runtime.name == "jax", predictor.notes
assert predictor.session()(stars).shape == (2, 21, 5)
assert predictor.max_difference < 1e-5
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "scheme", [INNER, *(outer(blocks) for blocks in range(1, 6)), direct(3), toom_cook(2, 2, [0, 1])]
)
def test_bilinear_schemes_convolve(scheme: Bilinear) -> None:
    rng = np.random.default_rng(6)
    taps, values = rng.normal(size=scheme.taps), rng.normal(size=scheme.outputs + scheme.taps - 1)
    np.testing.assert_allclose(scheme(taps, values), np.correlate(values, taps, "valid"), atol=1e-12)
    assert scheme.products <= scheme.outputs * scheme.taps


def test_points_must_differ() -> None:
    with pytest.raises(ValueError, match="3 different points"):
        toom_cook(2, 3, [0, 1, 1])

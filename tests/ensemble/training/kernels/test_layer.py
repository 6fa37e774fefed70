"""Training with compiled kernels is the training that Keras does."""

from typing import Any

import numpy as np
import pytest

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.kernels import layer
from catalog.ensemble.training.kernels.layer import kernels_in_use
from catalog.ensemble.training.session import TrainingSession
from catalog.profiles.model import NetworkSettings, TrainingSettings

N_PIXELS, N_STARS = 200, 150
NETWORK = NetworkSettings(filters=(8, 6, 4), kernel_size=5, spectrum_units=12, scalar_units=5, xp_units=7)
LONG = TrainingSettings(max_epochs=10_000, batch_size=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    start_keras(1)
    rng = np.random.default_rng(4)
    labels = rng.random((N_STARS, 5), dtype=np.float32)
    flux = 1.0 + rng.normal(0.0, 0.01, (N_STARS, N_PIXELS))
    for i in range(5):
        flux[:, 20 + 35 * i : 26 + 35 * i] -= 0.4 * labels[:, i, None]
    validation = np.zeros((1, N_STARS), dtype=bool)
    validation[0, ::4] = True
    scalars, xp = rng.random((N_STARS, 4), dtype=np.float32), rng.random((N_STARS, 9), dtype=np.float32)
    return TrainingArrays(flux.astype(np.float32), scalars, xp, labels, validation)


def session(arrays: TrainingArrays, kernels: str, seed: int = 11) -> TrainingSession:
    return TrainingSession(arrays, 0, seed, NETWORK, LONG.model_copy(update={"kernels": kernels}))


def weights_of(trained: TrainingSession) -> list[Any]:
    return [trained.state().arrays[name] for name in sorted(trained.state().arrays)]


@quiet()
def test_both_ways_train_the_same_network(arrays: TrainingArrays) -> None:
    by_keras, compiled = session(arrays, "keras"), session(arrays, "auto")
    assert by_keras.kernels == "keras (as the profile says)"
    assert compiled.kernels.startswith("compiled (llvmlite")
    first = [values for name, values in by_keras.state().arrays.items() if name.startswith("variable")]
    second = [values for name, values in compiled.state().arrays.items() if name.startswith("variable")]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, "the same seed must give the same weights to begin with")
    for _ in range(4):
        a, b = by_keras.epoch(), compiled.epoch()
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-3)
        assert b["val_mse"] == pytest.approx(a["val_mse"], rel=1e-3)
    assert b["val_mse"] < 0.9 * by_keras._history["val_mse"][0]
    final = compiled.finish()
    assert [layer.name for layer in final.network.layers if layer.name.startswith("conv_1")] == [
        "conv_1",
        "conv_1_activation",
    ]
    assert final.kernels == compiled.kernels
    # The plain network that is kept gives what the one in training gave.
    held = arrays.validation[0]
    predicted = final.network.predict(arrays.inputs(held), verbose=0)
    best = min(compiled._history["val_mse"])
    assert np.mean((predicted - arrays.labels[held]) ** 2) == pytest.approx(best, rel=1e-4)


@quiet()
def test_a_stopped_training_goes_on_to_the_same_bits(arrays: TrainingArrays) -> None:
    undisturbed = session(arrays, "auto")
    for _ in range(4):
        undisturbed.epoch()
    stopped = session(arrays, "auto")
    for _ in range(2):
        stopped.epoch()
    checkpoint = stopped.state()
    resumed = session(arrays, "auto")
    resumed.put_back(checkpoint)
    for _ in range(2):
        resumed.epoch()
    for a, b in zip(weights_of(undisturbed), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_keras_does_what_is_small_or_unknown(arrays: TrainingArrays, monkeypatch: pytest.MonkeyPatch) -> None:
    short = LONG.model_copy(update={"max_epochs": 3})
    assert "too little" in kernels_in_use(N_PIXELS, N_STARS, NETWORK, short)
    same = NETWORK.model_copy(update={"padding": "same"})
    assert "no kernels: the convolutions pad" in kernels_in_use(N_PIXELS, N_STARS, same, LONG)
    layer._judged.cache_clear()
    monkeypatch.setattr(layer, "_difference", lambda *_: 0.5)
    assert kernels_in_use(N_PIXELS, N_STARS, NETWORK, LONG) == "keras (compiled kernels differ by 5.0e-01)"
    monkeypatch.setattr(layer, "_difference", lambda *_: float("nan"))
    layer._judged.cache_clear()
    assert kernels_in_use(N_PIXELS, N_STARS, NETWORK, LONG).startswith("keras (compiled kernels differ")
    layer._judged.cache_clear()

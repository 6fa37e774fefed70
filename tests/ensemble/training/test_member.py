from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.ensemble.backend import quiet
from catalog.ensemble.network import build_network
from catalog.ensemble.prediction.loading import PREDICTION_BATCH, predict_scaled
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.member import TrainingArrays, train_member
from catalog.errors import SampleError
from catalog.profiles.model import NetworkSettings, TrainingSettings
from tests.ensemble.conftest import SMALL

FEW = TrainingSettings(max_epochs=1, batch_size=20, learning_rate=1e-3)


def ignore(*_: Any) -> None:
    """Take no notice."""


def test_arrays_are_shared_through_files(arrays: TrainingArrays, tmp_path: Path) -> None:
    longer = np.lib.format.open_memmap(
        tmp_path / "flux.npy", mode="w+", dtype=np.float32, shape=(90, arrays.flux.shape[1])
    )
    longer[:80] = arrays.flux
    replace(arrays, flux=longer[:80]).save(tmp_path)
    opened = TrainingArrays.open(tmp_path)
    for name in ("flux", "scalars", "xp", "labels", "validation"):
        assert isinstance(getattr(opened, name), np.memmap)
        np.testing.assert_array_equal(getattr(opened, name), getattr(arrays, name))
    other = tmp_path / "other"
    other.mkdir()
    opened.save(other)
    np.testing.assert_array_equal(TrainingArrays.open(other).flux, arrays.flux)


def test_a_member_learns_tells_each_epoch_and_keeps_its_best_weights(arrays: TrainingArrays) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    settings = TrainingSettings(max_epochs=12, batch_size=10, learning_rate=0.02, early_stopping_min_delta=0.0)
    network = replace_settings(dropout=0.0)
    trained = train_member(arrays, 1, 4, network, settings, lambda epoch, figures: told.append((epoch, figures)))
    assert [epoch for epoch, _ in told] == list(range(1, 13))
    assert all(figures["seconds"] > 0 and 0 <= figures["patience_left"] <= 20 for _, figures in told)
    assert set(trained.history) == {"loss", "mse", "val_loss", "val_mse", "learning_rate", "seconds"}
    assert all(len(values) == trained.epochs == 12 for values in trained.history.values())
    assert min(trained.history["val_mse"]) < 0.5 * trained.history["val_mse"][0]
    # The loss holds the L2 penalty of the convolution kernels.
    assert trained.history["val_loss"][0] > trained.history["val_mse"][0]

    best = int(np.argmin(trained.history["val_loss"]))
    assert trained.best_epoch == best + 1
    rows = arrays.validation[1]
    predicted = predict_scaled(trained.network, arrays.inputs(np.flatnonzero(rows)))
    mse = float(((predicted - arrays.labels[rows]) ** 2).mean())
    assert mse == pytest.approx(trained.history["val_mse"][best], rel=1e-4)


def test_patience_ends_the_training_and_plateaus_lower_the_rate(arrays: TrainingArrays) -> None:
    settings = TrainingSettings(
        max_epochs=40,
        batch_size=20,
        learning_rate=1e-3,
        early_stopping_patience=5,
        early_stopping_min_delta=10.0,  # nothing is ever an improvement
        plateau_patience=2,
        plateau_factor=0.5,
        plateau_min_learning_rate=3e-4,
        diverged_above=1e9,
    )
    trained = train_member(arrays, 0, 1, SMALL, settings, ignore)
    assert trained.epochs == 6
    assert trained.best_epoch == 1
    assert trained.history["learning_rate"] == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 5e-4, 3e-4])


@quiet()
def test_the_loop_does_what_keras_fit_does(arrays: TrainingArrays) -> None:
    import keras

    network = replace_settings(dropout=0.0)
    settings = TrainingSettings(max_epochs=1, batch_size=20, learning_rate=1e-2)
    trained = train_member(arrays, 0, 11, network, settings, ignore)

    keras.utils.set_random_seed(11)
    model = build_network(arrays.flux.shape[1], 4, arrays.xp.shape[1], 5, network)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse", jit_compile=False)
    rows = np.random.default_rng(11).permutation(np.flatnonzero(~arrays.validation[0]))
    held = arrays.validation[0]
    fitted = model.fit(
        arrays.inputs(rows), arrays.labels[rows], batch_size=20, epochs=1, shuffle=False, verbose=0,
        validation_data=(arrays.inputs(np.flatnonzero(held)), arrays.labels[held]),
    )  # fmt: skip
    for ours, theirs in zip(trained.network.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert trained.history["loss"] == pytest.approx(fitted.history["loss"], rel=1e-5)
    assert trained.history["val_loss"] == pytest.approx(fitted.history["val_loss"], rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_training(arrays: TrainingArrays) -> None:
    spoilt = replace(arrays, labels=np.where(np.arange(80)[:, None] == 3, np.float32(np.nan), arrays.labels))
    with pytest.raises(DivergedError, match="loss of epoch 1 is nan"):
        train_member(spoilt, 0, 1, SMALL, FEW, ignore)


def test_a_member_that_never_gets_better_than_a_constant_is_refused(arrays: TrainingArrays) -> None:
    # The labels of the validation stars are those of others: nothing can be learnt for them.
    settings = FEW.model_copy(update={"max_epochs": 2, "early_stopping_patience": 2, "learning_rate": 1e-6})
    with pytest.raises(DivergedError, match="in 2 epochs the validation MSE was never below"):
        train_member(arrays, 0, 1, SMALL, settings, ignore)


@pytest.mark.parametrize("name", ["flux", "scalars", "xp", "labels"])
def test_values_that_are_not_finite_are_named_before_the_training(arrays: TrainingArrays, name: str) -> None:
    source_id = np.arange(80) + 1000
    arrays.require_finite(source_id)
    spoilt = getattr(arrays, name).copy()
    spoilt[[3, 7, 8, 60], 1] = [np.nan, np.inf, -np.inf, np.nan]
    what = {"flux": "spectrum", "scalars": "magnitude or parallax", "xp": "XP input", "labels": "label"}[name]
    words = f"4 training stars have a {what} that is not finite: 1003, 1007, 1008 and others"
    with pytest.raises(SampleError, match=words):
        replace(arrays, **{name: spoilt}).require_finite(source_id)
    spoilt[[7, 8, 60], 1] = 0.0
    with pytest.raises(SampleError, match=rf"1 training star has a {what} that is not finite: 1003\."):
        replace(arrays, **{name: spoilt}).require_finite(source_id)


def test_a_stars_labels_do_not_depend_on_its_company(arrays: TrainingArrays) -> None:
    network = build_network(arrays.flux.shape[1], 4, arrays.xp.shape[1], 5, SMALL)
    inputs = [np.concatenate([values] * 4)[:300] for values in arrays.inputs(slice(None))]
    together = predict_scaled(network, inputs)
    assert together.shape == (300, 5)
    assert PREDICTION_BATCH < 300
    alone = predict_scaled(network, [values[7:8] for values in inputs])
    np.testing.assert_allclose(alone[0], together[7], rtol=1e-6, atol=1e-7)
    assert predict_scaled(network, [values[:0] for values in inputs]).shape == (0, 5)


def replace_settings(**changes: Any) -> NetworkSettings:
    return SMALL.model_copy(update=changes)

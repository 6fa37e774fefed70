"""Automatic differentiation against finite differences, and networks whose gradients are known."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from catalog.ensemble.backend import quiet
from catalog.ensemble.network import build_network
from catalog.ensemble.studies.gradients import jacobian
from catalog.errors import ConfigurationError
from catalog.profiles.model import NetworkSettings
from tests.ensemble.conftest import SMALL

N_PIXELS, N_SCALARS, N_XP = 48, 4, 6


@pytest.fixture
def double(keras: Any) -> Iterator[None]:
    """Keras in double precision, in which finite differences are exact to many digits."""
    for precision in ("float64", "float32"):
        keras.config.set_floatx(precision)
        # Layers take theirs from a policy that remembers what it was first.
        keras.config.set_dtype_policy(precision)
        if precision == "float64":
            yield


def stars(n: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [rng.random((n, n_features)) for n_features in (N_PIXELS, N_SCALARS, N_XP)]


@quiet()
def finite_differences(network: Any, star: list[np.ndarray], which: int, step: float = 1e-6) -> np.ndarray:
    """Shape (n_labels, n_features): each feature of one input of one star is moved up and down."""
    n_features = len(star[which])
    found = []
    for sign in (1, -1):
        moved = [np.tile(values, (n_features, 1)) for values in star]
        moved[which] += sign * step * np.eye(n_features)
        found.append(np.asarray(network(moved, training=False)))
    return ((found[0] - found[1]) / (2 * step)).T


@quiet()
def test_gradients_are_those_of_finite_differences(keras: Any, double: None) -> None:
    keras.utils.set_random_seed(2)
    network = build_network(N_PIXELS, N_SCALARS, N_XP, 5, SMALL)
    inputs = stars()
    found = jacobian(network)(inputs)
    assert [part.shape for part in found] == [(5, 5, N_PIXELS), (5, 5, N_SCALARS), (5, 5, N_XP)]
    for star in range(len(inputs[0])):
        for which in range(len(inputs)):
            expected = finite_differences(network, [values[star] for values in inputs], which)
            np.testing.assert_allclose(found[which][star], expected, atol=1e-7)
    assert np.abs(found[0]).max() > 1e-4


@quiet()
def test_weights_that_are_set_later_count(keras: Any) -> None:
    network = build_network(N_PIXELS, N_SCALARS, N_XP, 5, SMALL)
    differentiate = jacobian(network)
    inputs = [values.astype(np.float32) for values in stars()]
    before = differentiate(inputs)
    network.set_weights([2.0 * weights for weights in network.get_weights()])
    after = differentiate(inputs)
    assert not np.allclose(before[2], after[2])
    np.testing.assert_allclose(after[2], jacobian(network)(inputs)[2], rtol=1e-5, atol=1e-7)


@quiet()
def test_a_network_without_spectra_of_its_own_depends_on_none(keras: Any) -> None:
    from keras import layers

    spectrum, scalars, xp = (keras.Input((n,)) for n in (N_PIXELS, N_SCALARS, N_XP))
    labels = layers.Dense(5)(layers.Concatenate()([scalars, xp]))
    network = keras.Model([spectrum, scalars, xp], labels)
    found = jacobian(network)([values.astype(np.float32) for values in stars()])
    assert not found[0].any()
    np.testing.assert_allclose(found[1][0].T, network.get_weights()[0][:N_SCALARS], rtol=1e-6)


@quiet()
def test_the_spectrum_alone_is_enough() -> None:
    network = build_network(N_PIXELS, 0, 0, 5, NetworkSettings(inputs=("spectrum",), **_sizes()))
    (found,) = jacobian(network)([stars()[0].astype(np.float32)])
    assert found.shape == (5, 5, N_PIXELS)


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.ensemble.studies.gradients.backend_name", lambda: "torch")
    with pytest.raises(ConfigurationError, match="torch"):
        jacobian(None)


def _sizes() -> dict[str, Any]:
    return SMALL.model_dump(include={"filters", "spectrum_units", "dense_units"})

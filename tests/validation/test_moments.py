"""Moments and running percentiles."""

import numpy as np
import pytest

from catalog.validation.moments import moments, running


def test_moments_of_a_known_sample() -> None:
    found = moments(np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.inf]))
    assert found.n == 4
    assert found.bias == 2.5
    assert found.dispersion == pytest.approx(1.2909944)
    # Percentiles 15.87 and 84.13 of 1..4, interpolated.
    assert found.robust_dispersion == pytest.approx(3 * (0.8413 - 0.1587) / 2)


def test_robust_dispersion_is_sigma_for_a_gaussian_and_blind_to_outliers() -> None:
    values = np.random.default_rng(1).normal(0, 2, 200_000)
    assert moments(values).robust_dispersion == pytest.approx(2, rel=0.01)
    values[:500] = 1e4
    assert moments(values).robust_dispersion == pytest.approx(2, rel=0.02)
    assert moments(values).dispersion > 400


def test_too_few_values_give_nan_not_an_error() -> None:
    assert moments(np.array([])).n == 0
    assert np.isnan(moments(np.array([np.nan])).bias)
    one = moments(np.array([5.0]))
    assert (one.n, one.bias) == (1, 5.0)
    assert np.isnan(one.dispersion)


def test_running_percentiles_follow_a_trend() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 10, 20_000)
    y = 3 * x + rng.normal(0, 1, x.size)
    centres, low, middle, high = running(x, y, n_bins=20)
    assert centres.size == 20
    np.testing.assert_allclose(middle, 3 * centres, atol=0.2)
    np.testing.assert_allclose((high - low) / 2, 1.1, atol=0.2)


def test_running_leaves_out_empty_bins() -> None:
    x = np.concatenate([np.linspace(0, 1, 100), np.linspace(9, 10, 100)])
    centres, *_ = running(x, x, n_bins=10)
    assert centres.size == 2
    assert running(x[:3], x[:3])[0].size == 0

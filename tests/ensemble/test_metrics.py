import numpy as np
import pytest

from catalog.ensemble.metrics import out_of_fold, residual_metrics
from catalog.ensemble.prediction.loading import combine


def test_out_of_fold_takes_only_members_that_did_not_see_the_star() -> None:
    # Members 0 and 1 share split 0, member 2 has split 1.
    predictions = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [10.0, 10.0, 10.0]])[:, :, None] * np.ones(5)
    validation = np.array([[True, True, False], [False, True, False]])
    unseen = out_of_fold(predictions, validation, np.array([0, 0, 1]))
    np.testing.assert_allclose(unseen[0], 2.0)
    np.testing.assert_allclose(unseen[1], 14.0 / 3.0)
    assert np.isnan(unseen[2]).all()


def test_figures_of_known_residuals() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(0, 1, (20_000, 5))
    mean = labels + rng.normal(0.5, 2.0, labels.shape)
    unseen = np.where(np.arange(20_000)[:, None] < 100, labels + 1.0, np.nan)
    metrics = residual_metrics(labels, mean, unseen, np.full(labels.shape, 2.0))
    figures = metrics["all_members"]["logg"]
    assert figures["n"] == 20_000
    assert figures["bias"] == pytest.approx(0.5, abs=0.05)
    assert figures["dispersion"] == pytest.approx(2.0, rel=0.03)
    assert figures["robust_dispersion"] == pytest.approx(2.0, rel=0.03)
    assert figures["coverage_1"] == pytest.approx(0.667, abs=0.02)
    honest = metrics["out_of_fold"]["feh"]
    assert (honest["n"], honest["bias"], honest["coverage_1"]) == (100, pytest.approx(1.0), 1.0)
    assert honest["dispersion"] == pytest.approx(0.0, abs=1e-9)


def test_without_any_unseen_star_there_are_no_figures() -> None:
    labels = np.zeros((3, 5))
    metrics = residual_metrics(labels, labels, np.full((3, 5), np.nan), np.ones((3, 5)))
    assert metrics["out_of_fold"]["teff"] == {
        "n": 0, "bias": None, "dispersion": None, "robust_dispersion": None, "coverage_1": None, "coverage_2": None,
    }  # fmt: skip


def test_deviation_is_that_of_the_members_as_they_are() -> None:
    predictions = np.array([1.0, 2.0, 6.0])[:, None, None] * np.ones((3, 2, 5))
    mean, deviation = combine(predictions)
    np.testing.assert_allclose(mean, 3.0)
    np.testing.assert_allclose(deviation, np.sqrt(14.0 / 3.0))
    np.testing.assert_array_equal(combine(predictions[:1])[1], 0.0)

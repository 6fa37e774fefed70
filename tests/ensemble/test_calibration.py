"""Calibrated sigmas on residuals of known size: the paper's sigma is too small for them, the calibrated one is not."""

from dataclasses import dataclass

import numpy as np
import pytest

from catalog.ensemble.calibration import (
    FEWEST_STARS,
    TARGET,
    Calibration,
    calibrate_out_of_fold,
    calibrated_sigma,
    cross_validated_sigma,
    fit_calibrations,
)
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.uncertainty import fit_dispersions, overall_sigma
from catalog.metadata import LABELS
from catalog.profiles.model import UncertaintySettings

SETTINGS = UncertaintySettings()
SPLITS = np.repeat(np.arange(7), 4)
FULL = np.array([2500.0, 4.0, 2.5, 0.5, 2.5])
LOWEST = np.array([4000.0, 0.5, -2.0, -0.1, -2.0])


@dataclass
class Sample:
    """Training stars and, in the same way, stars that no member has seen."""

    labels: np.ndarray
    predictions: np.ndarray
    validation: np.ndarray
    other_labels: np.ndarray
    other_mean: np.ndarray
    other_deviation: np.ndarray


def make_sample(n: int, seed: int, heavy: bool = False) -> Sample:
    """Members that learn 60 % of each star's error by heart; errors grow by a factor of three along each label."""
    rng = np.random.default_rng(seed)

    def draw(count: int, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = rng.beta(2.0, 3.0, (count, 5))
        size = (0.01 + 0.02 * place) * FULL
        error = rng.standard_t(4, (count, 5)) if heavy else rng.normal(size=(count, 5))
        labels = LOWEST + place * FULL
        scatter = rng.normal(0.0, 0.4, (28, count, 5))
        return labels, labels + size * (np.where(seen[..., None], 0.4, 1.0) * error + scatter)

    validation = rng.random((7, n)) < 0.25
    labels, predictions = draw(n, ~validation[SPLITS])
    other_labels, other = draw(n, np.zeros((28, n), dtype=bool))
    return Sample(labels, predictions, validation, other_labels, *combine(other))


def coverage(difference: np.ndarray, sigma: np.ndarray, k: float = 1.0) -> np.ndarray:
    known = np.isfinite(difference) & np.isfinite(sigma)
    return (known & (np.abs(difference) <= k * sigma)).sum(axis=0) / known.sum(axis=0)


@pytest.mark.parametrize("heavy", [False, True], ids=["Gaussian", "heavy tails"])
def test_the_papers_sigma_is_too_small_and_the_calibrated_one_is_right(heavy: bool) -> None:
    sample = make_sample(8000, 1, heavy)
    mean, _ = combine(sample.predictions)
    fits = fit_dispersions(sample.labels, mean, SETTINGS)
    judged = calibrate_out_of_fold(sample.labels, sample.predictions, sample.validation, SPLITS, SETTINGS)

    # Stars that no member has seen and that no calibration rests on.
    difference = sample.other_mean - sample.other_labels
    paper = coverage(difference, overall_sigma(fits, sample.other_mean, sample.other_deviation))
    honest = coverage(difference, calibrated_sigma(judged.calibrations, sample.other_mean, sample.other_deviation))
    if not heavy:
        assert (paper < 0.60).all()
    np.testing.assert_allclose(honest, TARGET, atol=0.03)
    # Where errors are small and where they are large, too.
    low = sample.other_labels < LOWEST + 0.25 * FULL
    high = sample.other_labels > LOWEST + 0.6 * FULL
    sigma = calibrated_sigma(judged.calibrations, sample.other_mean, sample.other_deviation)
    for part in (low, high):
        np.testing.assert_allclose(coverage(np.where(part, difference, np.nan), sigma), TARGET, atol=0.05)

    # Cross-validation foretells that, from the training stars alone.
    np.testing.assert_allclose(coverage(judged.residual, judged.sigma), TARGET, atol=0.02)
    described = judged.description()["cross_validation"]
    assert described["n"] == np.isfinite(judged.residual).all(axis=1).sum()
    for i, label in enumerate(LABELS):
        assert described["coverage_1"][label.name] == pytest.approx(coverage(judged.residual, judged.sigma)[i])
        assert described["coverage_2"][label.name] == pytest.approx(coverage(judged.residual, judged.sigma, 2.0)[i])
        assert described["coverage_2"][label.name] > (0.9 if heavy else 0.94)


def test_calibration_holds_the_fraction_in_its_own_sample_whatever_e_is() -> None:
    rng = np.random.default_rng(2)
    labels = LOWEST + rng.random((3000, 5)) * FULL
    unseen = labels + rng.standard_t(3, labels.shape) * 0.02 * FULL
    # Useless, and at times far larger than any residual.
    deviation = rng.lognormal(0.0, 1.5, labels.shape) * 0.005 * FULL
    calibrations = fit_calibrations(labels, unseen, deviation, SETTINGS)
    sigma = calibrated_sigma(calibrations, unseen, deviation)
    np.testing.assert_allclose(coverage(unseen - labels, sigma), TARGET, atol=1e-3)
    # No member ever disagrees: the residuals alone decide.
    alone = fit_calibrations(labels, unseen, 0 * deviation, SETTINGS)
    np.testing.assert_allclose(
        coverage(unseen - labels, calibrated_sigma(alone, unseen, 0 * deviation)), TARGET, atol=1e-3
    )
    assert (sigma > 0).all()


def test_cross_validated_sigma_of_a_star_does_not_depend_on_its_own_residual() -> None:
    sample = make_sample(400, 3)
    mean, deviation = combine(sample.predictions)
    before = cross_validated_sigma(sample.labels, mean, deviation, SETTINGS)
    labels = sample.labels.copy()
    labels[7] -= 10 * FULL
    after = cross_validated_sigma(labels, mean, deviation, SETTINGS)
    changed = (before != after).any(axis=1)
    # Half of the stars are calibrated with it; itself is not.
    assert not changed[7]
    assert 150 <= changed.sum() <= 200


def test_stars_that_every_member_has_seen_count_for_nothing() -> None:
    sample = make_sample(600, 4)
    sample.validation[:, :200] = False
    judged = calibrate_out_of_fold(sample.labels, sample.predictions, sample.validation, SPLITS, SETTINGS)
    assert not judged.n_unseen[:200].any()
    assert np.isnan(judged.residual[:200]).all()
    assert np.isnan(judged.sigma[:200]).all()
    known = np.isfinite(judged.residual).all(axis=1)
    assert [each.n_stars for each in judged.calibrations] == [known.sum()] * 5
    without = calibrate_out_of_fold(
        sample.labels[200:], sample.predictions[:, 200:], sample.validation[:, 200:], SPLITS, SETTINGS
    )
    assert without.calibrations == judged.calibrations
    np.testing.assert_array_equal(without.sigma, judged.sigma[200:])


def test_few_stars_give_no_calibration() -> None:
    sample = make_sample(3 * FEWEST_STARS, 5)
    some = slice(0, FEWEST_STARS)
    mean, deviation = combine(sample.predictions[:, some])
    labels = sample.labels[some]
    calibrations = fit_calibrations(labels, mean, deviation, SETTINGS)
    # One bin, no slope.
    assert [each.fit.degree for each in calibrations] == [0] * 5
    np.testing.assert_allclose(coverage(mean - labels, calibrated_sigma(calibrations, mean, deviation)), 0.7, atol=0.01)
    mean[0, 2] = np.nan
    assert fit_calibrations(labels, mean, deviation, SETTINGS) == []
    assert np.isnan(calibrated_sigma([], mean, deviation)).all()
    # Halves are smaller still.
    assert np.isnan(cross_validated_sigma(labels, mean, deviation, SETTINGS)).all()
    none = np.zeros((7, 30), dtype=bool)
    judged = calibrate_out_of_fold(sample.labels, sample.predictions, none, SPLITS, SETTINGS)
    assert judged.calibrations == []
    described = judged.description()
    assert described["fits"] == {}
    assert described["cross_validation"]["n"] == 0
    assert described["cross_validation"]["coverage_1"] == dict.fromkeys(label.name for label in LABELS)


def test_what_is_recorded_gives_the_same_sigmas_again() -> None:
    sample = make_sample(500, 6)
    judged = calibrate_out_of_fold(sample.labels, sample.predictions, sample.validation, SPLITS, SETTINGS)
    fits = judged.description()["fits"]
    again = [Calibration.model_validate(fits[label.name]) for label in LABELS]
    assert again == judged.calibrations
    first = again[0].fit
    assert (first.n_bins, first.min_stars_per_bin, first.degree) == (30, 20, 4)
    assert first.bin_width == pytest.approx((first.edges[-1] - first.edges[0]) / 30)
    # Beyond the calibrated range the nearer end counts.
    far = np.array([-1e5, 1e5])
    np.testing.assert_array_equal(again[0](far, np.zeros(2)), again[0](np.array(first.domain), np.zeros(2)))


def test_residuals_of_nothing_give_a_finite_sigma() -> None:
    labels = np.tile(LOWEST, (50, 1))
    calibrations = fit_calibrations(labels, labels.copy(), np.zeros(labels.shape), SETTINGS)
    assert (calibrated_sigma(calibrations, labels, np.zeros(labels.shape)) == 0).all()
    assert [each.factor for each in calibrations] == [1.0] * 5

"""Distances to the most similar training star."""

import numpy as np
import pytest

from catalog.boundary.companion import nearest_training, signal_components


def test_nearest_other_training_star():
    scores = np.array([[0.0, 0], [1, 0], [3, 0], [0, 4], [1, 0], [50, 0]], dtype="f4")
    # Rows 0 to 2 are training stars, 4 is a twin of one of them.
    found = nearest_training(scores, scores[:3], np.array([0, 1, 2, -1, -1, -1]))
    assert found.nearest.tolist() == [1, 0, 1, 0, 1, 2]
    assert found.distance.tolist() == [1, 1, 2, 4, 0, 47]
    assert found.own.tolist() == [1, 1, 2]
    assert found.quantile.tolist() == pytest.approx([0, 0, 2 / 3, 1, 0, 1])
    assert found.threshold(1.0) == 2
    assert found.outside(1.0).tolist() == [False, False, False, True, False, True]


def test_twins_in_the_training_sample():
    scores = np.zeros((4, 2), dtype="f4")
    found = nearest_training(scores, scores, np.arange(4))
    assert (found.distance == 0).all()
    assert (found.nearest != np.arange(4)).sum() >= 2
    assert not found.outside(0.99).any()


def test_distances_of_an_earlier_training_sample_are_kept():
    scores = np.array([[9.0, 0]], dtype="f4")
    found = nearest_training(scores, np.array([[0.0, 0], [1, 0]], "f4"), np.array([-1]), np.array([1.0, 20.0], "f4"))
    assert found.distance.tolist() == [8]
    assert found.quantile.tolist() == [0.5]


@pytest.fixture
def noisy():
    """Four components with signal, sixteen of noise alone."""
    rng = np.random.default_rng(2)
    snr = rng.uniform(15, 150, 3000)
    signal = rng.normal(size=(3000, 20)) * np.r_[8.0, 4, 2, 1, np.zeros(16)]
    return (signal + 20 * rng.normal(size=(3000, 20)) / snr[:, np.newaxis]).astype("f4"), snr


def test_components_that_are_mostly_noise_do_not_count(noisy):
    assert signal_components(*noisy) == 4


def test_a_few_odd_stars_do_not_make_a_signal(noisy):
    scores, snr = noisy
    scores[:60, 10] += 500.0
    assert signal_components(scores, snr) == 4


def test_without_snr_all_components_count(noisy):
    scores, snr = noisy
    assert signal_components(scores, np.full_like(snr, np.nan)) == 20
    assert signal_components(scores, np.full_like(snr, 50.0)) == 20


def test_never_fewer_than_two(noisy):
    scores, snr = noisy
    assert signal_components(scores[:, 10:], snr) == 2

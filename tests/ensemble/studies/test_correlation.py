"""Correlations against scipy's own, and features that are the same for every star."""

import numpy as np
from scipy.stats import pearsonr, spearmanr

from catalog.ensemble.studies.correlation import correlations


def test_they_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    labels = rng.normal(size=(200, 3)) * [1000.0, 1.0, 0.1] + [5000.0, 2.0, 0.0]
    features = np.column_stack([np.exp(labels[:, 0] / 1000.0), -labels[:, 1], rng.random(200), rng.integers(0, 3, 200)])
    pearson, spearman = correlations(features, labels)
    assert pearson.shape == spearman.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            np.testing.assert_allclose(pearson[i, j], pearsonr(labels[:, i], features[:, j])[0], atol=1e-12)
            np.testing.assert_allclose(spearman[i, j], spearmanr(labels[:, i], features[:, j])[0], atol=1e-12)
    assert spearman[0, 0] > 1 - 1e-12
    assert pearson[0, 0] < 0.99


def test_constant_features_have_none() -> None:
    labels = np.random.default_rng(2).random((7, 2))
    features = np.column_stack([np.full(7, 0.1), labels[:, 0]])
    for matrix in correlations(features, labels):
        assert np.isnan(matrix[:, 0]).all()
        assert matrix[0, 1] > 1 - 1e-12

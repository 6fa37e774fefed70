"""Correlation of XP coefficients and labels in the training sample (Sect. 3.5.2, Fig. 10)."""

import numpy as np
from scipy.stats import rankdata

__all__ = ["correlations"]


def correlations(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson's and Spearman's coefficients of every label with every feature.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n, n_features), finite.
    labels : numpy.ndarray
        Shape (n, n_labels), finite.

    Returns
    -------
    pearson, spearman : numpy.ndarray
        Shape (n_labels, n_features), float64; NaN where a feature or label is the same for every star.
    """
    return _pearson(features, labels), _pearson(rankdata(features, axis=0), rankdata(labels, axis=0))


def _pearson(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    standard = [_standardised(np.asarray(values, dtype=np.float64)) for values in (labels, features)]
    matrix: np.ndarray = standard[0].T @ standard[1] / len(labels)
    return np.clip(matrix, -1.0, 1.0)


def _standardised(values: np.ndarray) -> np.ndarray:
    # The mean of equal numbers may differ from them in the last bit: they are told by their range.
    varying = np.ptp(values, axis=0) > 0.0
    deviation = values.std(axis=0)
    return np.where(varying, (values - values.mean(axis=0)) / np.where(varying, deviation, 1.0), np.nan)

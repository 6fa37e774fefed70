"""Likeness to the training sample without t-SNE: distances between spectra themselves.

A t-SNE map depends on a seed, and on which other stars take part in it. The distance of a spectrum to the most similar
training spectrum, as principal components, depends on neither. It is compared with the distances that training stars
have to their own most similar fellow: a star lies outside when it is farther than a quantile of them. Balls of that
radius around all training stars are the contour that encloses the training sample.

Noise adds to the distance: a faint star lies farther from all others than a bright one of the same kind. So only those
leading components count in which the stars differ more than their noise: see `signal_components`.
"""

from dataclasses import dataclass

import numpy as np

from catalog.boundary.neighbours import build_index

__all__ = ["TrainingDistances", "nearest_training", "signal_components"]

_FEWEST = 100
"""Stars with known S/N from which signal and noise can be told apart."""


@dataclass(frozen=True)
class TrainingDistances:
    """The most similar (other) training star of each star."""

    nearest: np.ndarray
    """Row of it among the training stars, shape (n_stars,), int64."""
    distance: np.ndarray
    """Shape (n_stars,), float32, units of normalised flux."""
    quantile: np.ndarray
    """Fraction of training stars whose own distance is smaller, shape (n_stars,), float32."""
    own: np.ndarray
    """Distances of the training stars themselves, sorted."""

    def outside(self, quantile: float) -> np.ndarray:
        """Return which stars are farther than that quantile of the training stars' own distances."""
        return self.distance > self.threshold(quantile)

    def threshold(self, quantile: float) -> np.float32:
        """Return that quantile of the training stars' own distances."""
        return np.float32(np.quantile(self.own, quantile))


def nearest_training(
    scores: np.ndarray,
    training_scores: np.ndarray,
    own_row: np.ndarray,
    own: np.ndarray | None = None,
    workers: int = 1,
) -> TrainingDistances:
    """Find the most similar (other) training star of each star, exactly.

    Parameters
    ----------
    scores : numpy.ndarray
        Spectra as principal components, shape (n_stars, n_components).
    training_scores : numpy.ndarray
        Those of the training stars, two or more.
    own_row : numpy.ndarray of int
        Row of `training_scores` that each star is itself, or -1; shape (n_stars,).
    own : numpy.ndarray, optional
        Distances of the training stars among each other; by default taken from those that are among the stars.
    workers : int
        Threads; the result does not depend on them.

    Returns
    -------
    TrainingDistances
    """
    found = build_index(training_scores, 2, exact_below=len(training_scores) + 1).search(2, scores, workers)
    # Of the two nearest, one may be the star itself; of twins, any is at distance zero.
    column = (found.indices[:, 0] == own_row).astype(np.intp)
    rows = np.arange(len(scores))
    nearest, distance = found.indices[rows, column].astype(np.int64), found.distances[rows, column]
    own = np.sort(distance[own_row >= 0] if own is None else own)
    quantile = np.searchsorted(own, distance, side="left") / len(own)
    return TrainingDistances(nearest, distance, quantile.astype(np.float32), own)


def signal_components(scores: np.ndarray, snr: np.ndarray) -> int:
    """Return how many leading components tell more of the stars than of the noise.

    The variance of a component is that of the stars plus noise, which grows as 1/SNR². Its spread among the best and
    the worst third of the spectra tells both apart; components count up to the first one of which noise makes more
    than half at the median S/N. Among later ones, distances would mostly tell how faint a star is.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_stars, n_components).
    snr : numpy.ndarray
        S/N of the spectra, shape (n_stars,); NaN where it is not known.

    Returns
    -------
    int
        At least 2, at most n_components; all of them where too few stars have a S/N.
    """
    known = np.isfinite(snr) & (snr > 0)
    if known.sum() < _FEWEST:
        return scores.shape[1]
    noise, values = snr[known].astype(np.float64) ** -2, scores[known]
    best, worst = noise <= np.quantile(noise, 1 / 3), noise >= np.quantile(noise, 2 / 3)
    span = noise[worst].mean() - noise[best].mean()
    if span <= 0:
        return scores.shape[1]
    slope = np.maximum(_variance(values[worst]) - _variance(values[best]), 0.0) / span
    loud = slope * np.median(noise) > 0.5 * _variance(values)
    first = int(np.argmax(loud)) if loud.any() else scores.shape[1]
    return min(max(first, 2), scores.shape[1])


def _variance(values: np.ndarray) -> np.ndarray:
    """Return variances that some odd stars do not change: from the median absolute deviation."""
    return (1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)) ** 2

"""Bias and dispersions of differences, exactly as the queries of ``sql/validation`` define them."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Moments", "moments", "running"]

# One standard deviation to either side of the median of a Gaussian.
LOW, HIGH = 15.87, 84.13


@dataclass(frozen=True)
class Moments:
    """Number, mean, standard deviation and robust dispersion of some differences."""

    n: int
    bias: float
    dispersion: float
    robust_dispersion: float


def moments(differences: np.ndarray) -> Moments:
    """Return the moments of the finite values of `differences`.

    Parameters
    ----------
    differences : numpy.ndarray
        Any shape; NaN and infinite values are left out.

    Returns
    -------
    Moments
        NaN where there are too few values.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Moments(0, np.nan, np.nan, np.nan)
    low, high = np.percentile(values, [LOW, HIGH])
    dispersion = float(values.std(ddof=1)) if values.size > 1 else np.nan
    return Moments(values.size, float(values.mean()), dispersion, float(high - low) / 2)


def running(
    x: np.ndarray, y: np.ndarray, n_bins: int = 20, fewest: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return median and percentiles of `y` in equidistant bins of `x`.

    Parameters
    ----------
    x, y : numpy.ndarray
        Finite values, shape (n,).
    n_bins : int
        Bins between the 0.5th and 99.5th percentile of `x`.
    fewest : int
        Bins of fewer values are left out.

    Returns
    -------
    tuple of numpy.ndarray
        Centres of the bins that were kept, and percentiles 15.87, 50 and 84.13 of `y` in each.
    """
    if x.size < fewest:
        return (np.empty(0),) * 4
    first, last = (float(value) for value in np.percentile(x, [0.5, 99.5]))
    edges = np.linspace(first, last, n_bins + 1)
    number = np.digitize(x, edges) - 1
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(n_bins + 1))
    kept = [i for i in range(n_bins) if starts[i + 1] - starts[i] >= fewest]
    if not kept:
        return (np.empty(0),) * 4
    percentiles = np.array([np.percentile(y[order[starts[i] : starts[i + 1]]], [LOW, 50.0, HIGH]) for i in kept])
    centres = 0.5 * (edges[:-1] + edges[1:])[kept]
    return centres, percentiles[:, 0], percentiles[:, 1], percentiles[:, 2]

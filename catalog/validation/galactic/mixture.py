"""Mixtures of Gaussians of one width, by expectation and maximisation.

Stars are counted in cells far narrower than any abundance is known, so that a fit takes milliseconds whatever
their number. All components have the same width: uncertainties are most of it, and they are those of the same
kind of stars; with widths of their own, the wings of one sequence would pass for another. Every star may be an
outlier: a uniform component of fixed, small weight lies below the others, so that a few wild abundances neither
widen a component nor become one.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["FEWEST", "Mixture", "fit_mixture", "upper_share"]

FEWEST = 10
"""Fewer stars are never fitted."""

_WINDOW = (-0.5, 0.8)  # dex, all abundances of the training sample with a wide margin
_CELLS = 520
_OUTLIERS = 0.01
_FLOOR = _OUTLIERS / (_WINDOW[1] - _WINDOW[0])
_NARROWEST = 0.01  # dex, a third of the uncertainty of [α/M]
_ITERATIONS = 2000
_TOLERANCE = 1e-7

# Quantiles at which components begin: one in the middle; halves, a small upper one, a small lower one.
_STARTS = {1: ((0.5,),), 2: ((0.25, 0.75), (0.40, 0.97), (0.03, 0.60))}


@dataclass(frozen=True)
class Mixture:
    """One or two Gaussians, the lower first."""

    n: int
    likelihood: float
    """Its logarithm."""
    weights: tuple[float, ...]
    means: tuple[float, ...]
    """dex."""
    width: float
    """Standard deviation of each, dex; uncertainties of the abundances are part of it."""


def fit_mixture(values: np.ndarray, components: int) -> Mixture:
    """Fit Gaussians of one width.

    Parameters
    ----------
    values : numpy.ndarray
        dex, shape (n,), finite; at least one inside -0.5 to 0.8.
    components : int
        1 or 2.

    Returns
    -------
    Mixture
    """
    counts, x = _count(values)
    n = int(counts.sum())
    places = np.array(_STARTS[components])
    means = x[np.searchsorted(np.cumsum(counts), places * n).clip(max=x.size - 1)]
    middle = np.average(x, weights=counts)
    spread = float(np.sqrt(np.average((x - middle) ** 2, weights=counts)))
    widths = np.full(len(means), max(spread / components, _NARROWEST))
    weights = np.full(means.shape, 1.0 / components)
    told = np.full(len(means), -np.inf)
    for _ in range(_ITERATIONS):
        parts = (1.0 - _OUTLIERS) * weights[..., None] * _gauss(x, means[..., None], widths[:, None, None])
        total = parts.sum(axis=1) + _FLOOR
        likelihood = np.log(total) @ counts
        if np.all(likelihood - told < _TOLERANCE * n):
            break
        told = likelihood
        shares = counts * parts / total[:, None]
        sums = np.maximum(shares.sum(axis=2), 1e-9)
        weights = sums / sums.sum(axis=1, keepdims=True)
        means = (shares @ x) / sums
        variances = (shares * (x - means[..., None]) ** 2).sum(axis=(1, 2)) / sums.sum(axis=1)
        widths = np.sqrt(np.maximum(variances, _NARROWEST**2))
    best = int(np.argmax(likelihood))
    order = np.argsort(means[best])
    return Mixture(
        n,
        float(likelihood[best]),
        tuple(weights[best][order].tolist()),
        tuple(means[best][order].tolist()),
        float(widths[best]),
    )


def upper_share(values: np.ndarray, mixture: Mixture) -> tuple[float, float]:
    """Return the share of the upper of two known Gaussians among stars.

    Parameters
    ----------
    values : numpy.ndarray
        dex, shape (n,), finite.
    mixture : Mixture
        Of two components; only their weights are fitted.

    Returns
    -------
    share, error : float
        The standard error grows with the overlap of the two.
    """
    counts, x = _count(values)
    low, high = (_gauss(x, mean, mixture.width) for mean in mixture.means)
    share = 0.5
    for _ in range(_ITERATIONS):
        upper = share * high
        weight = counts * upper / (upper + (1.0 - share) * low + _FLOOR)
        members = counts * (upper + (1.0 - share) * low) / (upper + (1.0 - share) * low + _FLOOR)
        before, share = share, float(weight.sum() / max(members.sum(), 1e-9))
        if abs(share - before) < 1e-6:
            break
    contrast = (high - low) / (share * high + (1.0 - share) * low + _FLOOR)
    return share, float(min(0.5, 1.0 / np.sqrt(max(float(counts @ contrast**2), 1.0))))


def _count(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, edges = np.histogram(values, bins=_CELLS, range=_WINDOW)
    return counts, (edges[:-1] + edges[1:]) / 2


def _gauss(x: np.ndarray, mean: np.ndarray | float, width: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * ((x - mean) / width) ** 2) / (width * np.sqrt(2.0 * np.pi)))

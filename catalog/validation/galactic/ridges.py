"""Whether the plane of [α/M] and [M/H] holds one sequence or two parallel ones.

The question is asked at fixed [M/H]. Abundances that merely follow [M/H] along one ridge, with metal-poor and
metal-rich stars at its ends, have two peaks in [α/M] as well; but they show one sequence, not two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from catalog.validation.galactic.mixture import FEWEST, Mixture, fit_mixture

__all__ = ["Ridges", "fit_ridges"]

_SLOPES = (-0.9, 0.3)
"""Range of slopes d[α/M]/d[M/H]: a single ridge through both sequences is steeper than either."""
_STEP = 0.1


@dataclass(frozen=True)
class Ridges:
    """Two parallel lines of Gaussian scatter, and how they compare with one line."""

    slope: float
    """Of both lines, dex of [α/M] a dex of [M/H]."""
    two: Mixture
    """[α/M] - slope · [M/H]."""
    dbic: float
    """BIC of one line, whatever its slope, minus BIC of two lines: positive where two are better."""

    @property
    def gap(self) -> float:
        """Difference of the lines in [α/M], dex."""
        return self.two.means[1] - self.two.means[0]

    @property
    def separation(self) -> float:
        """The same in units of the scatter (Ashman's D): from 2 on there are two peaks."""
        return self.gap / self.two.width


def fit_ridges(mh: np.ndarray, alpham: np.ndarray, slope: float | None = None) -> Ridges | None:
    """Fit one line and two parallel ones.

    Parameters
    ----------
    mh, alpham : numpy.ndarray
        dex, shape (n,), finite. [M/H] may be relative to any value; means are of [α/M] there.
    slope : float, optional
        Of the two lines; by default it is fitted. The one line is always free.

    Returns
    -------
    Ridges or None
        None for fewer than ten stars.
    """
    if mh.size < FEWEST:
        return None

    def one(value: float) -> Mixture:
        return fit_mixture(alpham - value * mh, 1)

    def two(value: float) -> Mixture:
        return fit_mixture(alpham - value * mh, 2)

    single = one(_steepest(one, mh, alpham))
    further = 1
    if slope is None:
        slope, further = _steepest(two, mh, alpham), 2
    pair = two(slope)
    return Ridges(slope, pair, 2.0 * (pair.likelihood - single.likelihood) - further * float(np.log(mh.size)))


def _steepest(fit: Callable[[float], Mixture], mh: np.ndarray, alpham: np.ndarray) -> float:
    """Return the slope of the most likely fit: the best of a grid, then the best beside it."""
    if np.ptp(mh) == 0 or np.ptp(alpham) == 0:
        return 0.0
    grid = np.arange(_SLOPES[0], _SLOPES[1] + _STEP / 2, _STEP)
    best = float(grid[np.argmax([fit(float(slope)).likelihood for slope in grid])])
    near = minimize_scalar(
        lambda slope: -fit(float(slope)).likelihood,
        bounds=(best - _STEP, best + _STEP),
        method="bounded",
        options={"xatol": 0.004},
    )
    return float(near.x)

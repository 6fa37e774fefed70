"""Parts of the training sample in which variants are compared: regions of the Kiel diagram, ranges of [M/H].

Appendix B tells where spectra alone do not suffice: among dwarfs below 5000 K, which can be taken for giants, and among
hot stars, whose log g is biased.
"""

from dataclasses import dataclass

import numpy as np

from catalog.metadata import LABELS

__all__ = ["CONFUSED", "COOL", "SUBSETS", "Subset"]

COOL = 5000.0
"""Teff (K) below which dwarfs and giants can be confused."""

CONFUSED = 1.0
"""Difference of log g (dex) from which a star counts as confused."""

_HOT = 6200.0
_INFINITE = np.inf
_COLUMNS = {label.name: i for i, label in enumerate(LABELS)}


@dataclass(frozen=True)
class Subset:
    """Stars whose APOGEE labels lie in a box: from each lower limit up to, but without, the upper one."""

    name: str
    kind: str
    """``sample``, ``kiel`` or ``metallicity``."""
    limits: tuple[tuple[str, float, float], ...] = ()
    """Label, lower and upper limit."""

    def holds(self, labels: np.ndarray) -> np.ndarray:
        """Return which stars it holds.

        Parameters
        ----------
        labels : numpy.ndarray
            APOGEE's, shape (n, n_labels).

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).
        """
        inside = np.ones(len(labels), dtype=bool)
        for label, lower, upper in self.limits:
            values = labels[:, _COLUMNS[label]]
            inside &= (values >= lower) & (values < upper)
        return inside


SUBSETS: tuple[Subset, ...] = (
    Subset("all", "sample"),
    Subset("hot stars, Teff ≥ 6200 K", "kiel", (("teff", _HOT, _INFINITE),)),
    Subset("dwarfs, log g ≥ 4", "kiel", (("logg", 4.0, _INFINITE), ("teff", COOL, _HOT))),
    Subset("cool dwarfs, Teff < 5000 K", "kiel", (("logg", 4.0, _INFINITE), ("teff", -_INFINITE, COOL))),
    Subset("subgiants, 3.5 ≤ log g < 4", "kiel", (("logg", 3.5, 4.0), ("teff", -_INFINITE, _HOT))),
    Subset("giants, 2 ≤ log g < 3.5", "kiel", (("logg", 2.0, 3.5), ("teff", -_INFINITE, _HOT))),
    Subset("bright giants, log g < 2", "kiel", (("logg", -_INFINITE, 2.0), ("teff", -_INFINITE, _HOT))),
    Subset("[M/H] < −1", "metallicity", (("mh", -_INFINITE, -1.0),)),
    Subset("−1 ≤ [M/H] < −0.5", "metallicity", (("mh", -1.0, -0.5),)),
    Subset("−0.5 ≤ [M/H] < 0", "metallicity", (("mh", -0.5, 0.0),)),
    Subset("[M/H] ≥ 0", "metallicity", (("mh", 0.0, _INFINITE),)),
)
"""The regions of the Kiel diagram, and the ranges of [M/H], share out the sample."""

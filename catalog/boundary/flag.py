"""The eight digits of ``flag_boundary`` for arrays of stars (Sect. 5.2 of the paper).

``sql/boundary/flags.sql`` computes the same inside the database; this is the definition that tests hold it to,
and what `explain` uses for one star.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from catalog.boundary.limits import QUANTITIES
from catalog.metadata import FLAG_DIGITS

__all__ = ["boundary_digits", "flag_bits", "flag_text"]


def boundary_digits(
    values: Mapping[str, ArrayLike], limits: Mapping[str, tuple[float, float]], unlike: ArrayLike
) -> np.ndarray:
    """Return the eight digits of each star.

    Parameters
    ----------
    values : mapping of str to array-like
        CNN labels, G and parallax by the names of `QUANTITIES`; shape (n_stars,) each. NaN is a missing value.
    limits : mapping of str to (lower, upper)
        Limits of the training sample; both ends are inside.
    unlike : array-like of bool
        Shape (n_stars,): the spectrum is unlike the training sample's. False for training stars.

    Returns
    -------
    numpy.ndarray of bool
        Shape (n_stars, 8), digit 1 (Teff) first. A missing value counts as outside.
    """
    digits = np.ones((len(np.asarray(unlike)), len(FLAG_DIGITS)), dtype=bool)
    for column, name in enumerate(QUANTITIES):
        lower, upper = limits[name]
        value = np.asarray(values[name], dtype=np.float64)
        digits[:, column] = ~((value >= lower) & (value <= upper))
    digits[:, -1] = unlike
    return digits


def flag_text(digits: np.ndarray) -> np.ndarray:
    """Return digits of shape (n_stars, 8) as strings of eight zeros and ones."""
    characters = np.where(digits, "1", "0").astype("U1")
    return np.ascontiguousarray(characters).view(f"U{digits.shape[1]}").ravel()


def flag_bits(digits: np.ndarray) -> np.ndarray:
    """Return digits of shape (n_stars, 8) as bitmasks: digit 1 is bit 0; int16."""
    weights = np.array([digit.bit for digit in FLAG_DIGITS], dtype=np.int16)
    return (digits * weights).sum(axis=1, dtype=np.int16)

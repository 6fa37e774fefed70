"""The stars of the two queries, placed in the Galaxy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.validation.galactic.bins import Bin, bins
from catalog.validation.galactic.positions import galactocentric

__all__ = ["STAR_FIELDS", "TRUTH_FIELDS", "Disc", "place_stars"]

STAR_FIELDS: dict[str, tuple[str, int | None]] = {
    "source_id": ("int8", None),
    "ra": ("float8", None),
    "dec": ("float8", None),
    **dict.fromkeys(("dist16", "dist50", "dist84", "snr", "logg", "mh", "alpham"), ("float4", None)),
    "giant": ("bool", None),
}
"""Columns of ``sql/validation/bimodality.sql``."""

TRUTH_FIELDS: dict[str, tuple[str, int | None]] = {
    "source_id": ("int8", None),
    **dict.fromkeys(("mh_truth", "alpham_truth", "r_truth", "z_truth"), ("float4", None)),
    "high_truth": ("bool", None),
}
"""Columns of ``sql/validation/bimodality_truth.sql``."""


@dataclass(frozen=True)
class Disc:
    """Stars with positions and abundances, each of shape (n,), and the bins that they are looked at in."""

    r: np.ndarray
    """Galactocentric radius, kpc."""
    z: np.ndarray
    """Height above the plane, kpc."""
    mh: np.ndarray
    alpham: np.ndarray
    giant: np.ndarray
    """Whether Fig. 24 would show the star: a giant of low S/N."""
    areas: tuple[Bin, ...] = ()
    both: tuple[float, float] = (-0.6, -0.2)
    """Range of [M/H] at which both sequences exist, dex."""

    def __len__(self) -> int:
        return len(self.r)


def place_stars(columns: Mapping[str, np.ndarray], parameters: Mapping[str, Any]) -> Disc:
    """Return the stars of a query with their positions.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray
        At least ``ra``, ``dec`` (degrees), ``dist50`` (kpc), ``mh``, ``alpham`` and ``giant``.
    parameters : mapping
        Constants of `catalog.validation.galactic.positions.galactocentric_frame`, edges of bins, and
        ``alpha_both_min`` and ``alpha_both_max``.
    """
    r, z = galactocentric(columns["ra"], columns["dec"], columns["dist50"], parameters)
    both = (parameters["alpha_both_min"], parameters["alpha_both_max"])
    areas = bins(parameters["galactic_r_edges"], parameters["galactic_z_edges"])
    return Disc(r, z, columns["mh"], columns["alpham"], columns["giant"], areas, both)

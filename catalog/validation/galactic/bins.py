"""Bins of Galactocentric radius and height, as the panels of Fig. 24."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from catalog.errors import ConfigurationError

__all__ = ["Bin", "bins"]


@dataclass(frozen=True)
class Bin:
    """One panel: lower edges belong to it, upper ones do not."""

    r: tuple[float, float]
    """Galactocentric radius, kpc."""
    z: tuple[float, float]
    """Distance from the plane, kpc."""

    @property
    def name(self) -> str:
        """Name, as in ``R 7-9, |Z| 0.5-1``."""
        return f"R {self.r[0]:g}-{self.r[1]:g}, |Z| {self.z[0]:g}-{self.z[1]:g}"

    def holds(self, r: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the mask of the stars inside; a star without a position is in no bin."""
        height = np.abs(z)
        return (r >= self.r[0]) & (r < self.r[1]) & (height >= self.z[0]) & (height < self.z[1])


def bins(r_edges: Sequence[float], z_edges: Sequence[float]) -> tuple[Bin, ...]:
    """Return all bins between edges in kpc: by height from the plane up, and by radius outwards within it.

    Raises
    ------
    ConfigurationError
        Edges do not increase, or are fewer than two.
    """
    for name, edges in (("r", r_edges), ("z", z_edges)):
        if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)) or edges[0] < 0:
            raise ConfigurationError(
                f"Edges {list(edges)} of galactic_{name}_edges do not increase from zero or more.",
                "Give at least two increasing numbers in checks.toml.",
            )
    return tuple(Bin(r, z) for z in pairwise(z_edges) for r in pairwise(r_edges))

"""Regions of the Kiel diagram: which training stars lie in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from psycopg import Connection

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.metadata import LABELS
from catalog.profiles.model import RegionSettings

__all__ = ["Region", "draw_regions", "limits_of", "rule_of"]


@dataclass(frozen=True, eq=False)
class Region:
    """Some training stars of a region."""

    name: str
    rule: str
    """Limits of its labels, in words."""
    n_found: int
    """Training stars in the region."""
    source_id: np.ndarray
    """Those that were drawn, int64, in the order of the draw."""


def draw_regions(
    connection: Connection, run: Run, regions: Mapping[str, RegionSettings], stars: int, seed: int
) -> list[Region]:
    """Draw training stars of each region by their APOGEE labels.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    regions : mapping of str to RegionSettings
    stars : int
        Most stars of each.
    seed : int

    Returns
    -------
    list of Region
        In the order of `regions`; a region may have no star.
    """
    found = []
    for name, region in regions.items():
        parameters = {"run_id": run.run_id, "release": run.release, "stars": stars, "seed": seed, **limits_of(region)}
        rows = connection.execute(load("ensemble/region_stars").statement, parameters).fetchall()
        source_id = np.array([row[0] for row in rows], dtype=np.int64)
        found.append(Region(name, rule_of(region), rows[0][1] if rows else 0, source_id))
    return found


def rule_of(region: RegionSettings) -> str:
    """Return the limits of a region in words, for instance ``4500 <= teff <= 5000, 2.2 <= logg <= 2.7``."""
    limits = [(label.name, getattr(region, label.name)) for label in LABELS]
    parts = [f"{limit[0]:g} <= {name} <= {limit[1]:g}" for name, limit in limits if limit is not None]
    return ", ".join(parts) or "every training star"


def limits_of(region: RegionSettings) -> dict[str, float]:
    """Return the limits of a region as the queries take them; what has no limit reaches to infinity."""
    limits = {label.name: getattr(region, label.name) or (-inf, inf) for label in LABELS}
    lower = {f"{name}_min": limit[0] for name, limit in limits.items()}
    return lower | {f"{name}_max": limit[1] for name, limit in limits.items()}

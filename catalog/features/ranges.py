"""Ranges of the sky that somebody can work on alone: HEALPix pixels, which are ranges of source_id."""

from collections.abc import Sequence

import numpy as np
from psycopg import Connection

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.features.stream import Page
from catalog.fetch.selection import HealpixRange, n_pixels, pixel_of

__all__ = ["MOST_PARTS", "PART_STARS", "cut_sky", "page_of", "sky_parts"]

PART_STARS = 4096
"""Stars of a part, about: seconds of work for a star of few networks, a minute for one of many."""
MOST_PARTS = 2000
"""Larger samples have larger parts: whoever gives them out needs time and memory for each."""

_FINER = 64
"""Pixels for each part, so that crowded fields can be cut finely enough."""


def sky_parts(
    connection: Connection, run: Run, roles: Sequence[str], *, least: int | None = None, added: bool = False
) -> list[tuple[HealpixRange, int]]:
    """Cut the samples of `run` into ranges of HEALPix pixels with about equally many stars.

    Parameters
    ----------
    connection, run, roles, added
        See `catalog.features.pages`.
    least : int, optional
        Stars of a part, about; `PART_STARS` by default.

    Returns
    -------
    list of (HealpixRange, int)
        Each with its stars, in the order of source_id. No range crosses the border of a base pixel, by which tables of
        spectra are partitioned.
    """
    least = PART_STARS if least is None else least
    parameters = {"run_id": run.run_id, "roles": "{" + ",".join(roles) + "}", "added": added}
    count = connection.execute(load("features/sample_size").statement, parameters).fetchone()
    assert count is not None
    target = max(least, -(-count[0] // MOST_PARTS))
    level = next((level for level in range(12) if n_pixels(level) * target >= _FINER * count[0]), 12)
    shift = {"shift": 59 - 2 * level}
    rows = connection.execute(load("features/pixels").statement, parameters | shift).fetchall()
    pixels, counts = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return cut_sky(level, pixels, counts, target)


def cut_sky(level: int, pixels: np.ndarray, counts: np.ndarray, target: int) -> list[tuple[HealpixRange, int]]:
    """Join neighbouring pixels until they hold `target` stars.

    Parameters
    ----------
    level : int
        HEALPix level.
    pixels : numpy.ndarray of int
        Those that hold stars, ascending; shape (n,).
    counts : numpy.ndarray of int
        Stars in each, shape (n,).
    target : int

    Returns
    -------
    list of (HealpixRange, int)
        A range begins at a pixel with stars and ends at one.
    """
    parts: list[tuple[HealpixRange, int]] = []
    base = pixel_of(pixels << (59 - 2 * level), 0)
    first, n = 0, 0
    for i, count in enumerate(counts.tolist()):
        n += count
        if i + 1 == len(pixels) or n >= target or base[i + 1] != base[i]:
            parts.append((HealpixRange(level, int(pixels[first]), int(pixels[i])), n))
            first, n = i + 1, 0
    return parts


def page_of(part: HealpixRange, n_stars: int) -> Page:
    """Return the range of identifiers of some pixels."""
    lowest, highest = part.source_ids
    return Page(lowest - 1, highest, n_stars)

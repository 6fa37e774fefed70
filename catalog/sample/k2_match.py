"""K2 stars and their Gaia sources: by the id that their catalogue gives, else by position.

EPIC numbers lead to no Gaia id by themselves. The catalogue's position is compared with those of all Gaia sources of
the release that were ingested, moved to the catalogue's epoch; the nearest within a radius is taken. For stars whose
catalogue gives an id the same is done as a check.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from psycopg import Connection

from catalog.database.copy_in import copy_in
from catalog.database.copy_out import stream_arrays
from catalog.database.queries import load
from catalog.profiles.model import CrossmatchSettings
from catalog.progress import Progress, silent
from catalog.sample.positions import Nearest, directions, moved, nearest_sources

__all__ = ["K2Match", "match_k2_stars"]

_FIELDS = {
    "source_id": ("int8", None),
    **dict.fromkeys(("ra", "dec", "pmra", "pmdec"), ("float8", None)),
}
_CHUNK = 1 << 16


@dataclass(frozen=True)
class K2Match:
    """How many K2 stars have which kind of Gaia source."""

    n_stars: int = 0
    n_catalogue: int = 0
    """Stars whose catalogue gives their Gaia id."""
    n_checked: int = 0
    """Those of them whose source was ingested and that have a position."""
    n_disputed: int = 0
    """Those of them whose position another source is nearer to."""
    n_far: int = 0
    """Those of them without any source within the radius."""
    n_position: int = 0
    """Stars that were matched by position."""
    n_ambiguous: int = 0
    """Those of them with more than one source within the radius."""
    n_unmatched: int = 0
    """Stars without a Gaia source."""


@dataclass(frozen=True)
class _Stars:
    file_id: np.ndarray
    row_number: np.ndarray
    gaia_source: np.ndarray
    """0 where the catalogue gives none."""
    ra: np.ndarray
    dec: np.ndarray


def match_k2_stars(
    connection: Connection,
    release: str,
    reference_epoch: float,
    settings: CrossmatchSettings,
    progress: Progress = silent,
) -> K2Match:
    """Fill ``production.k2gap_match`` for the K2 stars of a release, replacing what was there.

    Parameters
    ----------
    connection : psycopg.Connection
        Not committed.
    release : str
        Key of the survey rows.
    reference_epoch : float
        Of the release's positions, Julian year.
    settings : CrossmatchSettings
        Epoch of the K2 positions, and the radius.
    progress : Progress
        Told the sources compared so far.

    Returns
    -------
    K2Match
    """
    connection.execute("DELETE FROM production.k2gap_match WHERE release = %s", (release,))
    stars = _stars(connection, release)
    if not len(stars.file_id):
        return K2Match()
    placed = np.flatnonzero(np.isfinite(stars.ra) & np.isfinite(stars.dec))
    listed = np.unique(stars.gaia_source[stars.gaia_source > 0])
    seen = np.zeros(len(listed), dtype=bool)

    def sources() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n_done = 0
        for block in stream_arrays(
            connection, load("selection/gaia_positions").statement, {"release": release}, _FIELDS, _CHUNK
        ):
            ids = block["source_id"]
            np.logical_or(seen, np.isin(listed, ids), out=seen)
            motion = (block["pmra"], block["pmdec"], reference_epoch, settings.k2_epoch)
            yield ids, directions(*moved(block["ra"], block["dec"], *motion))
            n_done += len(ids)
            progress(n_done, n_done, "matching K2 stars by position")

    nearest = Nearest(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    if len(placed):
        nearest = nearest_sources(directions(stars.ra[placed], stars.dec[placed]), sources(), settings.k2_radius)
    return _write(connection, release, stars, placed, nearest, np.isin(stars.gaia_source, listed[seen]))


def _stars(connection: Connection, release: str) -> _Stars:
    rows = connection.execute(load("selection/k2gap_stars").statement, {"release": release}).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * 5
    file_id, row_number = (np.array(values, dtype=np.int64) for values in columns[:2])
    gaia_source = np.array([value or 0 for value in columns[2]], dtype=np.int64)
    ra, dec = (np.array(values, dtype=np.float64) for values in columns[3:])
    return _Stars(file_id, row_number, gaia_source, ra, dec)


def _write(
    connection: Connection, release: str, stars: _Stars, placed: np.ndarray, nearest: Nearest, is_known: np.ndarray
) -> K2Match:
    n = len(stars.file_id)
    found, n_candidates = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    separation = np.full(n, np.nan)
    found[placed], n_candidates[placed] = nearest.source_id, nearest.n_candidates
    separation[placed] = np.where(np.isfinite(nearest.separation), nearest.separation, np.nan)
    is_placed = np.zeros(n, dtype=bool)
    is_placed[placed] = True
    by_catalogue = stars.gaia_source > 0
    by_position = ~by_catalogue & (found > 0)
    # An id whose source was not ingested cannot be compared with those that were.
    compared = is_placed & (is_known | ~by_catalogue)
    kept = by_catalogue | by_position
    copy_in(
        connection,
        "production.k2gap_match",
        {
            "file_id": stars.file_id[kept],
            "row_number": stars.row_number[kept],
            "release": [release] * int(kept.sum()),
            "source_id": np.where(by_catalogue, stars.gaia_source, found)[kept],
            "method": np.where(by_catalogue, "catalogue", "position")[kept].tolist(),
            "separation": np.ma.MaskedArray(separation, mask=~compared)[kept],
            "n_candidates": np.ma.MaskedArray(n_candidates, mask=~compared)[kept],
            "nearest_source_id": np.ma.MaskedArray(found, mask=~compared | (found == 0))[kept],
        },
    )
    checked = by_catalogue & compared
    return K2Match(
        n_stars=n,
        n_catalogue=int(by_catalogue.sum()),
        n_checked=int(checked.sum()),
        n_disputed=int((checked & (found > 0) & (found != stars.gaia_source)).sum()),
        n_far=int((checked & (found == 0)).sum()),
        n_position=int(by_position.sum()),
        n_ambiguous=int((by_position & (n_candidates > 1)).sum()),
        n_unmatched=int((~kept).sum()),
    )

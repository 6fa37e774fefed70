"""Stars matched by their positions: those of Gaia are moved to the other catalogue's epoch first."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from scipy.spatial import KDTree

__all__ = ["Nearest", "directions", "moved", "nearest_sources"]

_ARCSEC = np.pi / 180 / 3600


@dataclass(frozen=True)
class Nearest:
    """For each star, the source nearest to it within the radius."""

    source_id: np.ndarray
    """Shape (n,), int64; 0 where there is no source within the radius."""
    separation: np.ndarray
    """Shape (n,), arcsec; infinite where there is none."""
    n_candidates: np.ndarray
    """Shape (n,), int64: sources within the radius."""


def directions(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return unit vectors, shape (n, 3), of positions in degrees."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def moved(
    ra: np.ndarray, dec: np.ndarray, pmra: np.ndarray, pmdec: np.ndarray, epoch: float, to_epoch: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move stars by their proper motions; radial motion is neglected.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        ICRS position at `epoch`, deg, shape (n,).
    pmra, pmdec : numpy.ndarray
        Proper motion, mas/yr, the first times cos(dec), as Gaia gives it. Stars where one of them is NaN stay.
    epoch, to_epoch : float
        Julian years.

    Returns
    -------
    ra, dec : numpy.ndarray
        Position at `to_epoch`, deg.
    """
    known = np.isfinite(pmra) & np.isfinite(pmdec)
    ra, dec = ra.copy(), dec.copy()
    if epoch == to_epoch or not known.any():
        return ra, dec
    stars = SkyCoord(
        ra[known] * u.deg,
        dec[known] * u.deg,
        pm_ra_cosdec=pmra[known] * u.mas / u.yr,
        pm_dec=pmdec[known] * u.mas / u.yr,
        obstime=Time(epoch, format="jyear", scale="tdb"),
    )
    with warnings.catch_warnings():
        # Without a distance ERFA takes one so large that it makes no difference, and says so.
        warnings.filterwarnings("ignore", message="ERFA function")
        there = stars.apply_space_motion(Time(to_epoch, format="jyear", scale="tdb"))
    ra[known], dec[known] = there.ra.deg, there.dec.deg
    return ra, dec


def nearest_sources(stars: np.ndarray, sources: Iterable[tuple[np.ndarray, np.ndarray]], radius: float) -> Nearest:
    """Find the source nearest to each star; memory holds the stars and one block of sources.

    Parameters
    ----------
    stars : numpy.ndarray
        Unit vectors, shape (n, 3).
    sources : iterable of (source_id, unit vectors)
        Blocks of sources, shapes (m,) and (m, 3). Of equally near ones the smaller id is taken.
    radius : float
        Arcsec.

    Returns
    -------
    Nearest
    """
    source_id = np.zeros(len(stars), dtype=np.int64)
    chord = np.full(len(stars), np.inf)
    n_candidates = np.zeros(len(stars), dtype=np.int64)
    tree = KDTree(stars)
    limit = 2 * np.sin(radius * _ARCSEC / 2)
    for ids, vectors in sources:
        pairs = tree.sparse_distance_matrix(KDTree(vectors), limit, output_type="ndarray")
        if not len(pairs):
            continue
        star, found, apart = pairs["i"], ids[pairs["j"]], pairs["v"]
        np.add.at(n_candidates, star, 1)
        order = np.lexsort((found, apart, star))
        star, found, apart = star[order], found[order], apart[order]
        first = np.append(True, star[1:] != star[:-1])
        star, found, apart = star[first], found[first], apart[first]
        nearer = (apart < chord[star]) | ((apart == chord[star]) & (found < source_id[star]))
        source_id[star[nearer]], chord[star[nearer]] = found[nearer], apart[nearer]
    separation = np.full(len(stars), np.inf)
    found_any = n_candidates > 0
    separation[found_any] = 2 * np.arcsin(chord[found_any] / 2) / _ARCSEC
    return Nearest(source_id, separation, n_candidates)

"""HEALPix pixels (nested) of positions down to order 29, and the pixels around a position.

A source_id of Gaia is the pixel of level 12 (nested scheme, ICRS) times 2**35 plus a running number; the archive cuts
its bulk files at pixels of level 8.

The projection is that of Gorski et al. (2005), ApJ 622, 759, section 5. Near the poles it goes by half the distance
from the pole, since 1 - |sin| keeps no digits there, and order 29 wants all of them.
"""

import numpy as np

__all__ = ["FILE_LEVEL", "ORDER", "RUNNING_BITS", "SOURCE_LEVEL", "n_pixels", "pixels", "pixels_within"]

SOURCE_LEVEL = 12
"""Level of the pixel inside a source_id."""
RUNNING_BITS = 35
"""Bits of a source_id below its pixel."""
FILE_LEVEL = 8
"""Level at which bulk files are cut."""

ORDER = 29
"""Finest order whose numbers fit 64 bits."""

_SPREAD = ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333))
_CIRCLE = 48
# Farther than the radius: the corners of a polygon with its sides outside the circle, then a wider ring that also
# finds pixels of which only a corner reaches into the circle.
_RINGS = (1.01 / np.cos(np.pi / _CIRCLE), 1.5)


def n_pixels(order: int) -> int:
    """Return the number of pixels of `order` on the whole sky."""
    return 12 * 4**order


def pixels(ra: np.ndarray, dec: np.ndarray, order: int = ORDER) -> np.ndarray:
    """Return the nested pixel that holds each position.

    Parameters
    ----------
    ra, dec : numpy.ndarray, shape (n,)
        Degrees.
    order : int
        The sky has 12 * 4**order pixels.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
    """
    side = np.int64(1) << order
    quarter = np.mod(np.asarray(ra, dtype=float), 360.0) / 90.0
    # A hair below zero comes back as 360.
    quarter[quarter >= 4.0] = 0.0
    height = np.sin(np.radians(dec))
    turn = np.floor(quarter)
    # From the centre line of a cap's quarter, in units of its half width; 1 at the caps' border, 0 at the pole.
    narrow = np.sqrt(6.0) * np.sin(np.radians(90.0 - np.abs(dec)) / 2.0)
    polar = np.abs(height) > 2.0 / 3.0
    across = np.where(polar, turn + 0.5 + (quarter - turn - 0.5) * narrow, quarter)
    up = np.where(polar, np.sign(height) * (1.0 - narrow / 2.0), 0.75 * height)
    # Rows of pixels along their two directions, counted over the whole plane.
    u = np.floor(side * (0.5 + across - up)).astype(np.int64)
    v = np.floor(side * (0.5 + across + up)).astype(np.int64)
    u, v = np.minimum(u, (v // side + 2) * side - 1), np.minimum(v, (u // side + 2) * side - 1)
    column, row = u // side, v // side
    face = np.where(column == row, 4 + column % 4, np.where(column < row, column % 4, 8 + row % 4))
    return np.asarray((face << (2 * order)) | _spread(v % side) | (_spread(side - 1 - u % side) << 1), dtype=np.int64)


def _spread(values: np.ndarray) -> np.ndarray:
    """Put a zero before each binary digit."""
    x = values.astype(np.int64)
    for shift, mask in (*_SPREAD, (1, 0x5555555555555555)):
        x = (x | (x << shift)) & mask
    return x


def pixels_within(ra: np.ndarray, dec: np.ndarray, radius: float, order: int) -> np.ndarray:
    """Return pixels around each position: at least all that come within `radius`.

    Pixels must be much larger than the radius. Some are returned that come as near as half the radius more.

    Parameters
    ----------
    ra, dec : numpy.ndarray, shape (n,)
        Degrees.
    radius : float
        Degrees.
    order : int

    Returns
    -------
    numpy.ndarray of int64, shape (n, k)
        With repeats.
    """
    lon, lat = np.radians(ra)[:, np.newaxis], np.radians(dec)[:, np.newaxis]
    angle = np.arange(_CIRCLE) * (2 * np.pi / _CIRCLE)
    found = []
    for factor in _RINGS:
        r = np.radians(radius * factor)
        sin_lat = np.sin(lat) * np.cos(r) + np.cos(lat) * np.sin(r) * np.cos(angle)
        ahead = np.cos(lat) * np.cos(r) - np.sin(lat) * np.sin(r) * np.cos(angle)
        there = lon + np.arctan2(np.sin(angle) * np.sin(r), ahead)
        ring = pixels(np.degrees(there).ravel(), np.degrees(np.arcsin(np.clip(sin_lat, -1, 1))).ravel(), order)
        found.append(ring.reshape(len(ra), _CIRCLE))
    return np.concatenate(found, axis=1)

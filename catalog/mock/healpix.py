"""HEALPix pixels of sky positions, as Gaia's source identifiers hold them.

A source_id is the pixel of level 12 (nested scheme, ICRS) times 2**35 plus a running number; the archive
cuts its bulk files at pixels of level 8. The projection is that of Gorski et al. (2005), ApJ 622, 759,
section 5.
"""

import numpy as np

__all__ = ["FILE_LEVEL", "RUNNING_BITS", "SOURCE_LEVEL", "n_pixels", "pixel"]

SOURCE_LEVEL = 12
"""Level of the pixel inside a source_id."""
RUNNING_BITS = 35
"""Bits of a source_id below its pixel."""
FILE_LEVEL = 8
"""Level at which bulk files are cut."""


def n_pixels(level: int) -> int:
    """Return the number of pixels of `level` on the whole sky."""
    return 12 * 4**level


def _spread(values: np.ndarray) -> np.ndarray:
    """Put a zero bit before each bit, so that two numbers can be interleaved."""
    x = values.astype(np.int64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        x = (x | (x << shift)) & mask
    return x


def pixel(ra: np.ndarray, dec: np.ndarray, level: int = SOURCE_LEVEL) -> np.ndarray:
    """Return the nested pixel that holds each position.

    Parameters
    ----------
    ra, dec : numpy.ndarray, shape (n,)
        Degrees.
    level : int
        The sky has 12 * 4**level pixels.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
    """
    side = 1 << level
    z = np.sin(np.radians(np.atleast_1d(dec)))
    # Longitude in quarter turns.
    quarter = np.mod(np.atleast_1d(ra), 360.0) / 90.0

    # Equatorial belt: lines of rising and falling edges give the pixel directly.
    rising = np.floor(side * (0.5 + quarter - 0.75 * z)).astype(np.int64)
    falling = np.floor(side * (0.5 + quarter + 0.75 * z)).astype(np.int64)
    face_rising, face_falling = rising >> level, falling >> level
    face = np.where(
        face_rising == face_falling,
        (face_rising & 3) + 4,
        np.where(face_rising < face_falling, face_rising & 3, (face_falling & 3) + 8),
    )
    x = falling & (side - 1)
    y = side - 1 - (rising & (side - 1))

    # Polar caps.
    polar = np.abs(z) > 2.0 / 3.0
    number = np.minimum(quarter.astype(np.int64), 3)
    fraction = quarter - number
    distance = side * np.sqrt(3.0 * (1.0 - np.abs(z)))
    first = np.minimum((fraction * distance).astype(np.int64), side - 1)
    second = np.minimum(((1.0 - fraction) * distance).astype(np.int64), side - 1)
    north = z > 0
    face = np.where(polar, np.where(north, number, number + 8), face)
    x = np.where(polar, np.where(north, side - 1 - second, first), x)
    y = np.where(polar, np.where(north, side - 1 - first, second), y)
    return np.asarray((face << (2 * level)) + _spread(x) + (_spread(y) << 1), dtype=np.int64)

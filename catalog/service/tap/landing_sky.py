"""The sky plot of the landing page: stars a square degree, Mollweide projection, Galactic coordinates."""

import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from catalog.sky import healpix
from catalog.sky.frames import galactic_to_icrs

__all__ = ["ORDER", "SHIFT", "Sky", "Tick", "draw_sky", "graticule", "prepare"]

ORDER = 6
"""HEALPix order at which stars are counted; fewer stars are drawn in larger pixels."""
SHIFT = 59 - 2 * ORDER
"""Bits of a source_id below such a pixel."""

_WIDTH, _HEIGHT = 1000, 500
# More would be no easier to tell apart, and take more bytes.
_SHADES = 48
# A pixel that is drawn should hold so many stars on average.
_STARS = 2
_SPHERE = 4 * math.pi * math.degrees(1) ** 2
"""Square degrees."""

# Viridis: lightness rises evenly, for colour-blind eyes and in grey as well.
_COLOURS = ("440154", "482878", "3e4a89", "31688e", "26838f", "1f9d8a", "6cce5a", "b6de2b", "fee825")
_OUTSIDE, _EMPTY, _FIRST = 0, 1, 2
_EMPTY_COLOUR = (128, 136, 150, 60)


@dataclass(frozen=True)
class Tick:
    """A number on the colour bar."""

    place: float
    """0 at its beginning, 1 at its end."""
    words: str


@dataclass(frozen=True)
class Sky:
    """The picture and its colour bar."""

    png: bytes
    order: int
    """HEALPix order of its pixels."""
    colours: tuple[str, ...]
    """Of the bar, in equal steps of the logarithm."""
    ticks: tuple[Tick, ...]
    """Stars a square degree."""


def draw_sky(pixels: np.ndarray, n: np.ndarray) -> Sky:
    """Draw how many stars there are where.

    Parameters
    ----------
    pixels : numpy.ndarray of int, shape (n,)
        Nested HEALPix pixels (ICRS) of `ORDER`; any that the sky does not have are left out.
    n : numpy.ndarray of int, shape (n,)
        Stars in each.

    Returns
    -------
    Sky
    """
    drawn = ORDER
    grid = prepare()
    while drawn > 1 and n.sum() < _STARS * 12 * 4**drawn:
        drawn -= 1
    counts = np.zeros(12 * 4**drawn, dtype=np.int64)
    folded = pixels >> 2 * (ORDER - drawn)
    there = (folded >= 0) & (folded < len(counts))
    np.add.at(counts, folded[there], n[there])
    density = counts * (len(counts) / _SPHERE)
    low, high = _range(density[counts > 0])
    with np.errstate(divide="ignore"):
        scaled = (np.log10(density) - low) / (high - low)
    colour = np.where(counts > 0, _FIRST + np.clip(np.floor(scaled * _SHADES), 0, _SHADES - 1), _EMPTY).astype(np.uint8)
    # Nested: a coarser pixel has two bits less; -1 stays -1.
    picture = np.where(grid >= 0, colour[grid >> 2 * (ORDER - drawn)], _OUTSIDE).astype(np.uint8)
    return Sky(_png(picture), drawn, tuple(f"#{each}" for each in _COLOURS), _ticks(low, high))


def _range(density: np.ndarray) -> tuple[float, float]:
    """Return decimal logarithms of the densities where the colours begin and end."""
    if not len(density):
        return 0.0, 1.0
    low, high = np.log10(np.quantile(density, 0.02)), np.log10(density.max())
    return (float(low), float(high)) if high - low > 0.3 else (float(high) - 0.3, float(high))


def _ticks(low: float, high: float) -> tuple[Tick, ...]:
    values = [digit * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for digit in (1, 2, 5)]
    inside = [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
    if len(inside) > 6:
        inside = [value for value in inside if math.log10(value) % 1 < 1e-9] or inside[::3]
    return tuple(Tick((math.log10(value) - low) / (high - low), f"{value:,.6g}") for value in inside)


@cache
def prepare() -> np.ndarray:
    """Return the HEALPix pixel of `ORDER` below each pixel of the picture, -1 outside of the sky."""
    across = (np.arange(_WIDTH) + 0.5) / _WIDTH * 2 - 1
    up = 1 - (np.arange(_HEIGHT) + 0.5) / _HEIGHT * 2
    x, y = np.meshgrid(across, up)
    inside = x**2 + y**2 < 1
    theta = np.arcsin(y[inside])
    # Longitude grows to the left, as the sky is seen from within.
    lon = -180 * x[inside] / np.cos(theta)
    lat = np.degrees(np.arcsin(np.clip((2 * theta + np.sin(2 * theta)) / np.pi, -1, 1)))
    grid = np.full(x.shape, -1, dtype=np.int32)
    grid[inside] = healpix.pixels(*galactic_to_icrs(lon, lat), ORDER)
    return grid


def _png(picture: np.ndarray) -> bytes:
    anchors = np.array([[int(each[i : i + 2], 16) for i in (0, 2, 4)] for each in _COLOURS])
    places = np.linspace(0, len(anchors) - 1, _SHADES)
    scale = np.column_stack([np.interp(places, range(len(anchors)), anchors[:, i]) for i in range(3)]).round()
    palette = np.vstack([[0, 0, 0], _EMPTY_COLOUR[:3], scale]).astype(np.uint8)
    opacity = bytes([0, _EMPTY_COLOUR[3]]) + bytes([255]) * _SHADES
    image = Image.fromarray(picture)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=opacity)
    return buffer.getvalue()


@cache
def graticule() -> tuple[str, ...]:
    """Return SVG paths of meridians every 60 and parallels every 30 degrees, on a sky 1000 wide and 500 high."""
    meridians = [f"M500 0A{500 * lon / 180:.4g} 250 0 0 {sweep} 500 500" for lon in (60, 120, 180) for sweep in (0, 1)]
    parallels = []
    for lat in (-60, -30, 0, 30, 60):
        theta = _auxiliary(math.radians(lat))
        half, y = 500 * math.cos(theta), 250 - 250 * math.sin(theta)
        parallels.append(f"M{500 - half:.4g} {y:.4g}H{500 + half:.4g}")
    return (*meridians, "M500 0V500", *parallels)


def _auxiliary(lat: float) -> float:
    """Return the angle of the Mollweide projection: 2 x + sin(2 x) = pi sin(lat), by Newton's method."""
    x = lat
    for _ in range(20):
        x -= (2 * x + math.sin(2 * x) - math.pi * math.sin(lat)) / (2 + 2 * math.cos(2 * x))
    return x

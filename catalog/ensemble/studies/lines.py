"""Spectral lines in the RVS range, and whether the peaks of a curve fall on them (Sect. 3.5.1, Fig. 9)."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.stats import binom

from catalog.releases import PixelGrid

__all__ = ["RESOLVING_POWER", "Agreement", "Line", "Peak", "agreement", "known_lines", "smooth", "strongest_peaks"]

RESOLVING_POWER = 11_500
"""Of the RVS (Sect. 2.1)."""


@dataclass(frozen=True)
class Line:
    """One spectral line."""

    species: str
    """Element and ion, for instance ``Fe I``."""
    wavelength: float
    """nm, vacuum."""
    half_width: float
    """nm: a peak as far away falls on the line, even where the tolerance is less."""
    feature: str
    """How the paper calls it, or the blend it is part of."""
    named: bool
    """True for lines that the paper names."""
    labels: tuple[str, ...]
    """Labels that the paper says the line is used for."""


@dataclass(frozen=True)
class Peak:
    """A local extremum of a curve along the spectrum."""

    wavelength: float
    """nm."""
    value: float
    """Of the smoothed curve."""
    line: Line | None
    """Nearest line within reach, if there is one."""


@dataclass(frozen=True)
class Agreement:
    """How many of the strongest peaks fall on lines."""

    n: int
    """Peaks."""
    n_on_lines: int
    expected: float
    """Fraction of the spectrum that is within reach of a line, and so of peaks that fall on lines by chance."""

    @property
    def fraction(self) -> float:
        """Fraction of the peaks that fall on a line; NaN without peaks."""
        return self.n_on_lines / self.n if self.n else np.nan

    @property
    def probability(self) -> float:
        """Probability that as many of as many peaks fall on lines by chance (binomial)."""
        return float(binom.sf(self.n_on_lines - 1, self.n, self.expected)) if self.n else 1.0


@cache
def known_lines() -> tuple[Line, ...]:
    """Return the lines of ``lines.toml`` in the order of their wavelengths."""
    table = tomllib.loads(files(__package__).joinpath("lines.toml").read_text(encoding="utf-8"))
    lines = [
        Line(
            species,
            wavelength,
            feature.get("half_width", 0.0),
            feature["name"] if feature.get("named") else species,
            feature.get("named", False),
            tuple(feature.get("labels", ())),
        )
        for feature in table["feature"]
        for species, wavelength in feature["lines"]
    ]
    return tuple(sorted(lines, key=lambda line: line.wavelength))


def smooth(values: np.ndarray, grid: PixelGrid) -> np.ndarray:
    """Smooth a gradient along the spectrum with the spectrograph's profile.

    The result is what the label answers to a narrow line at each wavelength as the spectrograph shows it: pixels do
    not change one by one.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (…, n_pixels).
    grid : PixelGrid

    Returns
    -------
    numpy.ndarray
        Same shape, float64.
    """
    smoothed = gaussian_filter1d(
        np.asarray(values, dtype=np.float64), _resolution(grid) / 2.3548 / grid.step, mode="nearest"
    )
    return np.asarray(smoothed)


def strongest_peaks(values: np.ndarray, grid: PixelGrid, n: int, lines: Sequence[Line], tolerance: float) -> list[Peak]:
    """Find the strongest peaks of a curve, up or down, and the lines they fall on.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_pixels,); it is smoothed first, see `smooth`.
    grid : PixelGrid
    n : int
        Most peaks; there are fewer where the curve has fewer. Two of them are a resolution element apart at least.
    lines : sequence of Line
    tolerance : float
        Largest distance from a line, nm.

    Returns
    -------
    list of Peak
        The strongest first.
    """
    smoothed = smooth(values, grid)
    places, _ = find_peaks(np.abs(smoothed), distance=max(1.0, _resolution(grid) / grid.step))
    places = places[np.abs(smoothed[places]) > 0.0]
    strongest = places[np.argsort(-np.abs(smoothed[places]), kind="stable")][:n]
    wavelength = grid.wavelength
    return [
        Peak(float(wavelength[i]), float(smoothed[i]), _line_at(float(wavelength[i]), lines, tolerance))
        for i in strongest
    ]


def agreement(peaks: Sequence[Peak], grid: PixelGrid, lines: Sequence[Line], tolerance: float) -> Agreement:
    """Compare how many peaks fall on lines with what chance would give.

    Parameters
    ----------
    peaks : sequence of Peak
        By `strongest_peaks` with the same lines and tolerance.
    grid : PixelGrid
    lines : sequence of Line
    tolerance : float
        nm.

    Returns
    -------
    Agreement
    """
    wavelength = grid.wavelength
    near = np.zeros(grid.n_pixels, dtype=bool)
    for line in lines:
        near |= np.abs(wavelength - line.wavelength) <= _reach(line, tolerance)
    return Agreement(len(peaks), sum(peak.line is not None for peak in peaks), float(near.mean()))


def _resolution(grid: PixelGrid) -> float:
    """Return the width of a resolution element in the middle of the grid, nm."""
    return float(grid.wavelength[grid.n_pixels // 2]) / RESOLVING_POWER


def _reach(line: Line, tolerance: float) -> float:
    # Half a thousandth of the finest grid's step: wavelengths are not exact in binary.
    return max(tolerance, line.half_width) + 5e-6


def _line_at(wavelength: float, lines: Sequence[Line], tolerance: float) -> Line | None:
    near = [line for line in lines if abs(line.wavelength - wavelength) <= _reach(line, tolerance)]
    return min(near, key=lambda line: abs(line.wavelength - wavelength), default=None)

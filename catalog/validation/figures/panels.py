"""Panels that several figures share: maps of many stars, points of few, residuals with their moments."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.patheffects import withStroke

from catalog.validation.figures import style
from catalog.validation.moments import Moments, moments, running
from catalog.validation.results import format_value

__all__ = [
    "MANY",
    "annotate",
    "coloured",
    "crowd",
    "histogram_foot",
    "median_band",
    "moments_text",
    "residual_panel",
    "shared_limit",
]

# Lines stay visible above dark maps.
_HALO = [withStroke(linewidth=2.6, foreground="white", alpha=0.75)]

MANY = 4000
"""From this number of stars on a panel shows their density instead of points."""


def crowd(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    colour: str = style.BLUE,
    cmap: Colormap = style.DENSITY,
    bins: int = 140,
    size: float | None = None,
    many: int = MANY,
) -> Collection | None:
    """Show where stars are: points when they are few, a map of their number when they are many.

    Parameters
    ----------
    axes : Axes
        Its limits must be set: the map covers them.
    x, y : numpy.ndarray
        Shape (n,); other than finite values are left out.
    colour : str
        Of points.
    cmap : Colormap
        Of the map, logarithmic in number.
    bins : int
        Of the map along each axis, at most: fewer stars are counted in larger cells.
    size : float, optional
        Of points, in square points; by default it shrinks with their number.
    many : int
        From this number of stars on a map is drawn.

    Returns
    -------
    Collection or None
        The map, for a colour bar; None for points.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size < many:
        points = size if size is not None else float(np.clip(2500 / max(x.size, 1), 2.0, 14.0))
        axes.scatter(x, y, s=points, c=colour, alpha=0.55 if x.size > 300 else 0.75, linewidths=0, rasterized=True)
        return None
    bins = int(np.clip(0.9 * np.sqrt(x.size), 40, bins))
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins, range=[sorted(axes.get_xlim()), sorted(axes.get_ylim())])
    norm = LogNorm(1, max(counts.max(), 2))
    return axes.pcolormesh(x_edges, y_edges, np.ma.masked_equal(counts.T, 0), cmap=cmap, norm=norm, rasterized=True)


def coloured(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    value: np.ndarray,
    limits: tuple[float, float],
    *,
    cmap: Colormap,
    bins: int = 220,
) -> Collection:
    """Show stars coloured by `value`: points when they are few, means in cells when they are many."""
    norm = Normalize(*limits)
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(value)
    x, y, value = x[good], y[good], value[good]
    if x.size < 4 * MANY:
        order = np.random.default_rng(0).permutation(x.size)  # no colour on top by the order of ids
        points = float(np.clip(9000 / max(x.size, 1), 2.0, 12.0))
        return axes.scatter(
            x[order],
            y[order],
            s=points,
            c=value[order],
            cmap=cmap,
            norm=norm,
            alpha=0.85,
            linewidths=0,
            rasterized=True,
        )
    area = [sorted(axes.get_xlim()), sorted(axes.get_ylim())]
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins, range=area)
    sums, _, _ = np.histogram2d(x, y, bins=bins, range=area, weights=value.astype(np.float64))
    means = np.ma.masked_invalid(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
    return axes.pcolormesh(x_edges, y_edges, means.T, cmap=cmap, norm=norm, rasterized=True)


def annotate(axes: Axes, text: str, *, corner: str = "upper left", colour: str = style.INK, size: float = 8.0) -> None:
    """Write `text` into a corner, readable above whatever lies below."""
    x, ha = (0.03, "left") if "left" in corner else (0.97, "right")
    y, va = (0.96, "top") if "upper" in corner else (0.05, "bottom")
    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        ha=ha,
        va=va,
        fontsize=size,
        color=colour,
        linespacing=1.35,
        zorder=10,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "alpha": 0.82, "edgecolor": "none"},
    )


def moments_text(name: str, found: Moments) -> str:
    """Return number, bias and dispersion as figures write them."""
    if found.n == 0:
        return "no stars"
    sigma = "–" if np.isnan(found.dispersion) else format_value(name, found.dispersion)
    return f"N = {found.n:,}   b = {format_value(name, found.bias, signed=True)}   σ = {sigma}"


def histogram_foot(axes: Axes, x: np.ndarray) -> None:
    """Draw the distribution of `x` in the lowest fifth of the panel."""
    low, high = sorted(axes.get_xlim())
    counts, edges = np.histogram(x[np.isfinite(x)], bins=50, range=(low, high))
    if counts.max() > 0:
        axes.stairs(
            0.17 * counts / counts.max(),
            edges,
            transform=axes.get_xaxis_transform(),
            fill=True,
            color=style.GREY,
            alpha=0.35,
            zorder=0,
        )


def residual_panel(
    axes: Axes,
    name: str,
    reference: np.ndarray,
    difference: np.ndarray,
    *,
    x_limits: tuple[float, float],
    y_limit: float,
    colour: str = style.BLUE,
) -> Moments:
    """Show differences against a reference value, with their median and 68 % band, number, bias and dispersion.

    Parameters
    ----------
    axes : Axes
    name : str
        Label column.
    reference, difference : numpy.ndarray
        Shape (n,); NaN where there is no value.
    x_limits : tuple of float
        Range of the reference.
    y_limit : float
        Largest difference shown, to either side. Moments count all stars.
    colour : str
        Of points.

    Returns
    -------
    Moments
    """
    good = np.isfinite(reference) & np.isfinite(difference)
    reference, difference = reference[good], difference[good]
    axes.set_xlim(*x_limits)
    axes.set_ylim(-y_limit, y_limit)
    axes.xaxis.set_major_locator(style.some_ticks(5))
    axes.yaxis.set_major_locator(style.some_ticks(4, symmetric=True))
    histogram_foot(axes, reference)
    crowd(axes, reference, difference, colour=colour)
    axes.axhline(0, color=style.INK, lw=0.9, ls=(0, (5, 3)), zorder=4)
    median_band(axes, reference, difference, n_bins=int(np.clip(reference.size // 60, 6, 25)))
    found = moments(difference)
    annotate(axes, moments_text(name, found), size=7.5)
    return found


def median_band(axes: Axes, x: np.ndarray, y: np.ndarray, *, n_bins: int) -> None:
    """Draw the running median and 68 % band of finite `y`, if there are enough of them."""
    if x.size < 150:
        return
    centres, low, middle, high = running(x, y, n_bins=n_bins)
    for values, width in ((low, 0.9), (high, 0.9), (middle, 1.7)):
        axes.plot(centres, values, color=style.RED, lw=width, zorder=6, path_effects=_HALO)


def shared_limit(name: str, paper: float, differences: Sequence[np.ndarray]) -> float:
    """Return one range of differences for several panels of a label.

    Parameters
    ----------
    name : str
        Label column.
    paper : float
        Dispersion that the paper states: the range is 4 to 14 times as wide.
    differences : sequence of numpy.ndarray
        Of each panel.
    """
    widest = 0.0
    for values in differences:
        finite = np.abs(values[np.isfinite(values)])
        if finite.size:
            widest = max(widest, float(np.percentile(finite, 99)))
    limit = float(np.clip(1.15 * widest, 4 * paper, 14 * paper))
    step = 50.0 if name == "teff" else 0.05
    return float(np.ceil(limit / step) * step)

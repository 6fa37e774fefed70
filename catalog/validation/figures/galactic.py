"""The two sequences of [α/M] by place in the Galaxy (Fig. 24)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import crowd
from catalog.validation.galactic import SELECTIONS, selections
from catalog.validation.results import Result, find

__all__ = ["disc_giants", "disc_stars"]

_MH, _ALPHA = (-1.5, 1.0), (-0.15, 0.62)
# Right of the stars, in parts of a panel's width: their distribution about the lines.
_FOOT, _ROOM = 0.79, 0.20
_EDGE = _MH[0] + _FOOT * (_MH[1] - _MH[0])
_NOT_TWO = "#4b5563"
_HALO = [withStroke(linewidth=2.6, foreground="white", alpha=0.75)]


def disc_giants(data: FigureData) -> Figure:
    """[α/M] against [M/H] of giants of low S/N in bins of R and |Z|, as the paper shows it."""
    return _panels(data, SELECTIONS[0])


def disc_stars(data: FigureData) -> Figure:
    """[α/M] against [M/H] of all observed stars inside the limits in bins of R and |Z|."""
    return _panels(data, SELECTIONS[1])


def _panels(data: FigureData, selection: str) -> Figure:
    disc = data.disc
    if disc is None or not (chosen := selections(disc)[selection]).any():
        raise SampleError("no observed star inside the limits has a StarHorse distance")
    radii = sorted({area.r for area in disc.areas})
    heights = sorted({area.z for area in disc.areas}, reverse=True)
    made = style.figure(style.WIDTH, 1.0 + 1.9 * len(heights))
    panels = made.subplots(
        len(heights), len(radii), sharex=True, sharey=True, squeeze=False, gridspec_kw={"wspace": 0, "hspace": 0}
    )
    for area in disc.areas:
        axes = panels[heights.index(area.z)][radii.index(area.r)]
        inside = chosen & area.holds(disc.r, disc.z)
        _panel(axes, disc.mh[inside], disc.alpham[inside])
        row = find(data.results, "bimodality", f"{selection}, {area.name}", "alpham")
        _tell(axes, row, disc.mh[inside], disc.alpham[inside], disc.both)
    for axes, (low, high) in zip(panels[0], radii, strict=True):
        axes.set_title(f"{low:g} < R < {high:g} kpc", fontsize=9)
    for axes, (low, high) in zip(panels[:, -1], heights, strict=True):
        axes.yaxis.set_label_position("right")
        axes.set_ylabel(f"{low:g} < |Z| < {high:g} kpc", fontsize=9, fontweight="bold")
    made.supxlabel(style.axis_title("mh"), fontsize=9.5)
    made.supylabel(style.axis_title("alpham"), fontsize=9.5)
    return made


def _panel(axes: Axes, mh: np.ndarray, alpham: np.ndarray) -> None:
    axes.set_xlim(*_MH)
    axes.set_ylim(*_ALPHA)
    axes.set_xticks([-1.0, -0.5, 0.0])
    axes.yaxis.set_major_locator(style.ticks(0.2))
    axes.axvspan(_EDGE, _MH[1], color="#f3f4f6", lw=0, zorder=0)
    if mh.size:
        shown = mh < _EDGE
        size = float(np.clip(900 / mh.size, 1.5, 9.0))
        crowd(axes, mh[shown], alpham[shown], colour=style.GREY, bins=70, size=size, many=1200)


def _tell(axes: Axes, row: Result | None, mh: np.ndarray, alpham: np.ndarray, both: tuple[float, float]) -> None:
    """Write the figures of merit, and draw the fitted lines and the distribution of stars about them."""
    if row is None or row.status == "not run" or row.extra["dbic"] is None:
        _write(axes, f"N = {mh.size:,}, {row.n if row else 0:,} to fit:\ntoo few", style.GREY)
        return
    extra = row.extra
    colours = (style.BLUE, style.RED) if extra["seen"] else (_NOT_TWO, _NOT_TWO)
    _write(
        axes,
        f"N = {mh.size:,}, {row.n:,} fitted\n"
        + f"ΔBIC {extra['dbic']:,.0f}   D {extra['separation']:.1f}\n".replace("-", "−")
        + (f"two, upper {100 * extra['fraction']:.0f} %" if extra["seen"] else "not two"),
        style.INK,
    )
    for edge in both:
        axes.axvline(edge, ymax=0.70, color=style.GREY, lw=0.7, ls=":", zorder=5)
    slope, middle = extra["slope"], sum(both) / 2
    means, width = (extra["low"], extra["upper"]), extra["width"]
    for mean, colour in zip(means, colours, strict=True):
        ends = [mean + slope * (edge - middle) for edge in both]
        axes.plot(both, ends, color=colour, lw=1.8, path_effects=_HALO, zorder=6)

    inside = (mh >= both[0]) & (mh <= both[1])
    at_middle = alpham[inside] - slope * (mh[inside] - middle)
    counts, edges = np.histogram(at_middle, bins=np.arange(-0.15, 0.66, 0.015), density=True)
    y = np.linspace(*_ALPHA, 400)
    weights = (1.0 - extra["weight"], extra["weight"])
    curves = [
        weight * np.exp(-0.5 * ((y - mean) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        for weight, mean in zip(weights, means, strict=True)
    ]
    top = max(float(counts.max()), float(np.sum(curves, axis=0).max()))
    sideways = axes.get_yaxis_transform()
    axes.stairs(
        _FOOT + _ROOM * counts / top, edges, baseline=_FOOT, orientation="horizontal", transform=sideways,
        fill=True, color="#c9ced6", lw=0, zorder=2,
    )  # fmt: skip
    for curve, colour in zip(curves, colours, strict=True):
        curve[curve < 0.01 * top] = np.nan
        axes.plot(_FOOT + _ROOM * curve / top, y, transform=sideways, color=colour, lw=1.1, zorder=3)


def _write(axes: Axes, text: str, colour: str) -> None:
    axes.text(
        0.03, 0.975, text, transform=axes.transAxes, va="top", fontsize=7.3, color=colour, linespacing=1.3, zorder=10
    )

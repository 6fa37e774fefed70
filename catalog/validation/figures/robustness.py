"""Response of the labels to controlled changes of the spectra (Sect. 4.5 and Appendix C)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData

__all__ = ["robustness"]

_LIGHT_SPEED = 299_792.458
"""km/s"""

_COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.RED)
_MARKERS = ("o", "s", "^", "D", "v", "P")

# Beyond these multiples of the paper's dispersion a frame shows no more, or no less.
_LEAST, _MOST = 1.6, 6.0


@dataclass(frozen=True)
class _Column:
    """One experiment."""

    title: str
    axis: str
    scale: str = "linear"
    falling: bool = False
    """Strong changes have small levels."""


_COLUMNS: dict[str, _Column] = {
    "velocity": _Column("Velocity shift", "velocity left in (km/s)"),
    "noise": _Column("Noise", "S/N after adding noise", "log", falling=True),
    "rotation": _Column("Rotation", r"added $v \sin i$ (km/s)", "log"),
    "tilt": _Column("Continuum tilt", "tilt at the ends (%)"),
    "missing": _Column("Missing pixels", "run of pixels", "log"),
}


def robustness(data: FigureData) -> Figure:
    """Mean change of each label and its scatter against the level of each experiment."""
    rows = [row for row in data.responses if row["bias"] is not None]
    names = [name for name in _COLUMNS if any(row["experiment"] == name for row in rows)]
    if not names:
        raise SampleError("the robustness of this ensemble has not been studied (`rvscat study`)")
    regions = list(dict.fromkeys(row["region"] for row in rows))
    regions.sort(key=lambda name: -max(row["n"] for row in rows if row["region"] == name))
    made = style.figure(style.WIDTH + 2.0, 10.4)
    panels = made.subplots(len(LABELS), len(names), sharex="col", sharey="row", squeeze=False)
    for label, line in zip(LABELS, panels, strict=True):
        mine = [row for row in rows if row["label"] == label.name]
        limit = _limit(mine, data.paper[label.name])
        for name, axes in zip(names, line, strict=True):
            axes.axhspan(-data.paper[label.name], data.paper[label.name], color=style.GREY, alpha=0.22, lw=0, zorder=0)
            axes.axhline(0.0, color=style.INK, lw=0.8, ls=(0, (5, 3)), zorder=1)
            if name == "velocity":
                _mark_pixel(axes, data.wavelength)
            for i, region in enumerate(regions):
                some = [row for row in mine if row["experiment"] == name and row["region"] == region]
                _curve(axes, some, i, limit)
            axes.set_ylim(-limit, limit)
        line[0].set_ylabel(rf"$\Delta$ {style.axis_title(label.name)}")
        line[0].yaxis.set_major_locator(style.some_ticks(5, symmetric=True))
    for name, column in zip(names, panels.T, strict=True):
        _axis(column, _COLUMNS[name], sorted({row["level"] for row in rows if row["experiment"] == name}))
        column[0].set_title(_COLUMNS[name].title)
        column[-1].set_xlabel(_COLUMNS[name].axis)
    made.align_ylabels(panels[:, 0])
    made.legend(handles=_legend(regions, rows), loc="outside upper center", ncols=len(regions) + 4)
    return made


def _curve(axes: Axes, rows: Sequence[Mapping[str, Any]], number: int, limit: float) -> None:
    """Draw the mean change of one class with its scatter; a ring marks where it first exceeds sigma."""
    if not rows:
        return
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    rows = sorted(rows, key=lambda row: row["level"])
    if rows[0]["level"] < 0 < rows[-1]["level"]:
        rows = sorted([*rows, {**rows[0], "level": 0.0, "bias": 0.0, "dispersion": 0.0}], key=lambda row: row["level"])
    level = np.array([row["level"] for row in rows])
    bias = np.array([row["bias"] for row in rows], dtype=float)
    spread = np.array([row["dispersion"] or 0.0 for row in rows], dtype=float)
    axes.fill_between(level, bias - spread, bias + spread, color=colour, alpha=0.16, lw=0, zorder=2)
    axes.plot(level, bias, color=colour, marker=marker, ms=3.6, lw=1.5, zorder=4)
    sigma = rows[0]["sigma_observed"]
    beyond = np.abs(bias) > (np.inf if sigma is None else sigma)
    axes.plot(
        level[beyond], np.clip(bias[beyond], -0.96 * limit, 0.96 * limit), ls="none", marker="o", ms=8.0, mfc="none",
        mec=colour, mew=1.2, zorder=5,
    )  # fmt: skip


def _limit(rows: Sequence[Mapping[str, Any]], paper: float) -> float:
    """Return one range for all experiments of a label."""
    widest = max((abs(row["bias"]) + (row["dispersion"] or 0.0) for row in rows), default=0.0)
    return float(np.clip(1.08 * widest, _LEAST * paper, _MOST * paper))


def _mark_pixel(axes: Axes, wavelength: np.ndarray) -> None:
    """Shade shifts of up to a pixel: Appendix C is about fractions of one."""
    pixel = float((wavelength[1] - wavelength[0]) / wavelength.mean() * _LIGHT_SPEED)
    axes.axvspan(-pixel, pixel, facecolor="none", edgecolor=style.SKY, alpha=0.55, hatch="///", lw=0, zorder=0)


def _axis(panels: np.ndarray, column: _Column, levels: Sequence[float]) -> None:
    """Set the levels' axis, which all panels of an experiment share."""
    axes = panels[-1]
    if column.scale == "log":
        axes.set_xscale("log")
        for each in panels:
            each.tick_params(axis="x", which="minor", labelbottom=False, bottom=False, top=False)
        # Too many would touch; the strongest change is always named.
        shown = list(levels if column.falling else reversed(levels))
        while len(shown) > 5:
            shown = shown[::2]
        axes.set_xticks(shown, labels=[f"{level:g}" for level in shown])
    else:
        axes.xaxis.set_major_locator(style.some_ticks(5, symmetric=True))
    if column.falling:
        axes.invert_xaxis()


def _legend(regions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for i, region in enumerate(regions):
        n = max(row["n"] for row in rows if row["region"] == region)
        colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
        handles.append(Line2D([], [], color=colour, marker=marker, ms=4.5, lw=1.5, label=f"{region} (N = {n:,})"))
    handles.append(Line2D([], [], ls="none", marker="o", ms=8.0, mfc="none", mec=style.INK, label=r"beyond $\sigma$"))
    handles.append(Patch(color=style.GREY, alpha=0.3, lw=0, label="paper's dispersion"))
    handles.append(Patch(facecolor="none", edgecolor=style.SKY, hatch="///", lw=0, label="± 1 pixel"))
    return handles

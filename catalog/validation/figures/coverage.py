"""Figures of coverage: whether the uncertainties are as large as the errors, and for which stars."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate
from catalog.validation.results import Result

__all__ = ["coverage", "pulls"]

GAUSSIAN = {1: 68.27, 2: 95.45}
"""Per cent of a Gaussian within one and two standard deviations."""

_SEEN, _UNSEEN, _OBSERVED = "training, all members", "training, out of fold", "observed"


class _Series(NamedTuple):
    sample: str
    quantity: str
    """Column of the query without its number of sigmas."""
    words: str
    marker: str
    colour: str
    filled: bool
    shift: float
    """Of the symbols from the middle of their row."""


_SERIES = (
    _Series(_SEEN, "within", "training, all members: paper's σ", "D", style.BLUE, False, -0.30),
    _Series(_UNSEEN, "within", "out of fold: paper's σ", "o", style.ORANGE, False, -0.15),
    _Series(_UNSEEN, "calibrated", "out of fold: calibrated σ", "o", style.ORANGE, True, 0.0),
    _Series(_OBSERVED, "within", "observed: paper's σ", "s", style.GREEN, False, 0.15),
    _Series(_OBSERVED, "calibrated", "observed: calibrated σ", "s", style.GREEN, True, 0.30),
)


def coverage(data: FigureData) -> Figure:
    """Fractions of |CNN − APOGEE| within one and two sigma, by label, region of the Kiel diagram and S/N."""
    rows = [r for r in data.results if r.comparison == "coverage" and r.status != "not run"]
    if not rows:
        raise SampleError("no part of the sample has enough stars with APOGEE labels")
    parts = [part for _, part in sorted({(r.extra["part_number"], r.extra["part"]) for r in rows})]
    made = style.figure(style.WIDTH + 1.5, 1.6 + 0.44 * len(parts))
    panels = made.subplots(2, len(LABELS), sharey=True, sharex="row", squeeze=False)
    for k, line in zip((1, 2), panels, strict=True):
        for axes, label in zip(line, LABELS, strict=True):
            _coverage_panel(axes, [r for r in rows if r.label == label.name], parts, k)
            if k == 1:
                axes.set_title(label.tex)
        line[len(LABELS) // 2].set_xlabel(f"stars within {k} σ (%)")
        line[0].set_yticks(range(len(parts)), labels=[_part_title(rows, part) for part in parts], fontsize=7.5)
        line[0].set_ylim(len(parts) - 0.5, -0.5)
    made.legend(handles=[_handle(series) for series in _SERIES], loc="outside upper center", ncols=len(_SERIES))
    return made


def _coverage_panel(axes: Axes, rows: Sequence[Result], parts: Sequence[str], k: int) -> None:
    axes.axvline(GAUSSIAN[k], color=style.INK, lw=1.0, zorder=1)
    for i in range(1, len(parts), 2):
        axes.axhspan(i - 0.5, i + 0.5, color=style.GREY, alpha=0.12, lw=0, zorder=0)
    # All stars, regions, ranges of S/N.
    for i, (before, after) in enumerate(pairwise(parts)):
        if before == "all" or after.startswith("S/N") != before.startswith("S/N"):
            axes.axhline(i + 0.5, color=style.GREY, lw=0.8, zorder=1)
    for series in _SERIES:
        found = [
            r for r in rows if r.extra["sample"] == series.sample and r.extra[f"{series.quantity}_{k}"] is not None
        ]
        share = np.array([r.extra[f"{series.quantity}_{k}"] for r in found], dtype=float)
        n = np.array([r.n for r in found], dtype=float)
        # Of a fraction: what the number of stars allows to tell.
        error = np.sqrt(share * (1 - share) / n)
        axes.errorbar(
            100 * share,
            [parts.index(r.extra["part"]) + series.shift for r in found],
            xerr=100 * error,
            ls="none",
            marker=series.marker,
            ms=4.2,
            color=series.colour,
            mfc=series.colour if series.filled else "white",
            mew=1.1,
            elinewidth=0.8,
            zorder=3,
        )
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(style.some_ticks(6))


def _part_title(rows: Sequence[Result], part: str) -> str:
    """Return the name of a part with its numbers of stars: out of fold, and observed."""
    numbers = []
    for sample in (_UNSEEN, _OBSERVED):
        found = [r.n for r in rows if r.extra["part"] == part and r.extra["sample"] == sample]
        numbers.append(f"{max(found):,}" if found else "–")
    words = part.replace("-", "–") if part.startswith("S/N") else part
    return f"{words}   {numbers[0]} | {numbers[1]}"


def _handle(series: _Series) -> Line2D:
    face = series.colour if series.filled else "white"
    return Line2D(
        [], [], ls="none", marker=series.marker, color=series.colour, mfc=face, mew=1.1, ms=5.5, label=series.words
    )


def pulls(data: FigureData) -> Figure:
    """Residuals CNN − APOGEE in units of both sigmas beside the Gaussian they should follow."""
    stars, unseen = data.stars, data.out_of_fold
    made = style.figure(style.WIDTH + 1.5, 5.4)
    panels = made.subplots(2, len(LABELS), sharex=True, sharey=True)
    grid = np.linspace(-5, 5, 201)
    drawn = False
    for line, suffix, words in zip(panels, ("", "_oof"), ("paper's σ", "calibrated σ"), strict=True):
        for axes, label in zip(line, LABELS, strict=True):
            axes.fill_between(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color=style.GREY, alpha=0.3, lw=0)
            sigma = stars[f"sigma_{label.name}{suffix}"]
            z = (stars[label.name] - stars[f"{label.name}_apogee"]) / sigma
            sets = [
                (z[stars.training], style.BLUE, "training"),
                (_unseen_pulls(unseen, label.name, suffix), style.ORANGE, "out of fold"),
                (z[stars.observed], style.GREEN, "observed"),
            ]
            shown = 0
            for values, colour, title in sets:
                values = values[np.isfinite(values)]
                if values.size < 10:
                    continue
                drawn = True
                counts, edges = np.histogram(values, bins=int(np.clip(values.size / 12, 12, 50)), range=(-5, 5))
                axes.stairs(counts / values.size / np.diff(edges), edges, color=colour, lw=1.4)
                shares = [f"{np.mean(np.abs(values) <= k):.0%}" for k in (1, 2)]
                axes.text(
                    0.03,
                    0.97 - 0.075 * shown,
                    f"{title}: {shares[0]}, {shares[1]}",
                    color=colour,
                    transform=axes.transAxes,
                    fontsize=7.5,
                    va="top",
                )
                shown += 1
            if not shown:
                annotate(axes, f"no {words}")
        line[0].set_ylabel(f"{words}\ndensity")
    panels[0, 0].set_ylim(0, 0.82)
    for axes, label in zip(panels[0], LABELS, strict=True):
        axes.set_title(label.tex)
    for axes in panels[1]:
        axes.set_xlabel(r"(CNN − APOGEE) / $\sigma$")
    if not drawn:
        raise SampleError("fewer than 10 stars have APOGEE labels")
    return made


def _unseen_pulls(unseen: Mapping[str, np.ndarray], name: str, suffix: str) -> np.ndarray:
    """Return the pulls of the out-of-fold stars, none before there are any."""
    none = np.empty(0)
    return unseen.get(f"residual_{name}", none) / unseen.get(f"sigma_{name}{suffix}", none)

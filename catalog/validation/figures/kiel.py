"""Kiel diagrams and abundance planes: what the catalogue looks like (Figs. 4, 11 and 14)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, coloured, crowd
from catalog.validation.results import Result

__all__ = ["alpha_axes", "alpha_cells", "hero", "kiel_panel", "kiel_snr"]

MH_LIMITS = (-1.5, 0.4)

_SNR_BINS = ((15, 25), (25, 35), (35, 75), (75, np.inf))

# Cells of ``sql/validation/alpha_cells.sql`` that hold the training sample's limits, hot stars and giants first.
_TEFF_EDGES = (6500, 6000, 5500, 5000, 4500, 4000, 3500)
_LOGG_EDGES = (0, 1, 2, 3, 4, 5)
# Stars outside the limits reach further.
_WIDE_TEFF, _WIDE_LOGG = (2800.0, 8600.0), (-0.6, 5.6)
_MH_CELL, _ALPHA_CELL = (-1.9, 0.6), (-0.14, 0.44)


def kiel_panel(
    axes: Axes,
    data: FigureData,
    mask: np.ndarray,
    title: str,
    teff: tuple[float, float] = (3300.0, 6900.0),
    logg: tuple[float, float] = (-0.1, 5.1),
) -> Collection:
    """Draw one Kiel diagram of the stars in `mask`, coloured by [M/H]."""
    stars = data.stars
    style.kiel_axes(axes, teff, logg)
    shown = coloured(
        axes, stars["teff"][mask], stars["logg"][mask], stars["mh"][mask], MH_LIMITS, cmap=style.METALLICITY
    )
    axes.set_title(title)
    annotate(axes, f"N = {int(mask.sum()):,}")
    return shown


def hero(data: FigureData) -> Figure:
    """Kiel diagrams of the training sample, the observed sample inside the limits, and the stars outside."""
    stars = data.stars
    if len(stars) == 0:
        raise SampleError("no star has labels")
    made = style.figure(style.WIDTH, 4.7)
    panels = made.subplots(1, 3)
    kiel_panel(panels[0], data, stars.training, "Training sample (CNN labels)")
    shown = kiel_panel(panels[1], data, stars.observed, "Observed, inside the limits")
    axes = panels[2]
    style.kiel_axes(axes, (2500, 9000), (-1.0, 6.0))
    _shade(axes, stars["teff"][stars.observed], stars["logg"][stars.observed])
    outside = stars.outside
    unlike = outside & stars["unlike"]
    crowd(
        axes, stars["teff"][outside & ~unlike], stars["logg"][outside & ~unlike], colour=style.SKY, cmap=style.blues()
    )
    crowd(axes, stars["teff"][unlike], stars["logg"][unlike], colour=style.RED, cmap=style.reds())
    axes.set_title("Observed, outside the limits")
    annotate(axes, f"N = {int(outside.sum()):,}")
    for colour, text, y in (
        (style.RED, "spectrum unlike training (digit 8)", 0.95),
        (style.SKY, "other digits only", 0.89),
    ):
        axes.text(
            0.97, y, text, color=colour, transform=axes.transAxes, ha="right", va="top", fontsize=8, fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.82, "pad": 1.5}, zorder=10,
        )  # fmt: skip
    for axes in panels[1:]:
        axes.set_ylabel("")
    made.colorbar(shown, ax=list(panels), label=style.axis_title("mh"), pad=0.01, fraction=0.025, extend="both")
    return made


def kiel_snr(data: FigureData) -> Figure:
    """Kiel diagrams of the observed sample inside the limits, in bins of S/N."""
    stars = data.stars
    if not stars.observed.any():
        raise SampleError("no observed star lies inside the limits")
    made = style.figure(style.WIDTH, 3.9)
    panels = made.subplots(1, 4, sharex=True, sharey=True)
    for axes, (low, high) in zip(panels, _SNR_BINS, strict=True):
        in_bin = (stars["snr"] >= low) & (stars["snr"] < high)
        mask = stars.observed & in_bin
        style.kiel_axes(axes, _WIDE_TEFF, _WIDE_LOGG)
        _shade(axes, stars["teff"][stars.outside & in_bin], stars["logg"][stars.outside & in_bin])
        title = f"{low} ≤ S/N < {high:.0f}" if np.isfinite(high) else f"S/N ≥ {low}"
        shown = kiel_panel(axes, data, mask, title, _WIDE_TEFF, _WIDE_LOGG)
        axes.xaxis.set_major_locator(style.ticks(1000))
        if axes is not panels[0]:
            axes.set_ylabel("")
    made.colorbar(shown, ax=list(panels), label=style.axis_title("mh"), pad=0.01, fraction=0.02, extend="both")
    return made


def _shade(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Show where other stars lie, as a grey ground: a map of their number when they are many."""
    crowd(axes, x, y, colour="#c9ced6", cmap=style.greys(), size=3)


def alpha_axes(axes: Axes, data: FigureData, mask: np.ndarray) -> Collection | None:
    """Draw [alpha/M] against [M/H] of the stars in `mask`."""
    axes.set_xlim(*_MH_CELL)
    axes.set_ylim(*_ALPHA_CELL)
    return crowd(axes, data.stars["mh"][mask], data.stars["alpham"][mask], bins=110)


def alpha_cells(data: FigureData) -> Figure:
    """[alpha/M] against [M/H] of all stars inside the limits, of giants, and by cells of the Kiel diagram."""
    stars = data.stars
    if not stars.observed.any():
        raise SampleError("no observed star lies inside the limits")
    rows = {(r.extra["teff_low"], r.extra["logg_low"]): r for r in data.results if r.comparison == "alpha_cells"}
    made = style.figure(style.WIDTH + 1.5, 7.4)
    layout = made.get_layout_engine()
    if layout is not None:
        # That of `style.figure` is constrained; matplotlib's type is the base of all layouts.
        layout.set(w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.0)  # type: ignore[call-arg]
    left, right = style.columns(made, 1.0, 2.5)
    kiel, upper, lower = left.subplots(3, 1, height_ratios=(1.25, 1.0, 1.0))
    style.kiel_axes(kiel, (_TEFF_EDGES[-1], _TEFF_EDGES[0]), (_LOGG_EDGES[0], _LOGG_EDGES[-1]))
    crowd(kiel, stars["teff"][stars.observed], stars["logg"][stars.observed], colour=style.INK, size=1.5)
    for edge in _TEFF_EDGES:
        kiel.axvline(edge, color=style.ORANGE, lw=0.8)
    for edge in _LOGG_EDGES:
        kiel.axhline(edge, color=style.ORANGE, lw=0.8)
    kiel.set_title("Observed, inside the limits")
    giants = stars.observed & (stars["logg"] < 3.0)
    for axes, mask, title in ((upper, stars.observed, "All"), (lower, giants, r"Giants, $\log g$ < 3")):
        alpha_axes(axes, data, mask)
        axes.set_title(title)
        axes.set_ylabel(style.axis_title("alpham"))
        annotate(axes, f"N = {int(mask.sum()):,}", corner="upper right")
    lower.set_xlabel(style.axis_title("mh"))
    cells = right.subplots(
        len(_LOGG_EDGES) - 1, len(_TEFF_EDGES) - 1, sharex=True, sharey=True, gridspec_kw={"wspace": 0, "hspace": 0}
    )
    for i, line in enumerate(cells):
        for j, axes in enumerate(line):
            mask = (
                stars.observed
                & (stars["logg"] >= _LOGG_EDGES[i]) & (stars["logg"] < _LOGG_EDGES[i + 1])
                & (stars["teff"] < _TEFF_EDGES[j]) & (stars["teff"] >= _TEFF_EDGES[j + 1])
            )  # fmt: skip
            _cell(axes, data, mask, rows.get((_TEFF_EDGES[j + 1], _LOGG_EDGES[i])))
            if i == 0:
                axes.set_title(f"{_TEFF_EDGES[j + 1]}–{_TEFF_EDGES[j]} K", fontsize=8)
            if j == len(line) - 1:
                axes.yaxis.set_label_position("right")
                axes.set_ylabel(rf"$\log g$ {_LOGG_EDGES[i]}–{_LOGG_EDGES[i + 1]}", fontsize=8)
            axes.tick_params(labelsize=7)
    right.supxlabel(style.axis_title("mh"), fontsize=9.5)
    cells[len(cells) // 2, 0].set_ylabel(style.axis_title("alpham"))
    return made


def _cell(axes: Axes, data: FigureData, mask: np.ndarray, row: Result | None) -> None:
    axes.set_xlim(*_MH_CELL)
    axes.set_ylim(*_ALPHA_CELL)
    number = int(mask.sum())
    if number < 5:
        axes.set_facecolor("#f3f4f6")
        if number == 0:
            return
    size = float(np.clip(900 / number, 1.5, 9.0))
    crowd(axes, data.stars["mh"][mask], data.stars["alpham"][mask], bins=60, size=size, many=1200)
    text = f"{number:,}"
    if row is not None and row.dispersion is not None and row.status != "not run":
        text += f"\n{row.extra['mean']:+.2f} ± {row.dispersion:.2f}".replace("-", "−")
    annotate(axes, text, corner="upper right", size=6.5)

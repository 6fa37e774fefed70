"""Kiel diagrams and abundance planes: what the catalogue looks like (Figs. 4, 11 and 14)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, coloured, crowd

__all__ = ["alpha_axes", "alpha_cells", "hero", "kiel_panel", "kiel_snr"]

MH_LIMITS = (-1.5, 0.4)

_SNR_BINS = ((15, 25), (25, 35), (35, 75), (75, np.inf))


def kiel_panel(axes: Axes, data: FigureData, mask: np.ndarray, title: str) -> Collection:
    """Draw one Kiel diagram of the stars in `mask`, coloured by [M/H]."""
    stars = data.stars
    style.kiel_axes(axes)
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
    made = style.figure(style.WIDTH, 3.6)
    panels = made.subplots(1, 4, sharex=True, sharey=True)
    for axes, (low, high) in zip(panels, _SNR_BINS, strict=True):
        in_bin = (stars["snr"] >= low) & (stars["snr"] < high)
        mask = stars.observed & in_bin
        _shade(axes, stars["teff"][stars.outside & in_bin], stars["logg"][stars.outside & in_bin])
        title = f"{low} ≤ S/N < {high:.0f}" if np.isfinite(high) else f"S/N ≥ {low}"
        shown = kiel_panel(axes, data, mask, title)
        axes.xaxis.set_major_locator(style.ticks(1000))
        if axes is not panels[0]:
            axes.set_ylabel("")
    made.colorbar(shown, ax=list(panels), label=style.axis_title("mh"), pad=0.01, fraction=0.02, extend="both")
    return made


def _shade(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Show where other stars lie, as a grey ground."""
    axes.scatter(x[:20_000], y[:20_000], s=2, c="#d7dbe0", linewidths=0, rasterized=True, zorder=0)


def alpha_axes(axes: Axes, data: FigureData, mask: np.ndarray) -> Collection | None:
    """Draw [alpha/M] against [M/H] of the stars in `mask`."""
    axes.set_xlim(-1.9, 0.6)
    axes.set_ylim(-0.14, 0.44)
    return crowd(axes, data.stars["mh"][mask], data.stars["alpham"][mask], bins=110)


def alpha_cells(data: FigureData) -> Figure:
    """[alpha/M] against [M/H]: all stars inside the limits, and by cells of the Kiel diagram."""
    stars = data.stars
    if not stars.observed.any():
        raise SampleError("no observed star lies inside the limits")
    teff_edges = np.array([6500, 6000, 5500, 5000, 4500, 4000])
    logg_edges = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    made = style.figure(style.WIDTH, 6.6)
    left, right = style.columns(made, 1.0, 1.9)
    upper, lower = left.subplots(2, 1)
    giants = stars.observed & (stars["logg"] < 3.0)
    for axes, mask, title in (
        (upper, stars.observed, "All inside the limits"),
        (lower, giants, r"Giants, $\log g$ < 3"),
    ):
        shown = alpha_axes(axes, data, mask)
        axes.set_title(title)
        axes.set_ylabel(style.axis_title("alpham"))
        annotate(axes, f"N = {int(mask.sum()):,}", corner="upper right")
        if shown is not None:
            left.colorbar(shown, ax=axes, label="stars", pad=0.01, fraction=0.05)
    lower.set_xlabel(style.axis_title("mh"))
    cells = right.subplots(
        len(logg_edges) - 1, len(teff_edges) - 1, sharex=True, sharey=True, gridspec_kw={"wspace": 0, "hspace": 0}
    )
    for i, row in enumerate(cells):
        for j, axes in enumerate(row):
            mask = (
                stars.observed
                & (stars["logg"] >= logg_edges[i]) & (stars["logg"] < logg_edges[i + 1])
                & (stars["teff"] < teff_edges[j]) & (stars["teff"] >= teff_edges[j + 1])
            )  # fmt: skip
            _cell(axes, data, mask)
            if i == 0:
                axes.set_title(f"{teff_edges[j + 1]}–{teff_edges[j]} K", fontsize=8)
            if j == len(row) - 1:
                axes.yaxis.set_label_position("right")
                axes.set_ylabel(rf"$\log g$ {logg_edges[i]:.0f}–{logg_edges[i + 1]:.0f}", fontsize=8)
            axes.tick_params(labelsize=7)
    right.supxlabel(style.axis_title("mh"), fontsize=9.5)
    return made


def _cell(axes: Axes, data: FigureData, mask: np.ndarray) -> None:
    axes.set_xlim(-1.9, 0.6)
    axes.set_ylim(-0.14, 0.44)
    number = int(mask.sum())
    if number < 5:
        axes.set_facecolor("#f3f4f6")
        annotate(axes, f"{number}", size=7, colour=style.GREY)
        return
    size = float(np.clip(900 / number, 1.5, 9.0))
    crowd(axes, data.stars["mh"][mask], data.stars["alpham"][mask], bins=60, size=size, many=1200)
    annotate(axes, f"{number:,}", size=7)

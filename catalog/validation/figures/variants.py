"""Ensembles that do without some of the inputs, side by side (Appendix B, Figs. B.1 and B.2)."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure, SubFigure

from catalog.ensemble.variants import VariantFigures, VariantStudy
from catalog.ensemble.variants.subsets import CONFUSED
from catalog.metadata import LABELS
from catalog.validation.figures import style
from catalog.validation.figures.panels import annotate, coloured, residual_panel, shared_limit

__all__ = ["draw_variants", "save_variants"]

_COLOURS = (style.INK, style.RED, style.BLUE, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
_MARKERS = "osDv^<>"
_COLUMN = {label.name: i for i, label in enumerate(LABELS)}
_PAPER_LOGG = 0.11
_FEWEST = 10
"""Stars from which a dispersion is shown."""


def save_variants(study: VariantStudy, path: Path) -> None:
    """Draw `study` as a PNG."""
    with style.look():
        style.save(draw_variants(study), path)


def draw_variants(study: VariantStudy) -> Figure:
    """Draw Kiel diagrams and residuals of log g by out-of-fold labels, and dispersions in parts of the sample.

    Parameters
    ----------
    study : VariantStudy

    Returns
    -------
    matplotlib.figure.Figure
    """
    made = style.figure(style.WIDTH, 10.2)
    top, bottom = made.subfigures(2, 1, squeeze=False, height_ratios=(5.6, 4.4), hspace=0.02)[:, 0]
    ratios = (3.1, 2.5)
    panels = top.subplots(2, len(study.variants), sharex="row", sharey="row", squeeze=False, height_ratios=ratios)
    shown = _kiel(study, panels[0])
    bar = top.colorbar(shown, ax=list(panels.ravel()), pad=0.01, aspect=25, shrink=0.5, anchor=(0.0, 1.0))
    bar.set_label("[M/H], out of fold")
    _residuals(study, panels[1])
    _dispersions(study, bottom.subplots(1, len(LABELS), sharey=True, squeeze=False)[0], bottom)
    return made


def _title(variant: VariantFigures) -> str:
    return variant.title.partition(" (")[0]


def _kiel(study: VariantStudy, panels: np.ndarray) -> Collection:
    """Draw one diagram a variant; return what a colour bar explains."""
    limits = (-1.2, 0.4)
    for axes, variant in zip(panels, study.variants, strict=True):
        style.kiel_axes(axes)
        if axes is not panels[0]:
            axes.set_ylabel("")
        teff, logg, mh = (variant.unseen[:, _COLUMN[name]] for name in ("teff", "logg", "mh"))
        shown = coloured(axes, teff, logg, mh, limits, cmap=style.METALLICITY)
        axes.set_title(_title(variant))
        confusion = variant.confusion
        if confusion.n:
            words = f"log g off by > {CONFUSED:g} dex:\n{confusion.n_confused} of {confusion.n} cool stars"
            annotate(axes, words, size=7.5)
    return shown


def _residuals(study: VariantStudy, panels: np.ndarray) -> None:
    teff, logg = (study.labels[:, _COLUMN[name]] for name in ("teff", "logg"))
    differences = [variant.unseen[:, _COLUMN["logg"]] - logg for variant in study.variants]
    limit = shared_limit("logg", _PAPER_LOGG, differences)
    x_limits = style.window("teff", teff)
    for axes, difference in zip(panels, differences, strict=True):
        residual_panel(axes, "logg", teff, difference, x_limits=x_limits, y_limit=limit)
        axes.set_xlabel(style.axis_title("teff", "APOGEE"))
        if axes is panels[0]:
            axes.set_ylabel(r"$\Delta\log g$ (dex), out of fold")


def _dispersions(study: VariantStudy, panels: np.ndarray, part: SubFigure) -> None:
    subsets = list(study.subsets)
    places = np.arange(len(subsets))[::-1]
    shift = np.linspace(0.27, -0.27, len(study.variants)) if len(study.variants) > 1 else np.zeros(1)
    for axes, label in zip(panels, LABELS, strict=True):
        for variant, offset, colour, marker in zip(study.variants, shift, _COLOURS, _MARKERS, strict=False):
            found = [variant.metrics[subset.name]["out_of_fold"][label.name] for subset, _ in subsets]
            _points(axes, found, places + offset, colour, marker, _title(variant))
        axes.set_xlim(left=0.0)
        axes.set_ylim(-0.6, len(subsets) - 0.4)
        axes.set_xlabel(f"dispersion of {style.axis_title(label.name)}")
        axes.xaxis.set_major_locator(style.some_ticks(4))
        axes.yaxis.set_tick_params(length=0)
        axes.grid(axis="x", color="#e3e7ec", lw=0.7)
        for place in places[::2]:
            axes.axhspan(place - 0.5, place + 0.5, color="#f6f7f9", zorder=0)
    panels[0].set_yticks(places, [f"{subset.name}  ({count:,})" for subset, count in subsets])
    part.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(study.variants))


def _points(
    axes: Axes, found: list[dict[str, float | int | None]], y: np.ndarray, colour: str, marker: str, title: str
) -> None:
    n = np.array([figures["n"] or 0 for figures in found], dtype=float)
    value = np.array([np.nan if figures["dispersion"] is None else figures["dispersion"] for figures in found])
    value[n < _FEWEST] = np.nan
    # Standard error of a Gaussian's standard deviation.
    error = value / np.sqrt(2.0 * np.maximum(n - 1.0, 1.0))
    axes.errorbar(value, y, xerr=error, fmt=marker, color=colour, ms=4.0, lw=0.9, label=title, zorder=4)

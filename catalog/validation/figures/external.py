"""Figures of asteroseismology and clusters (Figs. 21 and 23)."""

import numpy as np
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, crowd, histogram_foot, moments_text
from catalog.validation.moments import moments
from catalog.validation.results import Result, format_value

__all__ = ["clusters", "seismic"]

_RANGES = ((-np.inf, 2.3, style.ORANGE), (2.3, 2.6, style.GREEN), (2.6, np.inf, style.RED))


def seismic(data: FigureData) -> Figure:
    """Surface gravity of APOGEE, CNN and GSP-Spec against seismic log g, in three ranges."""
    stars = data.stars
    samples = (("training", stars.training), ("observed", stars.observed))
    if not any(np.isfinite(stars["logg_seismic"][mask]).any() for _, mask in samples):
        raise SampleError("no labelled star has a seismic log g")
    made = style.figure(style.WIDTH, 6.6)
    panels = made.subplots(2, 3, sharex=True, sharey=True)
    for row, (title, mask) in zip(panels, samples, strict=True):
        for axes, (source, column) in zip(
            row, (("APOGEE", "logg_apogee"), ("CNN", "logg"), ("GSP-Spec (calibrated)", "logg_gspspec")), strict=True
        ):
            x, y = np.where(mask, stars["logg_seismic"], np.nan), stars[column]
            axes.set_xlim(1.4, 3.5)
            axes.set_ylim(1.4, 3.5)
            histogram_foot(axes, x[np.isfinite(y)])
            lines = []
            for low, high, colour in _RANGES:
                chosen = (x >= low) & (x <= high) if np.isfinite([low, high]).all() else (x > low) & (x < high)
                crowd(axes, x[chosen], y[chosen], colour=colour, many=10**9)  # three colours: never a map
                found = moments((y - x)[chosen])
                if found.n > 1:
                    bias, sigma = (
                        format_value("logg", value, signed=signed)
                        for value, signed in ((found.bias, True), (found.dispersion, False))
                    )
                    lines.append((colour, f"N = {found.n:,}   b = {bias}   σ = {sigma}"))
            axes.axline((2, 2), slope=1, color=style.INK, lw=0.9, ls=(0, (5, 3)))
            for i, (colour, text) in enumerate(lines):
                axes.text(
                    0.03, 0.965 - 0.07 * i, text, color=colour, transform=axes.transAxes, va="top", fontsize=8,
                    fontweight="bold", zorder=10,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.82, "pad": 1.0},
                )  # fmt: skip
            axes.set_title(f"{source}, {title}")
        row[0].set_ylabel(r"$\log g$ (dex)")
    for axes in panels[1]:
        axes.set_xlabel(r"seismic $\log g$ (dex)")
    return made


def _cluster_words(row: Result) -> str:
    """Return a cluster's name with its members and the bias that Fig. 23 writes next to it."""
    bias = "" if row.bias is None else f"  b = {format_value('feh', row.bias, signed=True)}"
    return f"{row.subset.replace('_', ' ')}  ({row.n}, {row.extra['n_galah']}){bias}"


def clusters(data: FigureData, most: int = 24) -> Figure:
    """Mean [Fe/H] of cluster members from CNN and GALAH."""
    rows = [r for r in data.results if r.comparison == "clusters" and r.extra.get("mean") is not None]
    if not rows:
        raise SampleError("no cluster has enough members with labels")
    rows = sorted(sorted(rows, key=lambda r: -r.n)[:most], key=lambda r: r.extra["mean"])
    made = style.figure(style.WIDTH, max(2.6, 0.27 * len(rows) + 1.0))
    values, ones = made.subplots(1, 2, width_ratios=(1.8, 1.0))
    y = np.arange(len(rows))
    cnn = np.array([r.extra["mean"] for r in rows])
    galah = np.array([np.nan if r.extra["mean_galah"] is None else r.extra["mean_galah"] for r in rows])
    cnn_error = np.array([r.dispersion or 0.0 for r in rows])
    galah_error = np.array([r.extra["dispersion_galah"] or 0.0 for r in rows])
    values.errorbar(
        galah, y - 0.14, xerr=galah_error, fmt="s", ms=5, color=style.ORANGE, mfc="white", lw=1.3, label="GALAH DR3"
    )
    values.errorbar(cnn, y + 0.14, xerr=cnn_error, fmt="o", ms=5, color=style.BLUE, lw=1.3, label="CNN")
    values.set_yticks(y, labels=[_cluster_words(r) for r in rows])
    values.tick_params(axis="y", which="both", length=0)
    values.set_ylim(-0.7, len(rows) - 0.3)
    values.set_xlabel("mean [Fe/H] of members, bars: standard deviation (dex)")
    values.set_title("Cluster (members with CNN, with GALAH labels), b: CNN − GALAH")
    values.legend(loc="lower right")
    values.grid(axis="y", color="#eceff3", lw=0.8)
    values.set_axisbelow(True)
    both = np.isfinite(galah)
    low, high = np.nanmin([cnn, galah]) - 0.12, np.nanmax([cnn, galah]) + 0.12
    ones.set_xlim(low, high)
    ones.set_ylim(low, high)
    ones.axline((low, low), slope=1, color=style.INK, lw=0.9, ls=(0, (5, 3)))
    ones.errorbar(
        galah[both], cnn[both], cnn_error[both], galah_error[both], fmt="o", ms=5, color=style.BLUE, lw=1.0, alpha=0.85
    )
    ones.set_xlabel("[Fe/H] GALAH (dex)")
    ones.set_ylabel("[Fe/H] CNN (dex)")
    found = moments(cnn - galah)
    annotate(ones, moments_text("feh", found).replace("N", "clusters"), size=7.5)
    return made

"""Example spectra (Figs. 2 and 18) and training histories (Sect. 3.2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate
from catalog.validation.figures.sequences import name_lines

__all__ = ["spectra", "training"]


def spectra(data: FigureData) -> Figure:
    """One RVS spectrum of each kind of star, with the labels of the catalogue."""
    shown = [(what, row) for what, row in data.examples if int(data.stars["source_id"][row]) in data.spectra]
    if not shown:
        raise SampleError("none of the example stars has a spectrum in the database")
    made = style.figure(style.WIDTH + 1.5, 1.0 * len(shown) + 1.1)
    axes = made.subplots()
    stars = data.stars
    step = 0.95
    first, last = float(data.wavelength[0]), float(data.wavelength[-1])
    margin = 0.004 * (last - first)
    for i, (what, row) in enumerate(shown):
        flux = data.spectra[int(stars["source_id"][row])]
        offset = step * (len(shown) - 1 - i)
        colour = style.BLUE if stars["inside"][row] else style.RED
        axes.plot(data.wavelength, flux + offset, lw=0.75, color=colour)
        labels = (
            f"{stars['teff'][row]:.0f} K, log g {stars['logg'][row]:.2f}, [M/H] {stars['mh'][row]:+.2f}, "
            f"[α/M] {stars['alpham'][row]:+.2f}, S/N {stars['snr'][row]:.0f}"
        ).replace("-", "−")
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
        axes.text(
            first + margin, offset + 1.08, what, fontsize=8.5, fontweight="bold", va="bottom", color=colour, bbox=box
        )
        axes.text(last - margin, offset + 1.08, labels, fontsize=8, va="bottom", ha="right", bbox=box)
    top = step * (len(shown) - 1) + 1.45
    name_lines(axes, (first, last), labelled=True)
    axes.set_ylim(0.0, top)
    axes.set_xlim(first, last)
    axes.set_xlabel("vacuum wavelength (nm)")
    axes.set_ylabel("normalised flux + offset")
    return made


def training(data: FigureData) -> Figure:
    """Loss and learning rate of each member of the ensemble against epoch."""
    members = [member for member in data.members if member["history"] and member["history"].get("val_loss")]
    if not members:
        raise SampleError("the ensemble has no training history")
    made = style.figure(style.WIDTH, 3.8)
    loss, rate = made.subplots(1, 2, width_ratios=(2.0, 1.0))
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.SKY, style.INK)
    splits = sorted({member["split"] for member in members})
    for member in members:
        history, kept = member["history"], member.get("kept", True)
        colour = colours[splits.index(member["split"]) % len(colours)] if kept else style.GREY
        _epochs(loss, history["val_loss"], color=colour, lw=1.2, alpha=0.85)
        _epochs(loss, history.get("loss", ()), color=colour, lw=0.8, alpha=0.45, ls="--")
        _epochs(rate, history.get("learning_rate", ()), color=colour, lw=1.2, drawstyle="steps-post")
        best = min(member["best_epoch"], len(history["val_loss"]))
        loss.plot(
            best,
            history["val_loss"][best - 1],
            "o" if kept else "X",
            ms=4.5 if kept else 6.5,
            color=colour if kept else style.INK,
            mec="white",
            mew=0.7,
            zorder=5,
        )
    for axes, title in ((loss, "loss (solid: validation, dashed: training)"), (rate, "learning rate")):
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_title(title)
    for i, split in enumerate(splits[: len(colours)]):
        loss.plot([], [], color=colours[i], lw=2, label=f"split {split + 1}")
    loss.plot([], [], "o", ms=4.5, color=style.GREY, label="weights that were kept")
    dropped = sum(not member.get("kept", True) for member in members)
    if dropped:
        loss.plot([], [], "X", ms=6.5, color=style.INK, label=f"dropped by rule: {dropped} of {len(members)}")
    loss.legend(ncols=2)
    again = [f"{member['member'] + 1} ({member['attempt']})" for member in members if member.get("attempt")]
    if again:
        annotate(
            rate,
            f"members trained again after diverging\n(seeds that diverged): {', '.join(again)}",
            corner="lower left",
        )
    return made


def _epochs(axes: Axes, values: Sequence[float], **look: Any) -> None:
    """Draw one value an epoch, counted from 1."""
    if len(values):
        axes.plot(np.arange(1, len(values) + 1), values, **look)

"""The picture of a whole catalogue: Kiel diagram, [alpha/M]–[M/H] and residuals at a glance."""

import numpy as np
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.kiel import MH_LIMITS, alpha_axes
from catalog.validation.figures.panels import annotate, coloured, residual_panel, shared_limit

__all__ = ["summary"]


def summary(data: FigureData) -> Figure:
    """Return a figure of 1600 × 900 pixels at 120 dots an inch."""
    stars = data.stars
    if not stars.observed.any():
        raise SampleError("no observed star lies inside the limits")
    made = style.figure(1600 / 120, 900 / 120)
    left, middle, right = style.columns(made, 1.15, 0.95, 0.9)
    axes = left.subplots()
    style.kiel_axes(axes)
    good = stars.training | stars.observed
    shown = coloured(
        axes, stars["teff"][good], stars["logg"][good], stars["mh"][good], MH_LIMITS, cmap=style.METALLICITY
    )
    left.colorbar(
        shown, ax=axes, location="top", label=style.axis_title("mh"), fraction=0.035, pad=0.01, extend="both", aspect=35
    )
    annotate(
        axes,
        f"{int(stars.training.sum()):,} training stars\n{int(stars.observed.sum()):,} observed stars inside the limits",
        size=9,
    )
    upper, lower = middle.subplots(2, 1)
    for axes, mask, title in (
        (upper, stars.observed & (stars["logg"] < 3.0), r"Observed giants, $\log g$ < 3"),
        (lower, stars.observed & (stars["logg"] >= 3.0), r"Observed dwarfs, $\log g$ ≥ 3"),
    ):
        alpha_axes(axes, data, mask)
        axes.set_title(title)
        axes.set_ylabel(style.axis_title("alpham"))
        annotate(axes, f"N = {int(mask.sum()):,}", corner="upper right")
    lower.set_xlabel(style.axis_title("mh"))
    names = ("teff", "logg", "mh", "alpham")
    truth = not np.isfinite(stars["teff_apogee"][stars.observed]).any()
    suffix, survey = ("_truth", "truth") if truth else ("_apogee", "APOGEE")
    panels = right.subplots(4, 1)
    for axes, name in zip(panels, names, strict=True):
        reference = np.where(stars.observed, stars[f"{name}{suffix}"], np.nan)
        difference = stars[name] - reference
        limit = shared_limit(name, data.paper[name], [difference])
        residual_panel(
            axes, name, reference, difference, x_limits=style.window(name, reference), y_limit=limit, colour=style.GREEN
        )
        axes.set_xlabel(style.axis_title(name, survey), labelpad=1)
        axes.set_ylabel(rf"$\Delta$ {style.symbol(name)}")
    panels[0].set_title(f"CNN − {survey}, observed stars")
    return made

"""Figure of label differences against radial-velocity errors (Appendix C, Fig. C.1)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, crowd, median_band, moments_text, shared_limit
from catalog.validation.moments import moments

__all__ = ["velocity"]

_FOUR = ("teff", "logg", "mh", "alpham")


def velocity(data: FigureData) -> Figure:
    """CNN − APOGEE and calibrated GSP-Spec − APOGEE against radial_velocity_error, training and observed stars."""
    stars, error = data.stars, data.velocity_error
    if error is None or not (np.isfinite(error) & np.isfinite(stars["teff_apogee"])).any():
        raise SampleError("no star has both a radial-velocity error and APOGEE labels")
    columns = (
        ("CNN − APOGEE, training", "", stars.training, style.BLUE),
        ("GSP-Spec − APOGEE, training", "_gspspec", stars.training, style.PURPLE),
        ("CNN − APOGEE, observed", "", stars.observed, style.GREEN),
        ("GSP-Spec − APOGEE, observed", "_gspspec", stars.observed, style.PURPLE),
    )
    made = style.figure(style.WIDTH + 1.5, 7.6)
    panels = made.subplots(len(_FOUR), len(columns), sharex=True, sharey="row")
    known = error[np.isfinite(error) & np.isfinite(stars["teff_apogee"])]
    limits = (float(np.percentile(known, 0.1)) * 0.9, float(np.percentile(known, 99.8)) * 1.1)
    for line, name in zip(panels, _FOUR, strict=True):
        differences = [
            np.where(mask & np.isfinite(error), stars[f"{name}{source}"] - stars[f"{name}_apogee"], np.nan)
            for _, source, mask, _ in columns
        ]
        limit = shared_limit(name, data.paper[name], differences)
        for axes, difference, (title, _, _, colour) in zip(line, differences, columns, strict=True):
            _panel(axes, name, error, difference, limits=limits, y_limit=limit, colour=colour)
            if name == _FOUR[0]:
                axes.set_title(title)
        line[0].set_ylabel(rf"$\Delta$ {style.axis_title(name)}")
    for axes in panels[-1]:
        axes.set_xlabel("radial_velocity_error (km/s)")
    return made


def _panel(
    axes: Axes, name: str, error: np.ndarray, difference: np.ndarray, *, limits: tuple[float, float], y_limit: float,
    colour: str,
) -> None:  # fmt: skip
    """Show differences against the logarithm of the error, with their median and 68 % band."""
    good = np.isfinite(error) & np.isfinite(difference)
    x, y = np.log10(error[good]), difference[good]
    low, high = np.log10(limits)
    axes.set_xlim(low, high)
    axes.set_ylim(-y_limit, y_limit)
    axes.set_xticks(np.log10([0.2, 0.5, 1, 2, 5, 10]), labels=["0.2", "0.5", "1", "2", "5", "10"])
    axes.set_xlim(low, high)
    axes.yaxis.set_major_locator(style.some_ticks(4, symmetric=True))
    crowd(axes, x, y, colour=colour)
    axes.axhline(0, color=style.INK, lw=0.9, ls=(0, (5, 3)), zorder=4)
    median_band(axes, x, y, n_bins=int(np.clip(x.size // 80, 5, 16)))
    annotate(axes, moments_text(name, moments(y)), size=7.5)

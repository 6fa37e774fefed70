"""Figure of mean spectra along sequences of labels (Fig. 12)."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.results import format_value
from catalog.validation.sequences import MeanSpectrum

__all__ = ["LINES", "draw_spectra", "name_lines", "sequences"]

LINES = (
    (850.036, "Ca II"), (854.444, "Ca II"), (866.452, "Ca II"), (852.0, "Fe I + Ti I"), (865.0, "Si I + V II + N"),
)  # fmt: skip
"""Vacuum wavelengths, nm, of the features that Sect. 3.5.1 names."""

_PANELS = (
    (1, "teff", "turn-off stars and dwarfs, solar [M/H]"),
    (2, "logg", "4900–5100 K, solar [M/H]"),
    (3, "mh", r"giants, 4300–4800 K, 1 ≤ $\log g$ < 2.2"),
    (4, "alpham", "dwarfs, 4600–5400 K, −0.6 ≤ [M/H] < −0.2"),
)

# The mean of fewer spectra is noise.
_FEWEST = 5

# Widths to either side of the two features that the paper shows, nm.
_AROUND = ((851.85, 0.45), (854.444, 0.9))


def sequences(data: FigureData) -> Figure:
    """Mean observed spectra in steps of each label: around two features, and over the whole range."""
    found = {
        number: [m for m in data.mean_spectra if m.sequence == number and m.n_spectra >= _FEWEST]
        for number, _, _ in _PANELS
    }
    if not any(found.values()):
        raise SampleError("no observed star inside the limits lies on the sequences and has a spectrum")
    made = style.figure(style.WIDTH + 1.5, 9.6)
    panels = made.subplots(len(_PANELS), 3, width_ratios=(3.0, 1.0, 1.35), sharey="row", squeeze=False)
    whole = (float(data.wavelength[0]), float(data.wavelength[-1]))
    ranges = (whole, *((centre - width, centre + width) for centre, width in _AROUND))
    for line, (number, name, words) in zip(panels, _PANELS, strict=True):
        shown = found[number]
        for axes, limits in zip(line, ranges, strict=True):
            draw_spectra(axes, data.wavelength, shown, limits)
            name_lines(axes, limits, labelled=number == 1)
        line[0].set_title(f"({'abcd'[number - 1]})  {style.symbol(name)}: {words}", pad=16 if number == 1 else 6)
        line[0].set_ylabel("mean flux")
        colours = _colours(len(shown))
        for i, (mean, colour) in enumerate(zip(shown, colours, strict=True)):
            value = format_value(name, mean.value, signed=name in ("mh", "alpham"))
            line[0].text(
                0.77, 0.06 + 0.09 * (len(shown) - 1 - i), f"{value}  (N = {mean.n_spectra:,} of {mean.n_stars:,})",
                color=colour, transform=line[0].transAxes, ha="right", va="bottom", fontsize=7.5, fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
            )  # fmt: skip
    for axes in panels[-1]:
        axes.set_xlabel("vacuum wavelength (nm)")
    return made


def _colours(n: int) -> list[str]:
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0.0, 0.82, max(n, 1)))][:n]


def draw_spectra(
    axes: Axes, wavelength: np.ndarray, shown: Sequence[MeanSpectrum], limits: tuple[float, float], width: float = 1.0
) -> None:
    """Draw mean spectra over each other within `limits`, nm, from dark to bright."""
    for mean, colour in zip(shown, _colours(len(shown)), strict=True):
        axes.plot(wavelength, mean.flux, color=colour, lw=width, rasterized=True)
    axes.set_xlim(*limits)
    axes.xaxis.set_major_locator(style.some_ticks(6))


def name_lines(axes: Axes, limits: tuple[float, float], *, labelled: bool) -> None:
    """Mark the known features within `limits`, nm, with their names above the panel if `labelled`."""
    for centre, name in LINES:
        if not limits[0] < centre < limits[1]:
            continue
        axes.axvline(centre, color=style.GREY, lw=0.7, ls=":", zorder=0)
        if labelled:
            # Names beside each other would overlap.
            crowded = any(0 < other - centre < 0.08 * (limits[1] - limits[0]) for other, _ in LINES)
            axes.text(
                centre, 1.01, name, transform=axes.get_xaxis_transform(), fontsize=7.5,
                ha="right" if crowded else "center", va="bottom", color="#4b5563",
            )  # fmt: skip

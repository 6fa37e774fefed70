"""One look for all figures: colours safe for colour-blind readers, label names, sizes, limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import Locator, MaxNLocator, MultipleLocator

from catalog.metadata import LABELS
from catalog.validation.results import label_of

__all__ = [
    "BLUE",
    "DENSITY",
    "DPI",
    "GREEN",
    "GREY",
    "INK",
    "LIMITS",
    "METALLICITY",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "WIDTH",
    "axis_title",
    "blues",
    "columns",
    "figure",
    "greys",
    "kiel_axes",
    "look",
    "reds",
    "save",
    "some_ticks",
    "symbol",
    "ticks",
    "window",
]

# Okabe & Ito (2008).
ORANGE, SKY, GREEN, BLUE, RED, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
INK, GREY = "#1f2937", "#9aa3af"

WIDTH = 11.0
"""Width of a full figure, inches."""

DPI = 120
"""Pixels an inch."""


def _cut(name: str, low: float, high: float, *, label: str) -> Colormap:
    # The palest end of a map vanishes on white paper.
    return LinearSegmentedColormap.from_list(label, mpl.colormaps[name](np.linspace(low, high, 256)))


DENSITY = _cut("viridis", 0.0, 0.97, label="density")
"""Number of stars: few dark, many bright."""
METALLICITY = _cut("plasma", 0.0, 0.92, label="metallicity")
"""[M/H]: metal-poor dark, metal-rich bright."""

LIMITS: dict[str, tuple[float, float]] = {
    "teff": (3500.0, 6700.0),
    "logg": (0.2, 5.0),
    "mh": (-2.5, 0.6),
    "alpham": (-0.2, 0.5),
    "feh": (-2.5, 0.6),
}
"""Ranges of label axes: the training sample's, with a margin."""

_LOOK: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "axes.edgecolor": "#6b7280",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "axes.linewidth": 0.8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "xtick.major.size": 4.5,
    "ytick.major.size": 4.5,
    "xtick.minor.size": 2.2,
    "ytick.minor.size": 2.2,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


@contextmanager
def look() -> Iterator[None]:
    """Draw with the report's style, whatever a user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        # matplotlib types its names as one Literal of all of them, which no table of ours can be.
        mpl.rcParams.update(_LOOK)  # type: ignore[arg-type]
        yield


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, without the global state of pyplot."""
    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    return made


def columns(made: Figure, *ratios: float) -> list[SubFigure]:
    """Split `made` into columns of those relative widths."""
    return list(made.subfigures(1, len(ratios), squeeze=False, width_ratios=ratios, wspace=0.02)[0])


def save(made: Figure, path: Path) -> None:
    """Write `made` as a PNG."""
    assert isinstance(made.canvas, FigureCanvasAgg)
    # savefig would draw everything twice to lay it out first; drawing lays out as well.
    made.canvas.print_png(path)


def symbol(name: str) -> str:
    """Return how figures write the label in column `name`."""
    label = label_of(name)
    return label.tex if label else name


def axis_title(name: str, suffix: str = "") -> str:
    """Return an axis title with the label's unit, for instance of a survey given as `suffix`."""
    unit = {"teff": " (K)", "logg": " (dex)"}.get(name, " (dex)" if name in {label.name for label in LABELS} else "")
    return f"{symbol(name)}{' ' + suffix if suffix else ''}{unit}"


def window(name: str, *values: np.ndarray) -> tuple[float, float]:
    """Return the axis range of a label: its usual one, narrowed or widened to hold nearly all `values`."""
    finite = [v[np.isfinite(v)] for v in values]
    together = np.concatenate(finite) if finite else np.empty(0)
    low, high = LIMITS[name]
    if together.size < 5:
        return low, high
    first, last = np.percentile(together, [0.2, 99.8])
    margin = 0.04 * (last - first)
    span = high - low
    return float(np.clip(first - margin, low - span, high)), float(np.clip(last + margin, low, high + span))


def kiel_axes(axes: Axes, teff: tuple[float, float] = (3300, 6900), logg: tuple[float, float] = (-0.1, 5.1)) -> None:
    """Turn `axes` into a Kiel diagram: hot stars left, giants up."""
    axes.set_xlim(teff[1], teff[0])
    axes.set_ylim(logg[1], logg[0])
    axes.set_xlabel(axis_title("teff"))
    axes.set_ylabel(axis_title("logg"))


def some_ticks(most: int, *, symmetric: bool = False) -> Locator:
    """Return a locator of at most `most` intervals between round numbers."""
    return MaxNLocator(most, symmetric=symmetric, steps=[1, 2, 2.5, 5, 10])


def ticks(step: float) -> Locator:
    """Return a locator of major ticks at multiples of `step`."""
    return MultipleLocator(step)


def blues() -> Colormap:
    """Map of numbers in blue, as Fig. 8 shows the overall uncertainty."""
    return _cut("Blues", 0.35, 1.0, label="blues")


def greys() -> Colormap:
    """Map of numbers in grey, for stars behind others."""
    return _cut("Greys", 0.18, 0.6, label="greys")


def reds() -> Colormap:
    """Map of numbers in red, as Fig. 8 shows the model-to-model dispersion."""
    return _cut("Reds", 0.35, 1.0, label="reds")

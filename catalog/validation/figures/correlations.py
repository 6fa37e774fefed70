"""Figure of correlations of labels with each other, photometry, parallax and S/N (Fig. 5)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.results import Result

__all__ = ["correlations"]

_QUANTITIES = (*(label.name for label in LABELS), "G", "BP", "RP", "parallax", "S/N")
_TEX = {"G": "$G$", "BP": r"$G_{\rm BP}$", "RP": r"$G_{\rm RP}$", "parallax": r"$\varpi$", "S/N": "S/N"}
_SAMPLES = (("training", "training"), ("observed", "observed, inside the limits"), ("outside", "outside the limits"))


def correlations(data: FigureData) -> Figure:
    """Matrices of the linear correlation, with that of ranks in the upper triangle, of the three samples."""
    rows = [r for r in data.results if r.comparison == "correlations" and r.status != "not run"]
    if not rows:
        raise SampleError("no sample has enough stars to correlate their labels")
    made = style.figure(style.WIDTH + 1.5, 4.6)
    panels = made.subplots(1, len(_SAMPLES))
    norm = Normalize(-1, 1)
    for axes, (sample, words) in zip(panels, _SAMPLES, strict=True):
        own = [r for r in rows if r.extra["sample"] == sample]
        _matrix(axes, own, norm)
        number = max((r.n for r in own), default=0)
        axes.set_title(f"{words} (N = {number:,})" if own else f"{words}: too few stars", fontsize=9)
        if axes is not panels[0]:
            axes.set_yticklabels([])
    scale = ScalarMappable(norm, "RdBu_r")
    made.colorbar(
        scale, ax=list(panels), label="Pearson below, Spearman above the diagonal", pad=0.01,
        fraction=0.02, shrink=0.8,
    )  # fmt: skip
    return made


def _matrix(axes: Axes, rows: list[Result], norm: Normalize) -> None:
    n = len(_QUANTITIES)
    values = np.full((n, n), np.nan)
    for row in rows:
        i, j = _QUANTITIES.index(row.extra["first"]), _QUANTITIES.index(row.extra["second"])
        # Row below the diagonal: linear; above: ranks.
        for place, name in (((j, i), "pearson"), ((i, j), "spearman")):
            if row.extra[name] is not None:
                values[place] = row.extra[name]
    axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", norm=norm, interpolation="nearest")
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        text = f"{values[i, j]:.2f}".replace("-0.00", "0.00").replace("-", "−")
        colour = "white" if abs(values[i, j]) > 0.6 else style.INK
        axes.text(j, i, text, ha="center", va="center", fontsize=6.2, color=colour)
    texts = [_TEX.get(name) or style.symbol(name) for name in _QUANTITIES]
    axes.set_xticks(range(n), labels=texts, rotation=60, fontsize=8)
    axes.set_yticks(range(n), labels=texts, fontsize=8)
    axes.tick_params(length=0, top=False, right=False)
    axes.set_facecolor("#e5e7eb")

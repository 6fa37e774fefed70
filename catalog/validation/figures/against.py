"""Two catalogues side by side: how far labels moved, where, which flags flipped, which dispersions changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.against.comparing import Comparison
from catalog.validation.against.results import ResultChange
from catalog.validation.against.stars import Pairs
from catalog.validation.checks import load_checks
from catalog.validation.figures import style
from catalog.validation.figures.panels import annotate, coloured, crowd, residual_panel
from catalog.validation.moments import moments
from catalog.validation.pages import nice

__all__ = ["FIGURES", "AgainstFigure", "Drawn", "draw_against"]

_FURTHEST = 6.0
"""Sigmas that the histograms reach."""

_PARTS = (
    ("training", style.BLUE),
    ("observed, inside the limits in both", style.GREEN),
    ("other observed", style.ORANGE),
)

_SIGNS = {"worse": ("v", style.RED), "better": ("^", style.GREEN), "same": ("o", style.GREY)}

_DASHES = (0, (4, 2))

_MOST_ROWS = 46
"""Rows of checks that a figure has room for."""

_NO_RATIO = ("uncertainties", "coverage", "dispersions", "published")
"""Comparisons whose dispersions are no worse for being larger."""


@dataclass(frozen=True)
class AgainstFigure:
    """One figure of the comparison."""

    name: str
    title: str
    caption: str
    """With ``{this}``, ``{other}`` and ``{sigma}``."""
    draw: Callable[[Comparison, Pairs], Figure]


class Drawn(NamedTuple):
    """What became of a figure."""

    figure: AgainstFigure
    path: Path | None
    reason: str
    """Why there is no file; else empty."""


def histograms(comparison: Comparison, pairs: Pairs) -> Figure:
    """Distribution of the change of each label in units of the combined sigma."""
    made = style.figure(style.WIDTH, 5.9)
    panels = made.subplots(2, 3).ravel()
    observed = ~pairs["training"]
    masks = (pairs["training"], observed & pairs.inside, observed & ~pairs.inside)
    edges = np.linspace(-_FURTHEST, _FURTHEST, 97)
    centres = 0.5 * (edges[1:] + edges[:-1])
    gaussian = np.exp(-0.5 * centres**2) / np.sqrt(2 * np.pi)
    for axes, label in zip(panels, LABELS, strict=False):
        pull = pairs.pull(label.name)
        for (_, colour), mask in zip(_PARTS, masks, strict=True):
            found = pull[mask & np.isfinite(pull)]
            if found.size:
                # What lies beyond is counted at the edge.
                counts, _ = np.histogram(np.clip(found, edges[0], edges[-1]), edges)
                axes.stairs(counts / found.size / np.diff(edges), edges, color=colour, lw=1.3)
        axes.plot(centres, gaussian, color=style.GREY, lw=1.1, ls=_DASHES, zorder=0)
        axes.set_yscale("log")
        axes.set_xlim(-_FURTHEST, _FURTHEST)
        # From half a star to well above the peak, where the numbers are.
        axes.set_ylim(bottom=0.5 / (max(masks, key=np.sum).sum() * (edges[1] - edges[0])))
        axes.set_ylim(top=30 * axes.get_ylim()[1])
        axes.set_title(label.tex)
        axes.set_xlabel(r"change / $\sigma$")
        found = pull[np.isfinite(pull)]
        told = moments(found)
        beyond = np.mean(np.abs(found) > comparison.sigma) if found.size else 0.0
        lines = (
            f"N = {told.n:,}",
            f"b = {told.bias:+.2f} σ",
            f"σ = {told.dispersion:.2f}",
            f"> {comparison.sigma:g} σ: {100 * beyond:.2f} %",
        )
        annotate(axes, "\n".join(lines).replace("-", "−"), size=7.5)
    for axes in panels[::3]:
        axes.set_ylabel("density")
    last = panels[len(LABELS)]
    last.set_axis_off()
    handles = [
        Line2D([], [], color=colour, lw=1.6, label=f"{words}: {int(mask.sum()):,}")
        for (words, colour), mask in zip(_PARTS, masks, strict=True)
    ]
    handles.append(Line2D([], [], color=style.GREY, lw=1.1, ls=_DASHES, label="Gaussian of unit width"))
    last.legend(handles=handles, loc="center left", title="Stars in both", alignment="left", fontsize=9.5)
    return made


def against_labels(comparison: Comparison, pairs: Pairs) -> Figure:
    """Difference of each label against the label."""
    columns = [(pairs.inside, "Inside the limits in both"), (~pairs.inside, "All other stars")]
    if not pairs.flagged.any():
        columns = [(np.ones(len(pairs), dtype=bool), "All stars")]
    made = style.figure(style.WIDTH, 9.6)
    panels = made.subplots(len(LABELS), len(columns), sharex="row", sharey="row", squeeze=False)
    for line, label in zip(panels, LABELS, strict=True):
        difference, reference = pairs.difference(label.name), pairs[f"{label.name}_other"]
        limit = _limit(label.name, difference[pairs.inside] if pairs.inside.any() else difference)
        x_limits = style.window(label.name, reference)
        for axes, (mask, _) in zip(line, columns, strict=True):
            residual_panel(axes, label.name, reference[mask], difference[mask], x_limits=x_limits, y_limit=limit)
            axes.set_xlabel(style.axis_title(label.name, comparison.other.short))
        line[0].set_ylabel(rf"$\Delta$ {style.axis_title(label.name)}")
    for axes, (_, words) in zip(panels[0], columns, strict=True):
        axes.set_title(f"{words}: {comparison.this.short} − {comparison.other.short}")
    return made


def _limit(name: str, difference: np.ndarray) -> float:
    """Return a round range that holds nearly all differences."""
    finite = np.abs(difference[np.isfinite(difference)])
    step = 10.0 if name == "teff" else 0.01
    if not finite.size:
        return step
    return float(max(1.0, np.ceil(1.3 * np.percentile(finite, 99.5) / step)) * step)


def kiel(comparison: Comparison, pairs: Pairs) -> Figure:
    """Kiel diagrams coloured by the change of each label, and the stars that changed most."""
    made = style.figure(style.WIDTH, 7.6)
    panels = made.subplots(2, 3, sharex=True, sharey=True)
    pulls = [pairs.pull(label.name) for label in LABELS]
    everything = np.abs(np.concatenate(pulls))
    finite = everything[np.isfinite(everything)]
    widest = float(np.percentile(finite, 97)) if finite.size else 1.0
    limit = next((step for step in (0.1, 0.25, 0.5, 1.0, 2.0, 3.0) if widest <= step), 5.0)
    for axes, label, pull in zip(panels.ravel(), LABELS, pulls, strict=False):
        style.kiel_axes(axes)
        shown = coloured(
            axes, pairs["teff"], pairs["logg"], pull, (-limit, limit), cmap=mpl.colormaps["coolwarm"], bins=160
        )
        axes.set_title(f"Change of {label.tex}")
        annotate(axes, f"N = {int(np.isfinite(pull).sum()):,}")
    axes = panels.ravel()[len(LABELS)]
    style.kiel_axes(axes)
    changed = pairs.largest > comparison.sigma
    _shade(axes, pairs["teff"], pairs["logg"])
    crowd(axes, pairs["teff"][changed], pairs["logg"][changed], colour=style.RED, cmap=style.reds())
    axes.set_title(f"Any label by more than {comparison.sigma:g} σ")
    annotate(axes, f"N = {int(changed.sum()):,}")
    for axes in panels[0]:
        axes.set_xlabel("")
    for axes in panels[:, 1:].ravel():
        axes.set_ylabel("")
    made.colorbar(shown, ax=list(panels.ravel()), label=r"change / $\sigma$", pad=0.01, fraction=0.025, extend="both")
    return made


def _shade(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Show where all stars lie, as a grey ground."""
    some = slice(None, None, max(1, x.size // 20_000))
    axes.scatter(x[some], y[some], s=2, c="#d7dbe0", linewidths=0, rasterized=True, zorder=0)


def flags(comparison: Comparison, pairs: Pairs) -> Figure:
    """Digits of the flag that appeared and vanished, and the stars that crossed the limits."""
    rows = {row["label"]: row for row in comparison.flags if row["subset"] == "all"}
    if not rows:
        raise SampleError("no star has a flag in both catalogues")
    made = style.figure(style.WIDTH, 4.6)
    left, right = style.columns(made, 1.25, 1.0)
    axes = left.subplots()
    names = [("any", "any digit"), *((digit.name, digit.text) for digit in FLAG_DIGITS)]
    appeared, vanished = (np.array([rows[name][key] for name, _ in names]) for key in ("appeared", "vanished"))
    y = np.arange(len(names))[::-1]
    axes.barh(y, appeared, color=style.ORANGE, height=0.62, label="appeared")
    axes.barh(y, -vanished, color=style.BLUE, height=0.62, label="vanished")
    axes.axvline(0, color=style.INK, lw=0.8)
    widest = max(int(appeared.max()), int(vanished.max()), 1)
    for place, more, fewer in zip(y, appeared, vanished, strict=True):
        axes.text(more + 0.02 * widest, place, f"{more:,}", va="center", fontsize=8)
        axes.text(-fewer - 0.02 * widest, place, f"{fewer:,}", va="center", ha="right", fontsize=8)
        net = f"{more - fewer:+,}".replace("-", "−") if more != fewer else "0"
        axes.text(1.6 * widest, place, net, va="center", ha="right", fontsize=8.5, fontweight="bold")
    axes.text(1.6 * widest, len(names) - 0.25, "net", ha="right", fontsize=8.5, fontweight="bold")
    axes.set_xlim(-1.35 * widest, 1.65 * widest)
    axes.set_ylim(-0.7, len(names) + 0.35)
    axes.set_yticks(y, labels=[text for _, text in names])
    axes.xaxis.set_major_locator(style.some_ticks(6, symmetric=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.set_xlabel(f"stars of {rows['any']['n']:,}")
    axes.set_title(f"Digits of flag_boundary, {comparison.this.short} against {comparison.other.short}")
    axes.legend(loc="upper left", ncols=2)
    _crossed(right.subplots(), pairs)
    return made


def _crossed(axes: Axes, pairs: Pairs) -> None:
    style.kiel_axes(axes, (2800, 8000), (-0.6, 5.6))
    _shade(axes, pairs["teff"], pairs["logg"])
    here, there = pairs["bits"] != 0, pairs["other_bits"] != 0
    for mask, colour, words, y in (
        (pairs.flagged & here & ~there, style.ORANGE, "outside now", 0.95),
        (pairs.flagged & there & ~here, style.BLUE, "inside now", 0.89),
    ):
        axes.scatter(pairs["teff"][mask], pairs["logg"][mask], s=5, c=colour, alpha=0.7, linewidths=0, rasterized=True)
        axes.text(
            0.97, y, f"{words}: {int(mask.sum()):,}", color=colour, transform=axes.transAxes, ha="right", va="top",
            fontsize=8.5, fontweight="bold", zorder=10,
        )  # fmt: skip
    axes.set_title("Stars that crossed the limits")


def checks(comparison: Comparison, _pairs: Pairs) -> Figure:
    """Ratio of the dispersions of each check that both runs have, with its standard error."""
    found = [
        each for each in comparison.changes
        if each.judged and each.ratio is not None and each.change in _SIGNS
        and each.comparison not in _NO_RATIO
    ]  # fmt: skip
    if not found:
        raise SampleError("no check with a dispersion was made of both")
    # The rows that moved most, when there is no room for all.
    names = list(dict.fromkeys((each.comparison, each.subset) for each in found))
    if len(names) > _MOST_ROWS:
        moved = {
            name: max(abs((e.ratio or 1) - 1) for e in found if (e.comparison, e.subset) == name) for name in names
        }
        kept = sorted(names, key=lambda name: -moved[name])[:_MOST_ROWS]
        names = [name for name in names if name in kept]
    made = style.figure(style.WIDTH + 0.6, 1.5 + 0.2 * len(names))
    panels = made.subplots(1, len(LABELS), sharey=True, squeeze=False)[0]
    places = {name: i for i, name in enumerate(names)}
    furthest = max(0.1, min(0.6, 1.15 * max(abs((each.ratio or 1) - 1) for each in found)))
    for axes, label in zip(panels, LABELS, strict=True):
        _checks_panel(axes, [e for e in found if e.label == label.name], places, furthest)
        axes.set_title(label.tex)
    panels[0].set_yticks(range(len(names)), labels=[_row_title(*name) for name in names], fontsize=7.5)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[len(LABELS) // 2].set_xlabel(
        f"dispersion of {comparison.this.short} / dispersion of {comparison.other.short}"
    )
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, label=words) for words, (marker, colour) in _SIGNS.items()
    ]
    made.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return made


def _checks_panel(
    axes: Axes, found: Sequence[ResultChange], places: Mapping[tuple[str, str], int], furthest: float
) -> None:
    axes.axvline(1.0, color=style.INK, lw=0.9, zorder=1)
    for i in range(1, len(places), 2):
        axes.axhspan(i - 0.5, i + 0.5, color=style.GREY, alpha=0.12, lw=0, zorder=0)
    for each in found:
        if (each.comparison, each.subset) not in places or each.ratio is None:
            continue
        marker, colour = _SIGNS[each.change]
        ratio = float(np.clip(each.ratio, 1 - furthest, 1 + furthest))
        y = places[each.comparison, each.subset]
        axes.errorbar(ratio, y, xerr=each.ratio_error, fmt=marker, color=colour, ms=4.5, lw=1.0, zorder=4)
    axes.set_xlim(1 - 1.05 * furthest, 1 + 1.05 * furthest)
    axes.xaxis.set_major_locator(style.some_ticks(4))
    axes.tick_params(axis="y", length=0)


def _row_title(comparison: str, subset: str) -> str:
    known = load_checks().comparisons
    return f"{known[comparison].short if comparison in known else comparison}: {nice(subset)}"


FIGURES: tuple[AgainstFigure, ...] = (
    AgainstFigure(
        "changes",
        "Change of each label in units of sigma",
        "{this} minus {other}, divided by the combined sigma of both, sqrt(σ² + σ²); what lies beyond 6 σ is counted "
        "at the edges. Both read the same spectra: their errors are mostly the same, so that far fewer stars than a "
        "Gaussian's change by 1 σ.",
        histograms,
    ),
    AgainstFigure(
        "labels",
        "Change against the label",
        "{this} minus {other} against the label in {other}. Red: running median and 68 % band; grey: distribution of "
        "the label. N, mean b and standard deviation σ count all stars, also those beyond the frame.",
        against_labels,
    ),
    AgainstFigure(
        "kiel",
        "Where the labels changed",
        "Kiel diagrams by the labels of {this}, coloured by the change in units of sigma (means in cells where stars "
        "are many). Last: stars of which a label changed by more than {sigma} σ, above all stars in grey.",
        kiel,
    ),
    AgainstFigure(
        "flags",
        "Digits that flipped, and where",
        "Left: stars whose digit is set in {this} alone (appeared) and in {other} alone (vanished). Right: stars that "
        "lie outside the limits in one of them alone, above all stars in grey.",
        flags,
    ),
    AgainstFigure(
        "checks",
        "Dispersions of the checks",
        "Ratio of the dispersions that both validations found; bars: its standard error, as if the stars were not the "
        "same. Triangles: beyond the tolerance and two standard errors, or another verdict of the check.",
        checks,
    ),
)


def draw_against(comparison: Comparison, pairs: Pairs, folder: Path, stem: str) -> list[Drawn]:
    """Draw all figures that the comparison allows.

    Parameters
    ----------
    comparison : Comparison
    pairs : Pairs
    folder : pathlib.Path
        Existing folder.
    stem : str
        Each figure becomes ``<stem>-<name>.png``.

    Returns
    -------
    list of Drawn
    """
    drawn: list[Drawn] = []
    for figure in FIGURES:
        path = folder / f"{stem}-{figure.name}.png"
        with style.look():
            try:
                style.save(figure.draw(comparison, pairs), path)
            except SampleError as error:
                path.unlink(missing_ok=True)
                drawn.append(Drawn(figure, None, error.message))
                continue
        drawn.append(Drawn(figure, path, ""))
    return drawn

"""Figures of training-likeness: t-SNE maps (Figs. 17 and A.2), who is unlike, and what the threshold does."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from catalog.errors import SampleError
from catalog.validation.figures import style
from catalog.validation.figures.data import PERPLEXITY, FigureData
from catalog.validation.figures.panels import annotate, coloured, crowd
from catalog.validation.results import Result

__all__ = ["kinds", "likeness", "likeness_labels", "modes", "threshold"]

_LABELS: tuple[tuple[str, tuple[float, float], Colormap], ...] = (
    ("teff", (3500.0, 7000.0), style.DENSITY),
    ("logg", (0.5, 5.0), style.DENSITY),
    ("mh", (-1.5, 0.4), style.METALLICITY),
)
_KIND_COLOURS = (style.RED, style.BLUE, style.GREEN, style.ORANGE, style.PURPLE, style.SKY, style.INK, "#F0E442")
_METHODS = (("tsne", style.RED, "digit 8 (t-SNE)"), ("pca", style.BLUE, "distance"), ("placed", style.GREEN, "placed"))
_PAPER_UNLIKE = 171_728 / 841_300
"""Share of the paper's observed sample that is training-unlike (Sect. 5.1)."""


def likeness(data: FigureData) -> Figure:
    """t-SNE map of the RVS spectra: all, training and observed, training-like and unlike."""
    found = _map(data)
    x, y, training, alike = (found[name] for name in ("x", "y", "training", "alike"))
    made = style.figure(style.WIDTH + 1.5, 3.6)
    panels = made.subplots(1, 4, sharex=True, sharey=True)
    for axes in panels:
        _frame(axes, x, y)
        axes.set_xlabel("t-SNE x")
    panels[0].set_ylabel("t-SNE y")
    crowd(panels[0], x, y, colour=style.INK, bins=180)
    panels[0].set_title(f"all spectra ({x.size:,})")
    observed = ~training
    _ground(panels[1], x[observed], y[observed], style.ORANGE)
    _ground(panels[1], x[training], y[training], style.GREEN)
    panels[1].set_title("training and observed")
    annotate(panels[1], f"training {int(training.sum()):,}", colour=style.GREEN)
    annotate(panels[1], f"observed {int(observed.sum()):,}", colour=style.ORANGE, corner="lower left")
    for axes, mask, colour, cmap, title in (
        (panels[2], observed & alike, style.BLUE, style.blues(), "observed, training-like"),
        (panels[3], observed & ~alike, style.RED, style.reds(), "observed, training-unlike"),
    ):
        _ground(axes, x, y, "#dfe3e8")
        crowd(axes, x[mask], y[mask], colour=colour, cmap=cmap, bins=180)
        axes.set_title(title)
        annotate(axes, f"{int(mask.sum()):,} ({mask.sum() / max(observed.sum(), 1):.1%})")
    return made


def likeness_labels(data: FigureData) -> Figure:
    """t-SNE map coloured by the labels: training stars, training-like and unlike observed stars, as Fig. A.2."""
    found = _map(data)
    x, y, training, alike = (found[name] for name in ("x", "y", "training", "alike"))
    made = style.figure(style.WIDTH, 9.2)
    panels = made.subplots(3, 3, sharex=True, sharey=True)
    samples = (
        (training, "training sample"),
        (~training & alike, "observed, training-like"),
        (~training & ~alike, "observed, training-unlike"),
    )
    for row, (name, limits, cmap) in zip(panels, _LABELS, strict=True):
        for axes, (mask, title) in zip(row, samples, strict=True):
            _frame(axes, x, y)
            _ground(axes, x, y, "#eceff2")
            drawn = coloured(axes, x[mask], y[mask], found[name][mask], limits, cmap=cmap)
            if name == "teff":
                axes.set_title(f"{title} ({int(mask.sum()):,})")
        made.colorbar(drawn, ax=row, label=style.axis_title(name), extend="both", aspect=18, pad=0.01)
        row[0].set_ylabel("t-SNE y")
    for axes in panels[-1]:
        axes.set_xlabel("t-SNE x")
    return made


def kinds(data: FigureData) -> Figure:
    """Kinds of stars of a synthetic sky: where they lie in the map, and how many of each are unlike."""
    found, rows = _map(data), [r for r in data.results if r.comparison == "likeness"]
    by_kind = [r for r in rows if r.subset not in ("completeness", "purity", "all") and "flagged" in r.extra]
    if not data.kinds or not by_kind:
        raise SampleError("the kinds of stars are only known on a synthetic sky")
    order = sorted({r.subset for r in by_kind}, key=lambda kind: _kind_order(by_kind, kind))
    made = style.figure(style.WIDTH + 1.5, 5.4)
    where, who = made.subplots(1, 2, width_ratios=(1.15, 1.0))
    _frame(where, found["x"], found["y"])
    kind = np.array([data.kinds.get(int(i), "") for i in found["source_id"]])
    colours = {name: _KIND_COLOURS[i % len(_KIND_COLOURS)] for i, name in enumerate(order)}
    size = float(np.clip(16_000 / max(kind.size, 1), 1.0, 8.0))
    # The common kinds first, so that they do not hide the rare ones.
    for name in sorted(order, key=lambda name: -np.count_nonzero(kind == name)):
        mask = kind == name
        where.scatter(found["x"][mask], found["y"][mask], s=size, c=colours[name], linewidths=0, rasterized=True)
    unlike = ~found["training"] & ~found["alike"]
    where.scatter(
        found["x"][unlike], found["y"][unlike], s=3.5 * size, facecolors="none", edgecolors=style.INK, linewidths=0.35,
        rasterized=True,
    )  # fmt: skip
    where.set_xlabel("t-SNE x")
    where.set_ylabel("t-SNE y")
    where.set_title(f"kinds in the map of perplexity {PERPLEXITY}; rings: training-unlike there")
    _kind_bars(who, by_kind, order, colours)
    lines = []
    for method, _, words in _METHODS[:2]:
        values = [r for r in rows if r.label == method and r.subset in ("completeness", "purity") and r.n]
        if values:
            lines.append(f"{words}: " + ", ".join(f"{r.subset} {r.extra['fraction']:.0%}" for r in values))
    who.set_title("\n".join(lines))
    return made


def _kind_order(rows: Sequence[Result], kind: str) -> tuple[bool, int]:
    row = next(r for r in rows if r.subset == kind)
    return not row.extra["absent"], -row.n


def _kind_bars(axes: Axes, rows: Sequence[Result], order: Sequence[str], colours: dict[str, str]) -> None:
    place = {kind: i for i, kind in enumerate(order)}
    # Colours are the kinds' already.
    for k, ((method, _, words), colour) in enumerate(zip(_METHODS[:2], (style.INK, style.GREY), strict=True)):
        found = [r for r in rows if r.label == method and r.extra["fraction"] is not None]
        y = [place[r.subset] + 0.19 * (2 * k - 1) for r in found]
        shares = [100 * r.extra["fraction"] for r in found]
        axes.barh(y, shares, height=0.36, color=colour, label=words)
        for position, share in zip(y, shares, strict=True):
            axes.text(share, position, f" {share:.0f}", va="center", fontsize=8)
    texts = []
    for kind in order:
        row = next(r for r in rows if r.subset == kind)
        texts.append(f"{kind}\n{row.n:,} observed, {row.extra['training']:,} training")
    axes.set_yticks(range(len(order)), labels=texts)
    for tick, kind in zip(axes.get_yticklabels(), order, strict=True):
        tick.set_color(colours[kind] if colours[kind] != "#F0E442" else "#b8a800")
    absent = sum(1 for kind in order if next(r for r in rows if r.subset == kind).extra["absent"])
    if 0 < absent < len(order):
        axes.axhline(absent - 0.5, color=style.GREY, lw=1.0, ls=":")
        axes.text(112, absent - 0.45, "above: absent from training", ha="right", va="top", fontsize=8, color=style.GREY)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(0, 113)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("observed stars of the kind that are unlike (%)")
    axes.legend(loc="lower right", ncols=1)


def threshold(data: FigureData) -> Figure:
    """Share of unlike stars, and on a synthetic sky completeness and purity, for other thresholds."""
    if not data.thresholds:
        raise SampleError("likeness has not been computed")
    truth = any(row["completeness"] is not None for row in data.thresholds)
    made = style.figure(style.WIDTH if truth else 0.55 * style.WIDTH, 3.9)
    panels = made.subplots(1, 2 if truth else 1, squeeze=False)[0]
    shown = [method for method, *_ in _METHODS if any(row["method"] == method for row in data.thresholds)]
    for method, colour, words in _METHODS:
        rows = [row for row in data.thresholds if row["method"] == method]
        # The largest distance of all has no place on a logarithmic axis.
        x = np.array([1 - row["quantile"] for row in rows if row["quantile"] < 1])
        curves = [(panels[0], "flagged", "-")]
        if truth:
            curves += [(panels[1], "completeness", "-"), (panels[1], "purity", "--")]
        for axes, name, line in curves:
            values = [row[name] for row in rows if row["quantile"] < 1]
            y = np.array([np.nan if v is None else 100 * v for v in values], dtype=float)
            axes.plot(
                x, y, color=colour, ls=line, lw=1.6, marker="o", ms=2.8, label=words if name == "flagged" else None
            )
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xlim(0.6, 8e-4)
        axes.set_xlabel("training stars beyond the threshold, 1 − quantile")
        axes.set_ylim(0, 102)
        if data.likeness_quantile is not None and data.likeness_quantile < 1:
            axes.axvline(1 - data.likeness_quantile, color=style.GREY, lw=1.0, ls=":")
        if axes is panels[0] and data.likeness_quantile is not None and data.likeness_quantile < 1:
            axes.text(
                (1 - data.likeness_quantile) * 0.93, 99, "this run", color=style.GREY, fontsize=8, rotation=90, va="top"
            )
    panels[0].axhline(100 * _PAPER_UNLIKE, color=style.INK, lw=1.0, ls=(0, (5, 3)))
    panels[0].text(0.57, 100 * _PAPER_UNLIKE + 1, "paper 20.4 %", fontsize=8)
    panels[0].set_ylabel("observed stars that are unlike (%)")
    panels[0].legend(loc="upper right", title=None if len(shown) > 1 else words)
    if truth:
        panels[1].set_ylabel("%")
        handles = [
            Line2D([], [], color=style.INK, ls=ls, label=text) for ls, text in (("-", "completeness"), ("--", "purity"))
        ]
        panels[1].legend(handles=handles, loc="center left")
        panels[1].set_title("stars of kinds that the training sample lacks")
    return made


def modes(data: FigureData) -> Figure:
    """Agreement of joint and incremental digits, and of the t-SNE digit and its companion."""
    modes = [r for r in data.results if r.comparison == "incremental" and "expected" in r.extra]
    verdicts = [r for r in data.results if r.comparison == "companion" and "verdict" in r.extra]
    if not modes and not verdicts:
        raise SampleError("likeness has not been computed")
    made = style.figure(style.WIDTH + 1.0, 3.9)
    left, right = made.subplots(1, 2, width_ratios=(1.0, 1.15))
    y = np.arange(len(modes))
    left.barh(y, [100 * r.extra["fraction"] for r in modes], color=style.GREEN, height=0.55)
    for position, row in zip(y, modes, strict=True):
        left.plot([100 * row.extra["expected"]] * 2, [position - 0.4, position + 0.4], color=style.INK, lw=1.6)
        joint, placed = (f"{row.extra[f'unlike_{mode}'] / row.n:.1%} {mode}" for mode in ("joint", "placed"))
        words = f"{row.extra['fraction']:.1%}; unlike {joint}, {placed}"
        left.text(2, position, words, va="center", fontsize=8, color="white")
    left.set_yticks(
        y, labels=["all maps" if r.extra["perplexity"] is None else f"{r.extra['perplexity']}" for r in modes]
    )
    left.tick_params(axis="y", length=0)
    left.set_ylim(max(len(modes), 1) - 0.5, -0.5)
    if not modes:
        left.text(50, 0, "no map was fitted: stars stand in frozen maps", ha="center", va="center", fontsize=8)
    left.set_xlim(0, 100)
    left.set_xlabel("same verdict, joint and placed (%); line: by chance")
    left.set_ylabel("perplexity")
    left.set_title("frozen maps: joint and incremental")
    parts = list(dict.fromkeys(r.extra["part"] for r in verdicts))
    colours = ("#dfe3e8", style.RED, style.BLUE, style.PURPLE)
    for part in parts:
        start = 0.0
        for row, colour in zip([r for r in verdicts if r.extra["part"] == part], colours, strict=True):
            share = 100 * row.extra["fraction"]
            right.barh(parts.index(part), share, left=start, color=colour, height=0.62)
            if share >= 4:
                right.text(start + share / 2, parts.index(part), f"{share:.0f}", va="center", ha="center", fontsize=8)
            start += share
    numbers = {r.extra["part"]: r.n for r in verdicts}
    right.set_yticks(range(len(parts)), labels=[f"{part} ({numbers[part]:,})".replace("-", "−") for part in parts])
    right.set_ylim(len(parts) - 0.5, -0.5)
    right.set_xlim(0, 100)
    right.tick_params(axis="y", length=0)
    right.set_xlabel("observed stars (%)")
    names = list(dict.fromkeys(r.extra["verdict"] for r in verdicts))
    handles = [Line2D([], [], color=colour, lw=6, label=name) for colour, name in zip(colours, names, strict=False)]
    made.legend(handles=handles, loc="outside upper right", ncols=4)
    return made


def _map(data: FigureData) -> dict[str, np.ndarray]:
    if not data.likeness or data.likeness["x"].size == 0:
        raise SampleError(f"there is no t-SNE map of perplexity {PERPLEXITY}")
    return dict(data.likeness)


def _frame(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    margin = 0.04 * np.ptp(np.concatenate([x, y]))
    axes.set_xlim(x.min() - margin, x.max() + margin)
    axes.set_ylim(y.min() - margin, y.max() + margin)
    axes.minorticks_off()


def _ground(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    size = float(np.clip(9000 / max(x.size, 1), 0.6, 6.0))
    axes.scatter(x, y, s=size, c=colour, linewidths=0, alpha=0.7, rasterized=True)

"""Figures of uncertainties, precision and flags (Figs. 8, 13 and 16)."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, crowd
from catalog.validation.moments import running
from catalog.validation.results import format_value

__all__ = ["flags", "precision", "uncertainties"]

_FOUR = ("teff", "logg", "mh", "alpham")


def uncertainties(data: FigureData) -> Figure:
    """Model-to-model dispersion, running dispersion and overall sigma of training stars against each label."""
    stars = data.stars
    mask = stars.training if stars.training.any() else stars.observed
    if not mask.any():
        raise SampleError("no star has labels")
    made = style.figure(style.WIDTH + 1.5, 5.0)
    panels = made.subplots(2, 5)
    for row, chosen, title in (
        (panels[0], stars.training, "training"),
        (panels[1], stars.observed, "observed, inside the limits"),
    ):
        for axes, label in zip(row, LABELS, strict=True):
            x, e, sigma = (stars[name][chosen] for name in (label.name, f"e{label.name}", f"sigma_{label.name}"))
            axes.set_xlim(*style.window(label.name, stars[label.name][mask]))
            good = np.isfinite(x) & np.isfinite(e) & np.isfinite(sigma)
            x, e, sigma = x[good], e[good], sigma[good]
            top = float(np.percentile(sigma, 98)) * 1.7 if sigma.size else 1.0
            axes.set_ylim(0, top)
            if chosen is stars.observed:  # behind, as in Fig. 13
                beyond = stars.outside & np.isfinite(stars[label.name]) & np.isfinite(stars[f"sigma_{label.name}"])
                behind = stars[label.name][beyond], stars[f"sigma_{label.name}"][beyond]
                crowd(axes, *behind, colour="#d5d9df", cmap=style.greys(), size=2)
            crowd(axes, x, e, colour=style.RED, cmap=style.reds(), size=3)
            crowd(axes, x, sigma, colour=style.BLUE, cmap=style.blues(), size=3)
            # What was added to e* in quadrature is the fitted running dispersion.
            added = np.sqrt(np.clip(sigma.astype(np.float64) ** 2 - e.astype(np.float64) ** 2, 0, None))
            centres, _, middle, _ = running(x, added, n_bins=int(np.clip(x.size // 40, 3, 40)), fewest=5)
            axes.plot(centres, middle, color=style.GREEN, lw=2)
            calibrated = stars[f"sigma_{label.name}_oof"][chosen][good]
            told = np.isfinite(calibrated)
            centres, _, middle, _ = running(
                x[told], calibrated[told], n_bins=int(np.clip(told.sum() // 40, 3, 40)), fewest=5
            )
            axes.plot(centres, middle, color=style.INK, lw=1.6, ls=(0, (4, 2)))
            if x.size:
                shown = (("median e", e), ("σ", sigma), ("calibrated", calibrated[told]))
                lines = [
                    f"{words} {format_value(label.name, float(np.median(values)))}"
                    for words, values in shown
                    if values.size
                ]
                annotate(axes, "\n".join(lines), corner="upper right", size=7.5)
            axes.set_xlabel(style.axis_title(label.name))
            axes.xaxis.set_major_locator(style.some_ticks(5))
        row[0].set_title(f"{title} (N = {int(chosen.sum()):,})")
        row[0].set_ylabel("uncertainty")
    entries = ((style.RED, "model-to-model e"), (style.GREEN, "running dispersion"), (style.BLUE, "overall σ"))
    handles = [Line2D([], [], color=colour, lw=4, label=text) for colour, text in entries]
    handles.append(Line2D([], [], color=style.INK, lw=1.6, ls=(0, (4, 2)), label="calibrated σ, median"))
    handles.append(Line2D([], [], color="#c9ced6", lw=4, label="σ outside the limits"))
    made.legend(handles=handles, loc="outside upper right", ncols=5)
    return made


def precision(data: FigureData) -> Figure:
    """Dispersion of CNN − APOGEE and GSP-Spec − APOGEE in bins of S/N."""
    rows = [
        r for r in data.results if r.comparison == "precision" and r.dispersion is not None and r.status != "not run"
    ]
    if not rows:
        raise SampleError("no S/N bin has enough stars with APOGEE labels")
    made = style.figure(style.WIDTH, 5.4)
    panels = made.subplots(2, 2, sharex=True)
    looks = (
        ("CNN", "training", style.ORANGE, "-", "o"), ("CNN", "observed", style.GREEN, "-", "s"),
        ("GSP-Spec", "training", style.ORANGE, "--", "o"), ("GSP-Spec", "observed", style.GREEN, "--", "s"),
    )  # fmt: skip
    for axes, name in zip(panels.flat, _FOUR, strict=True):
        for source, sample, colour, line, marker in looks:
            series = [
                r for r in rows if r.label == name and r.extra["source"] == source and r.extra["sample"] == sample
            ]
            snr = np.array([r.extra["snr"] for r in series])
            sigma = np.array([r.dispersion for r in series], dtype=float)
            n = np.array([r.n for r in series], dtype=float)
            error = sigma / np.sqrt(2 * np.maximum(n - 1, 1))
            face = colour if source == "CNN" else "white"
            axes.errorbar(
                snr, sigma, error, color=colour, ls=line, marker=marker, ms=5.5, mfc=face, lw=1.6, elinewidth=0.9,
                label=f"{source}, {sample}",
            )  # fmt: skip
        axes.axhline(data.paper[name], color=style.GREY, lw=1.2, ls=":", label="paper, training")
        axes.set_xscale("log")
        axes.set_ylim(0, None)
        axes.set_ylabel(rf"$\sigma$ {style.axis_title(name)}")
        axes.set_xticks([15, 20, 30, 50, 100, 200], labels=["15", "20", "30", "50", "100", "200"])
        axes.tick_params(axis="x", which="minor", labelbottom=False)
    for axes in panels[1]:
        axes.set_xlabel("S/N of the RVS spectrum")
    handles, texts = panels[0, 0].get_legend_handles_labels()
    made.legend(handles, texts, loc="outside upper center", ncols=5)
    return made


def flags(data: FigureData) -> Figure:
    """Share of observed stars with each digit of the flag set, and the S/N distribution."""
    rows = {
        r.label: r
        for r in data.results
        if r.comparison == "limits" and r.subset == "observed" and "fraction" in r.extra
    }
    if not rows:
        raise SampleError("the flag has not been computed")
    made = style.figure(style.WIDTH, 3.2)
    bars, snr = made.subplots(1, 2, width_ratios=(1.5, 1.0))
    names = ["any", *(digit.name for digit in FLAG_DIGITS)]
    texts = ["any digit", *(f"{digit.position}  {digit.text}" for digit in FLAG_DIGITS)]
    shares = [100 * rows[name].extra["fraction"] if name in rows else 0.0 for name in names]
    y = np.arange(len(names))[::-1]
    bars.barh(y, shares, color=[style.INK, *[style.BLUE] * 7, style.RED], height=0.7)
    for position, share in zip(y, shares, strict=True):
        bars.text(share, position, f"  {share:.1f} %", va="center", fontsize=8.5)
    bars.set_yticks(y, labels=texts)
    bars.tick_params(axis="y", which="both", length=0)
    bars.set_xlim(0, max(shares) * 1.2 + 1)
    bars.set_xlabel("share of observed stars (%)")
    bars.set_title("Outside the training sample's limits, by digit of flag_boundary")
    stars = data.stars
    edges = np.geomspace(10, 400, 45)
    for mask, colour, title in (
        (~stars.training, style.GREEN, "observed"), (stars.outside, style.RED, "observed, outside the limits"),
        (stars.training, style.BLUE, "training"),
    ):  # fmt: skip
        counts, _ = np.histogram(stars["snr"][mask & np.isfinite(stars["snr"])], bins=edges)
        snr.stairs(counts, edges, color=colour, lw=1.6, label=title)
    snr.set_xscale("log")
    snr.set_xticks([10, 20, 50, 100, 200], labels=["10", "20", "50", "100", "200"])
    snr.tick_params(axis="x", which="minor", labelbottom=False)
    snr.set_xlabel("S/N of the RVS spectrum")
    snr.set_ylabel("stars")
    snr.legend()
    return made

"""Figures of the stars outside the limits: where they are, and how wrong their labels are (Figs. 18 and 19)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, coloured, moments_text
from catalog.validation.figures.sequences import draw_spectra, name_lines
from catalog.validation.moments import moments

__all__ = ["outside", "outside_residuals", "outside_shares"]

# Regions of Sect. 5.3: Teff, log g; their marker and colour in Fig. 19.
_REGIONS = (
    ("hot dwarfs", (5700.0, 7000.0), (2.0, 4.5), "o", style.BLUE),
    ("cool dwarfs", (4000.0, 5000.0), (4.5, np.inf), "x", style.GREEN),
    ("cool giants", (2000.0, 4800.0), (-2.0, 2.0), "*", style.ORANGE),
)
_MH_BINS = ((-np.inf, -1.0), (-1.0, -0.5), (-0.5, 0.0), (0.0, np.inf))
_MH_LIMITS = (-2.0, 0.5)
_SPECTRA = ((11, r"$T_{\rm eff}$ ≥ 6500 K"), (12, "cool dwarfs"), (13, "cool giants"))
_TEFF, _LOGG = (2000.0, 9500.0), (-1.5, 6.5)


def outside(data: FigureData) -> Figure:
    """Kiel diagrams of the stars outside the limits by [M/H], and mean spectra of three regions."""
    stars = data.stars
    if not stars.outside.any():
        raise SampleError("no observed star lies outside the limits")
    made = style.figure(style.WIDTH + 1.5, 7.4)
    upper, lower = made.subfigures(2, 1, squeeze=False, height_ratios=(1.25, 1.0), hspace=0.02)[:, 0]
    panels = upper.subplots(1, len(_MH_BINS), sharex=True, sharey=True)
    for axes, (low, high) in zip(panels, _MH_BINS, strict=True):
        mask = stars.outside & (stars["mh"] >= low) & (stars["mh"] < high)
        style.kiel_axes(axes, _TEFF, _LOGG)
        shown = coloured(
            axes, stars["teff"][mask], stars["logg"][mask], stars["mh"][mask], _MH_LIMITS, cmap=style.METALLICITY
        )
        _outline(axes)
        beyond = mask & ~_within(stars["teff"], _TEFF) | mask & ~_within(stars["logg"], _LOGG)
        annotate(axes, f"N = {int(mask.sum()):,}" + (f"\n{int(beyond.sum()):,} beyond" if beyond.any() else ""))
        axes.set_title(_bin_title(low, high))
        axes.xaxis.set_major_locator(style.ticks(2000))
        if axes is not panels[0]:
            axes.set_ylabel("")
    upper.colorbar(shown, ax=list(panels), label=style.axis_title("mh"), pad=0.01, fraction=0.02, extend="both")
    limits = (float(data.wavelength[0]), float(data.wavelength[-1]))
    spectra = lower.subplots(1, len(_SPECTRA), sharey=True)
    for axes, (number, words) in zip(spectra, _SPECTRA, strict=True):
        means = [m for m in data.mean_spectra if m.sequence == number]
        draw_spectra(axes, data.wavelength, means, limits, width=0.9)
        name_lines(axes, limits, labelled=False)
        axes.set_title(f"Mean spectra: {words}")
        axes.set_xlabel("vacuum wavelength (nm)")
        handles = [
            Line2D(
                [], [], color=line.get_color(), lw=2, label=f"{mean.value:+.2f} ({mean.n_stars:,})".replace("-", "−")
            )
            for line, mean in zip(axes.lines, means, strict=False)
        ]
        if handles:
            axes.legend(handles=handles, title="mean [M/H] (stars)", loc="lower left", fontsize=7, title_fontsize=7)
        else:
            annotate(axes, "no stars with spectra")
    spectra[0].set_ylabel("mean flux")
    return made


def _bin_title(low: float, high: float) -> str:
    if np.isinf(low):
        return f"[M/H] < {high:g}".replace("-", "−")
    text = f"[M/H] ≥ {low:g}" if np.isinf(high) else f"{low:g} ≤ [M/H] < {high:g}"
    return text.replace("-", "−")


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return (values >= limits[0]) & (values <= limits[1])


def _outline(axes: Axes) -> None:
    """Draw the regions of Sect. 5.3 into a Kiel diagram."""
    for _, teff, logg, _, colour in _REGIONS:
        top = min(logg[1], _LOGG[1])
        axes.add_patch(
            Rectangle((teff[0], logg[0]), teff[1] - teff[0], top - logg[0], fill=False, ec=colour, lw=1.1, zorder=5)
        )


def outside_residuals(data: FigureData) -> Figure:
    """CNN − APOGEE of the stars outside the limits in three regions of the Kiel diagram."""
    stars = data.stars
    masks = [
        stars.outside & _within(stars["teff"], teff) & _within(stars["logg"], logg) & np.isfinite(stars["teff_apogee"])
        for _, teff, logg, _, _ in _REGIONS
    ]
    if not any(mask.any() for mask in masks):
        raise SampleError("no star outside the limits in the three regions has APOGEE labels")
    made = style.figure(style.WIDTH, 6.4)
    panels = made.subplots(2, 2)
    for axes, name in zip(panels.flat, ("teff", "logg", "mh", "alpham"), strict=True):
        everything = np.concatenate([(stars[name] - stars[f"{name}_apogee"])[mask] for mask in masks])
        reference = np.concatenate([stars[f"{name}_apogee"][mask] for mask in masks])
        axes.set_xlim(*_span(reference))
        low, high = _span(everything)
        axes.set_ylim(low, high + 0.32 * (high - low))  # room for three lines
        beyond = 0
        for i, (mask, (words, _, _, marker, colour)) in enumerate(zip(masks, _REGIONS, strict=True)):
            x, y = stars[f"{name}_apogee"][mask], (stars[name] - stars[f"{name}_apogee"])[mask]
            size = {"o": 12, "x": 18, "*": 26}[marker]
            edge = {"linewidths": 1.0} if marker == "x" else {"linewidths": 0}
            axes.scatter(x, y, s=size, marker=marker, c=colour, alpha=0.7, rasterized=True, **edge)
            beyond += int((~_within(y, (low, high)))[np.isfinite(y)].sum())
            axes.text(
                0.03, 0.965 - 0.072 * i, f"{words}:  {moments_text(name, moments(y))}", color=colour, fontsize=7.8,
                fontweight="bold", transform=axes.transAxes, va="top", zorder=10,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
            )  # fmt: skip
        axes.axhline(0, color=style.INK, lw=0.9, ls=(0, (5, 3)), zorder=4)
        if beyond:
            annotate(axes, f"{beyond} beyond the frame", corner="lower right", size=7)
        axes.set_xlabel(style.axis_title(name, "APOGEE"))
        axes.set_ylabel(rf"CNN − APOGEE, {style.axis_title(name)}")
    return made


def _span(values: np.ndarray) -> tuple[float, float]:
    """Return a range that holds nearly all of `values`, and zero width never."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return -1.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, [1.0, 99.0]))
    margin = 0.08 * (high - low) or 0.1
    return low - margin, high + margin


def outside_shares(data: FigureData) -> Figure:
    """Share of observed stars with each digit of the flag, by region, [M/H] and colour."""
    rows = [r for r in data.results if r.comparison == "outside" and r.extra.get("fraction") is not None]
    if not rows:
        raise SampleError("the flag has not been computed")
    parts = sorted({(r.extra["part_number"], r.subset, r.n) for r in rows})
    names = ["any", *(digit.name for digit in FLAG_DIGITS)]
    shares = {(r.subset, r.label): 100 * r.extra["fraction"] for r in rows}
    values = np.array([[shares.get((part, name), np.nan) for name in names] for _, part, _ in parts])
    made = style.figure(style.WIDTH, 0.27 * len(parts) + 1.2)
    axes = made.subplots()
    # The square root parts the few per cent from none.
    norm = PowerNorm(0.5, 0, 100)
    shown = axes.imshow(values, cmap="YlGnBu", norm=norm, aspect="auto", interpolation="nearest")
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        text = f"{values[i, j]:.0f}" if values[i, j] >= 10 else f"{values[i, j]:.1f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color="white" if values[i, j] > 40 else style.INK)
    numbers = np.array([number for number, _, _ in parts])
    for i in np.flatnonzero(numbers[1:] // 10 != numbers[:-1] // 10):
        axes.axhline(i + 0.5, color="white", lw=5)
    axes.axvline(0.5, color="white", lw=5)
    axes.set_xticks(range(len(names)), labels=["any digit", *(f"{d.position}  {d.text}" for d in FLAG_DIGITS)])
    words = [f"{_print(part)}   {n:,}" for _, part, n in parts]
    axes.set_yticks(range(len(parts)), labels=words, fontsize=8)
    axes.tick_params(length=0, top=False, right=False)
    axes.set_title("Share of observed stars outside the limits (%), by part of the sample and digit of flag_boundary")
    made.colorbar(shown, ax=axes, label="per cent of the part", pad=0.01, fraction=0.02, ticks=[0, 1, 5, 20, 50, 100])
    return made


def _print(part: str) -> str:
    for plain, sign in (("<=", "≤"), (">=", "≥"), ("BP-RP", "BP−RP"), (" -", " −")):
        part = part.replace(plain, sign)
    return f"−{part[1:]}" if part.startswith("-") else part

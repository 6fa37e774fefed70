"""Sensitivity maps: what the networks look at (Sect. 3.5, Figs. 9 and 10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from catalog.ensemble.studies.lines import Line, known_lines, smooth
from catalog.errors import SampleError
from catalog.metadata import LABELS, Label
from catalog.releases import PixelGrid
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData

__all__ = ["sensitivity", "sensitivity_xp"]

_MOST_REGIONS = 3
_CURVES = ((style.BLUE, "-"), (style.ORANGE, "--"), (style.GREEN, ":"))
_SPECIES = {"Ca": style.INK, "Fe": style.RED, "Ti": style.BLUE, "Si": style.GREEN, "Cr": style.PURPLE}
_SCALARS = {"phot_g_mean_mag": "G", "phot_bp_mean_mag": "BP", "phot_rp_mean_mag": "RP", "parallax": r"$\varpi$"}

# Lines of one feature that are closer share a name, nm.
_TOGETHER = 0.15
# Room that an upright name takes along the axis, nm.
_NAME_WIDTH = 0.36


def sensitivity(data: FigureData) -> Figure:
    """Mean spectra, and the gradient of each label along the spectrum, with the lines that the paper names."""
    regions = _shown(data)
    first = regions[0]["region"]
    made = style.figure(style.WIDTH + 2.0, 10.6)
    panels = made.subplots(1 + len(LABELS), 1, sharex=True, height_ratios=(1.25, *[1.0] * len(LABELS)))
    wavelength = data.wavelength
    grid = _grid(wavelength)
    lines = [line for line in known_lines() if line.named and wavelength[0] <= line.wavelength <= wavelength[-1]]
    for region, (colour, dashes) in zip(regions, _CURVES, strict=False):
        title = f"{region['region']} ({region['n_stars']} stars)"
        panels[0].plot(wavelength, region["flux"], color=colour, ls=dashes, lw=1.1, label=title)
    panels[0].set_ylabel("mean flux")
    panels[0].set_ylim(top=1.1)
    panels[0].legend(loc="lower right", ncols=_MOST_REGIONS, bbox_to_anchor=(1.0, 0.0))
    _name_lines(panels[0], lines, wavelength)
    for label, axes in zip(LABELS, panels[1:], strict=True):
        axes.axhline(0.0, color=style.GREY, lw=0.8, zorder=0)
        for region, (colour, dashes) in zip(regions, _CURVES, strict=False):
            row = _gradient(data, region["region"], label, "spectrum")
            curve = smooth(np.array(row["gradient"]), grid)
            axes.plot(wavelength, curve, color=colour, ls=dashes, lw=1.1)
            if region["region"] == first and row["n_members"] > 1:
                band = smooth(np.array(row["scatter"]), grid)
                axes.fill_between(wavelength, curve - band, curve + band, color=colour, alpha=0.18, lw=0)
        _peaks(axes, [peak for peak in data.sensitivity["peaks"] if _is(peak, first, label)])
        _influence(axes, label, _gradient(data, first, label, "spectrum")["influence"])
        axes.set_ylabel(rf"$\partial$ {style.axis_title(label.name)}")
        axes.yaxis.set_major_locator(style.some_ticks(4, symmetric=True))
        # Room for what is written below.
        axes.margins(y=0.14)
    for axes in panels:
        for line in lines:
            axes.axvline(line.wavelength, color=_colour(line.species), lw=0.6, alpha=0.45, zorder=0)
    panels[-1].set_xlim(wavelength[0], wavelength[-1])
    panels[-1].xaxis.set_major_locator(style.ticks(2.0))
    panels[-1].set_xlabel("vacuum wavelength (nm)")
    return made


def sensitivity_xp(data: FigureData) -> Figure:
    """Correlation of XP coefficients and labels, and gradients with respect to all inputs but the spectrum."""
    regions = [region for region in data.sensitivity.get("regions", ()) if region["n_stars"]]
    correlations = {row["label"]: row for row in data.sensitivity.get("correlations", ())}
    if not regions or not correlations:
        raise SampleError(_why_not(data))
    names = correlations[LABELS[0].name]["names"]
    halves = [np.array([name.startswith(half) for name in names]) for half in ("bp", "rp")]
    region = regions[0]
    made = style.figure(style.WIDTH + 2.0, 9.4)
    panels = made.subplots(
        1 + len(LABELS), 3, sharex="col", width_ratios=(5.0, 5.0, 1.1), height_ratios=(1.5, *[1.0] * len(LABELS))
    )
    matrix = np.array([correlations[label.name]["pearson"] for label in LABELS], dtype=float)
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad="#d1d5db")
    image = None
    for column, (half, mask) in enumerate(zip(("BP", "RP"), halves, strict=True)):
        axes = panels[0, column]
        extent = (0.5, mask.sum() + 0.5, len(LABELS) - 0.5, -0.5)
        image = axes.imshow(
            np.ma.masked_invalid(matrix[:, mask]), cmap=colours, vmin=-1, vmax=1, aspect="auto", extent=extent,
            interpolation="nearest",
        )  # fmt: skip
        axes.set_yticks(range(len(LABELS)), labels=[label.tex for label in LABELS] if column == 0 else [])
        axes.tick_params(length=0)
        axes.set_title(
            f"{half}: correlation with the labels of {correlations[LABELS[0].name]['n_stars']} training stars"
        )
        panels[-1, column].set_xlabel(f"{half} coefficient")
    assert image is not None
    panels[0, 2].axis("off")
    bar = made.colorbar(image, cax=panels[0, 2].inset_axes((0.0, 0.0, 0.25, 1.0)))
    bar.set_label("correlation")
    for label, line in zip(LABELS, panels[1:], strict=True):
        rows = {name: _gradient(data, region["region"], label, name) for name in ("xp", "scalars")}
        for mask, axes in zip(halves, line[:2], strict=True):
            if rows["xp"]:
                _bars(axes, np.array(rows["xp"]["gradient"])[mask], np.array(rows["xp"]["scatter"])[mask])
        line[1].sharey(line[0])
        line[0].autoscale(axis="y")
        line[1].tick_params(labelleft=False)
        line[2].yaxis.tick_right()
        if rows["scalars"]:
            _bars(line[2], np.array(rows["scalars"]["gradient"]), np.array(rows["scalars"]["scatter"]))
            ticks = [_SCALARS.get(name, name) for name in rows["scalars"]["names"]]
            line[2].set_xticks(range(1, len(ticks) + 1), labels=ticks)
        line[0].set_ylabel(rf"$\partial$ {style.axis_title(label.name)}")
        for axes in line:
            axes.axhline(0.0, color=style.INK, lw=0.7)
            axes.yaxis.set_major_locator(style.some_ticks(4, symmetric=True))
    panels[1, 0].set_title(f"Gradients by full range of each input: {region['region']}, {region['n_stars']} stars")
    return made


def _shown(data: FigureData) -> list[Mapping[str, Any]]:
    """Return the regions whose spectra are shown: those of similar stars, the whole sample only for want of others."""
    filled = [region for region in data.sensitivity.get("regions", ()) if region["n_stars"]]
    alike = [region for region in filled if region["rule"] != "every training star"]
    if not filled:
        raise SampleError(_why_not(data))
    return (alike or filled)[:_MOST_REGIONS]


def _why_not(data: FigureData) -> str:
    if data.sensitivity.get("regions"):
        return "no training star lies in a region that was studied"
    return "the sensitivity of this ensemble has not been studied (`rvscat study`)"


def _gradient(data: FigureData, region: str, label: Label, name: str) -> Mapping[str, Any]:
    rows = data.sensitivity["gradients"]
    return next((row for row in rows if _is(row, region, label) and row["input"] == name), {})


def _is(row: Mapping[str, Any], region: str, label: Label) -> bool:
    return bool(row["region"] == region and row["label"] == label.name)


def _grid(wavelength: np.ndarray) -> PixelGrid:
    step = float(wavelength[1] - wavelength[0])
    return PixelGrid(start=float(wavelength[0]), step=step, n_pixels=len(wavelength), medium="vacuum", frame="rest")


def _bars(axes: Axes, heights: np.ndarray, errors: np.ndarray) -> None:
    x = np.arange(1, len(heights) + 1)
    colours = np.where(heights > 0, style.RED, style.BLUE)
    axes.bar(x, heights, width=0.8, color=colours, yerr=errors, error_kw={"lw": 0.7, "ecolor": style.INK})
    axes.set_xlim(0.4, len(heights) + 0.6)


def _peaks(axes: Axes, peaks: Sequence[Mapping[str, Any]]) -> None:
    """Mark the peaks of the first region, and tell how many of them fall on known lines."""
    colour = _CURVES[0][0]
    for on_line in (True, False):
        some = [peak for peak in peaks if (peak["line"] is not None) == on_line]
        face = colour if on_line else "white"
        axes.plot(
            [peak["wavelength"] for peak in some], [peak["gradient"] for peak in some], "o", ms=4, mec=colour, mfc=face,
            mew=0.9, zorder=5,
        )  # fmt: skip
    if peaks:
        n = sum(peak["line"] is not None for peak in peaks)
        _write(axes, 0.995, f"{n} of the {len(peaks)} strongest peaks on known lines", "right")


def _influence(axes: Axes, label: Label, value: float) -> None:
    """Tell what the spectra matter."""
    unit = "K" if label.name == "teff" else "dex"
    _write(axes, 0.005, f"with the mean spectrum for all stars: {value:.{label.decimals + 1}f} {unit} rms", "left")


def _write(axes: Axes, x: float, text: str, side: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    axes.text(x, 0.04, text, transform=axes.transAxes, fontsize=8, ha=side, va="bottom", bbox=box, zorder=6)


def _colour(species: str) -> str:
    return _SPECIES.get(species.split()[0], style.GREY)


def _name_lines(axes: Axes, lines: Sequence[Line], wavelength: np.ndarray) -> None:
    """Write the names of the features above `axes`, moved apart where they would overlap."""
    groups: list[list[Line]] = []
    for line in lines:
        if (
            groups
            and groups[-1][-1].feature == line.feature
            and line.wavelength - groups[-1][-1].wavelength < _TOGETHER
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
    wanted = np.array([np.mean([line.wavelength for line in group]) for group in groups])
    order = np.arange(len(wanted)) * _NAME_WIDTH
    # The nearest places in the same order that are a name's width apart.
    places = isotonic_regression(wanted - order).x + order
    places += min(0.0, wavelength[-1] - 0.5 * _NAME_WIDTH - places[-1])
    across = axes.get_xaxis_transform()
    for group, place, centre in zip(groups, places, wanted, strict=True):
        colour = _colour(group[0].feature)
        for line in group:
            axes.plot(
                [line.wavelength, line.wavelength, place], [1.0, 1.03, 1.14], color=colour, lw=0.7, transform=across,
                clip_on=False,
            )  # fmt: skip
        axes.text(
            place, 1.16, f"{group[0].feature}  {centre:.1f}", color=colour, fontsize=7.5, rotation=90, ha="center",
            va="bottom", transform=across,
        )  # fmt: skip

"""Residual figures: catalogue against reference surveys (Figs. 7, 15, 20 and 22) and truth."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.panels import annotate, crowd, residual_panel, shared_limit

__all__ = ["apogee", "closure", "galah", "gspphot", "gspspec", "metal_poor"]

_FOUR = ("teff", "logg", "mh", "alpham")

Column = tuple[str, Callable[[str], np.ndarray | None], Callable[[str], np.ndarray | None], str]


def _grid(
    data: FigureData, columns: Sequence[Column], names: Sequence[str], axis: Sequence[str], height: float = 1.75
) -> Figure:
    """Draw residuals of `names` (rows) for several pairs of sources (columns)."""
    made = style.figure(style.WIDTH, height * len(names) + 0.7)
    panels = made.subplots(len(names), len(columns), squeeze=False)
    for i, name in enumerate(names):
        pairs = [(reference(name), difference(name)) for _, reference, difference, _ in columns]
        limit = shared_limit(name, data.paper[name], [d for _, d in pairs if d is not None])
        x_limits = style.window(name, *(r[np.isfinite(d)] for r, d in pairs if r is not None and d is not None))
        for j, (title, _, _, colour) in enumerate(columns):
            axes = panels[i, j]
            reference, difference = pairs[j]
            if reference is None or difference is None:
                axes.set_axis_off()
                continue
            residual_panel(axes, name, reference, difference, x_limits=x_limits, y_limit=limit, colour=colour)
            if i == 0:
                axes.set_title(title)
            if j == 0:
                axes.set_ylabel(rf"$\Delta$ {style.axis_title(name)}")
            else:
                axes.set_yticklabels([])
            axes.set_xlabel(style.axis_title(name, axis[j]))
    return made


def _need(data: FigureData, column: str, mask: np.ndarray, what: str) -> None:
    if not np.isfinite(data.stars[column][mask]).any():
        raise SampleError(what)


def apogee(data: FigureData) -> Figure:
    """CNN − APOGEE for training and observed stars, and calibrated GSP-Spec − APOGEE for training stars."""
    stars = data.stars
    _need(data, "teff_apogee", np.ones(len(stars), bool), "no star has APOGEE labels")

    def column(title: str, mask: np.ndarray, source: str, colour: str) -> Column:
        def values(name: str) -> np.ndarray | None:
            return stars[f"{name}{source}"] if name != "feh" or not source else None

        def difference(name: str) -> np.ndarray | None:
            found = values(name)
            return None if found is None else np.where(mask, found - stars[f"{name}_apogee"], np.nan)

        return title, lambda name: stars[f"{name}_apogee"] if values(name) is not None else None, difference, colour

    columns = [
        column("CNN − APOGEE, training", stars.training, "", style.BLUE),
        column("CNN − APOGEE, observed inside the limits", stars.observed, "", style.GREEN),
        column("GSP-Spec (calibrated) − APOGEE, training", stars.training, "_gspspec", style.PURPLE),
    ]
    return _grid(data, columns, [label.name for label in LABELS], ["APOGEE"] * 3)


def gspspec(data: FigureData) -> Figure:
    """Calibrated GSP-Spec − APOGEE and CNN − calibrated GSP-Spec for observed stars inside the limits."""
    stars = data.stars
    _need(data, "teff_gspspec", stars.observed, "no observed star inside the limits has good GSP-Spec labels")

    def column(title: str, first: str, second: str) -> Column:
        return (
            title,
            lambda name: stars[f"{name}{second}"],
            lambda name: np.where(stars.observed, stars[f"{name}{first}"] - stars[f"{name}{second}"], np.nan),
            style.PURPLE,
        )

    columns = [column("GSP-Spec − APOGEE", "_gspspec", "_apogee"), column("CNN − GSP-Spec", "", "_gspspec")]
    return _grid(data, columns, list(_FOUR), ["APOGEE", "GSP-Spec"])


def metal_poor(data: FigureData) -> Figure:
    """CNN − APOGEE at 15 < S/N < 25: all observed stars inside the limits, and the metal-poor ones."""
    stars = data.stars
    low = stars.observed & (stars["snr"] > 15) & (stars["snr"] < 25)
    poor = low & (stars["mh_apogee"] < -1)
    _need(data, "teff_apogee", low, "no observed star with 15 < S/N < 25 has APOGEE labels")
    made = style.figure(style.WIDTH, 4.3)
    panels = made.subplots(2, 4)
    for row, mask, colour, title in (
        (panels[0], low, style.GREEN, "observed, 15 < S/N < 25"),
        (panels[1], poor, style.RED, "and [M/H] < −1"),
    ):
        for axes, name in zip(row, _FOUR, strict=True):
            reference = np.where(mask, stars[f"{name}_apogee"], np.nan)
            difference = stars[name] - reference
            limit = shared_limit(name, data.paper[name], [difference])
            residual_panel(
                axes, name, reference, difference, x_limits=style.window(name, reference), y_limit=limit, colour=colour
            )
            axes.set_xlabel(style.axis_title(name, "APOGEE"))
            axes.set_ylabel(rf"$\Delta$ {style.symbol(name)}")
        row[0].set_title(f"CNN − APOGEE, {title}")
    return made


def galah(data: FigureData) -> Figure:
    """CNN − GALAH DR3 for observed stars inside the limits with 15 ≤ S/N ≤ 25."""
    stars = data.stars
    mask = stars.observed & (stars["snr"] >= 15) & (stars["snr"] <= 25)
    _need(data, "feh_galah", mask, "no observed star inside the limits with 15 ≤ S/N ≤ 25 has good GALAH labels")
    made = style.figure(style.WIDTH, 5.2)
    panels = made.subplots(2, 2)
    for axes, name in zip(panels.flat, ("teff", "logg", "feh", "alpham"), strict=True):
        reference = np.where(mask, stars[f"{name}_galah"], np.nan)
        difference = stars[name] - reference
        limit = shared_limit(name, data.paper[name], [difference])
        residual_panel(
            axes,
            name,
            reference,
            difference,
            x_limits=style.window(name, reference),
            y_limit=limit,
            colour=style.ORANGE,
        )
        theirs = r"[$\alpha$/Fe] GALAH (dex)" if name == "alpham" else style.axis_title(name, "GALAH")
        axes.set_xlabel(theirs)
        axes.set_ylabel(rf"CNN − GALAH, {style.axis_title(name)}")
    return made


def gspphot(data: FigureData) -> Figure:
    """CNN and GSP-Phot against APOGEE, and GSP-Phot against CNN, for observed stars with all three."""
    stars = data.stars
    mask = (
        stars.observed
        & np.isfinite(stars["teff_apogee"])
        & np.isfinite(stars["teff_gspphot"] + stars["logg_gspphot"] + stars["mh_gspphot"])
    )
    if not mask.any():
        raise SampleError("no observed star inside the limits has both APOGEE and GSP-Phot labels")

    def column(title: str, first: str, second: str, colour: str) -> Column:
        return (
            title,
            lambda name: stars[f"{name}{second}"],
            lambda name: np.where(mask, stars[f"{name}{first}"] - stars[f"{name}{second}"], np.nan),
            colour,
        )

    columns = [
        column("CNN − APOGEE", "", "_apogee", style.GREEN),
        column("GSP-Phot − APOGEE", "_gspphot", "_apogee", style.PURPLE),
        column("GSP-Phot − CNN", "_gspphot", "", style.PURPLE),
    ]
    return _grid(data, columns, ["teff", "logg", "mh"], ["APOGEE", "APOGEE", "CNN"], height=1.9)


def closure(data: FigureData) -> Figure:
    """Recovered against injected labels of a synthetic sky, and their differences."""
    stars = data.stars
    _need(data, "teff_truth", stars.observed, "only a synthetic sky has a known truth")
    made = style.figure(style.WIDTH + 1.5, 6.4)
    panels = made.subplots(3, 5)
    for j, label in enumerate(LABELS):
        name = label.name
        truth = stars[f"{name}_truth"]
        limits = style.window(name, truth[stars.observed])
        axes = panels[0, j]
        axes.set_xlim(*limits)
        axes.set_ylim(*limits)
        crowd(axes, truth[stars.observed], stars[name][stars.observed], colour=style.GREEN)
        axes.axline((limits[0], limits[0]), slope=1, color=style.INK, lw=0.9, ls=(0, (5, 3)))
        axes.set_title(label.tex)
        axes.set_ylabel("recovered (observed)" if j == 0 else "")
        correlation = np.corrcoef(truth[stars.observed], stars[name][stars.observed])[0, 1]
        annotate(axes, f"r = {correlation:.3f}")
        differences = [np.where(mask, stars[name] - truth, np.nan) for mask in (stars.training, stars.observed)]
        limit = shared_limit(name, data.paper[name], differences)
        for axes, difference, colour, title in zip(
            panels[1:, j], differences, (style.BLUE, style.GREEN), ("training", "observed"), strict=True
        ):
            residual_panel(axes, name, truth, difference, x_limits=limits, y_limit=limit, colour=colour)
            axes.set_ylabel(f"recovered − injected\n({title})" if j == 0 else "")
        panels[2, j].set_xlabel(f"injected {style.axis_title(name)}")
    return made

"""Columns of astrophysical_parameters: the pipelines that the comparisons need, and a few others."""

import numpy as np
import pandas as pd

from catalog.mock.gaia_source import SOLUTION_ID, classifier
from catalog.mock.streams import stream

__all__ = ["astrophysical_parameters"]


def astrophysical_parameters(seed: int, block: int, stars: pd.DataFrame) -> dict[str, object]:
    """Return the columns of astrophysical_parameters that the sky fills.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    block : int
        Number of the block of stars, which has random numbers of its own.
    stars : pandas.DataFrame
        The block's stars with all columns of `observation.observe`.

    Returns
    -------
    dict of str to array_like
        Values by column name; what is not there is null in the file.
    """
    rng = stream(seed, "astrophysical_parameters", block)
    n = len(stars)
    single = np.float32
    emission, classified = stars["emission"].to_numpy(), (stars["espels"] != "").to_numpy()
    flame = stars["has_bp"].to_numpy() & (rng.random(n) < 0.7)
    noisy = {name: stars[name].to_numpy() * rng.lognormal(0.0, 0.05, n) for name in ("radius", "luminosity", "mass")}
    halpha = 0.2 - 6.0 * emission + rng.normal(0.0, 0.1, n)
    hot = (stars["teff"] > 7500.0).to_numpy()
    columns: dict[str, object] = {
        "solution_id": SOLUTION_ID,
        "source_id": stars["source_id"].to_numpy(),
        **classifier(seed, block, stars),
        **{name: stars[name].to_numpy() for name in stars.columns if "_gspphot" in name or "_gspspec" in name},
        "classlabel_espels": _where_known(classified, stars["espels"].to_numpy()),
        "classlabel_espels_flag": _where_known(classified, np.full(n, "0")),
        "ew_espels_halpha": np.where(stars["has_bp"], halpha, np.nan).astype(single),
        "spectraltype_esphs": stars["esphs"].to_numpy(),
        "flags_esphs": np.array([f"0{i}" for i in rng.integers(0, 3, n)], dtype=object),
        "teff_esphs": np.where(hot, stars["teff"] * rng.lognormal(0.0, 0.05, n), np.nan).astype(single),
        "logg_esphs": np.where(hot, stars["logg"] + rng.normal(0.0, 0.2, n), np.nan).astype(single),
    }
    for name, column in (("radius", "radius_flame"), ("luminosity", "lum_flame"), ("mass", "mass_flame")):
        for suffix, factor in (("", 1.0), ("_lower", 0.95), ("_upper", 1.05)):
            columns[column + suffix] = np.where(flame, noisy[name] * factor, np.nan).astype(single)
    return columns


def _where_known(known: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return texts with None where nothing is known."""
    values = texts.astype(object)
    values[~known] = None
    return values

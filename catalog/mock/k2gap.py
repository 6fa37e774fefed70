"""K2 GAP as it sees the synthetic sky: oscillating giants along the ecliptic, in the layout of APO-K2."""

from typing import Any

import numpy as np
import pandas as pd

from catalog.mock.apogee import two_mass_names
from catalog.mock.layouts import names
from catalog.mock.streams import pick, stream

__all__ = ["FILE_NAME", "k2gap_text"]

FILE_NAME = "apo_k2_catalog.csv"

SOLAR_NUMAX, SOLAR_TEFF, SOLAR_LOGG = 3090.0, 5777.0, 4.44
"""Scaling relation of Sect. 6.2: microhertz, K, log(cm/s2)."""


def k2gap_text(seed: int, stars: pd.DataFrame) -> str:
    """Return the CSV table of oscillating giants along the ecliptic.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.

    Returns
    -------
    str
        Header and rows in the layout of the APO-K2 catalogue.
    """
    rng = stream(seed, "k2gap")
    tilt = np.radians(23.4392911)
    ra, dec = np.radians(stars["ra"].to_numpy()), np.radians(stars["dec"].to_numpy())
    latitude = np.degrees(np.arcsin(np.sin(dec) * np.cos(tilt) - np.cos(dec) * np.sin(tilt) * np.sin(ra)))
    giants = stars["kind"].isin(["giant", "red clump"]) & stars["logg"].between(1.0, 3.35) & stars["has_rvs"]
    in_fields = giants.to_numpy() & (np.abs(latitude) < 16.0)
    chosen = pick(rng, in_fields, max(12, round(0.55 * in_fields.sum())))
    seen = stars[chosen].reset_index(drop=True)
    n = len(seen)
    teff = seen["teff"].to_numpy() + rng.normal(0.0, 30.0, n)
    numax = SOLAR_NUMAX * 10 ** (seen["logg"].to_numpy() - SOLAR_LOGG) / np.sqrt(seen["teff"].to_numpy() / SOLAR_TEFF)
    error = rng.uniform(0.008, 0.03, n)
    numax = numax * (1.0 + rng.normal(0.0, 1.0, n) * np.hypot(error, 0.015))
    mass = np.clip(seen["mass"].to_numpy() * rng.lognormal(0.0, 0.08, n), 0.4, 4.0)
    dnu = 135.1 * np.sqrt(mass) * (np.maximum(numax, 1.0) / SOLAR_NUMAX) ** 0.75 * mass**-0.25
    spacing = rng.random(n) < 0.97
    campaigns = rng.integers(1, 19, n)
    rows: dict[str, list[object]] = {name: [""] * n for name in names("k2gap")}
    rows["epic"] = (201_000_000 + np.sort(rng.choice(50_000_000, n, replace=False))).tolist()
    rows["apogee"] = two_mass_names(seen["ra"].to_numpy(), seen["dec"].to_numpy()).tolist()
    rows["gaia_source"] = seen["source_id"].tolist()
    rows["camp"] = [f'"[{c}, {c + 12}]"' if c < 6 else str(c) for c in campaigns]
    rows["ev"] = np.where(seen["kind"] == "red clump", "RC", "RGB").tolist()
    printed: dict[str, tuple[Any, int]] = {
        "ra": (seen["ra"], 3), "dec": (seen["dec"], 3), "glat": (seen["b"], 2), "glon": (seen["l"], 2),
        "teff_err": (rng.uniform(6.0, 14.0, n), 1), "logg": (seen["logg"] + rng.normal(0.0, 0.04, n), 2),
        "logg_err": (rng.uniform(0.02, 0.05, n), 3), "meh": (seen["mh"] + rng.normal(0.0, 0.015, n), 3),
        "meh_err": (rng.uniform(0.006, 0.012, n), 4), "feh": (seen["feh"] + rng.normal(0.0, 0.015, n), 3),
        "feh_err": (rng.uniform(0.007, 0.014, n), 4), "alpham": (seen["alpham"] + rng.normal(0.0, 0.01, n), 3),
        "alpham_err": (rng.uniform(0.005, 0.01, n), 3), "numax": (numax, 2), "numax_err": (numax * error, 3),
        "para": (seen["parallax"], 2), "para_err": (seen["parallax_error"], 3), "radius": (seen["radius"], 2),
    }  # fmt: skip
    for name, (values, digits) in printed.items():
        rows[name] = [f"{value:.{digits}f}" if np.isfinite(value) else "" for value in values]
    rows["teff"] = [f"{value:.0f}" for value in teff]
    # A spacing that could not be measured is blank; an orbit that could not be computed is -999.
    derived = {"dnu": (dnu, 2), "dnu_err": (0.02 * dnu, 3), "mass": (mass, 2), "mass_err": (0.08 * mass, 3)}
    for name, (values, digits) in derived.items():
        rows[name] = [f"{value:.{digits}f}" if known else "" for value, known in zip(values, spacing, strict=True)]
    rows["alpha_flags"] = ["0.0"] * n
    rows["fdnu_flags"] = ["0"] * n
    rows["gaia_binary_flag"] = ["0"] * n
    for name in ("ecc", "ecc_err", "zmax", "zmax_err"):
        rows[name] = ["-999.0" if not known else "0.1" for known in spacing]
    lines = [",".join(names("k2gap"))]
    lines += [",".join(map(str, row)) for row in zip(*rows.values(), strict=True)]
    return "\n".join(lines) + "\n"

"""GSP-Spec, GSP-Phot and the other pipelines of the Gaia consortium, as the comparisons of the paper find them.

The errors are those of Sects. 3.3 and 6.1: GSP-Spec worsens quickly below S/N 25, where its flags are raised, and
has outliers; its raw values need the polynomials of Recio-Blanco et al. (2023) to become unbiased. GSP-Phot knows
little of [M/H] below -0.8.
"""

import numpy as np
import pandas as pd
from numpy.polynomial.polynomial import polyval

from catalog.mock.streams import stream

__all__ = ["GSPSPEC_ALPHA", "GSPSPEC_LOGG", "GSPSPEC_MH", "gspphot", "gspspec"]

# Coefficients in the raw log g, lowest order first (Recio-Blanco et al. 2023, Tables 3 and 4).
GSPSPEC_LOGG = (0.4496, -0.0036, -0.0224)
GSPSPEC_MH = (0.2740, -0.1373, -0.0050, 0.0048)
GSPSPEC_ALPHA = (-0.5809, 0.7018, -0.2402, 0.0239)

N_FLAGS = 41
N_QUALITY_FLAGS = 13


def gspspec(seed: int, stars: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return columns of astrophysical_parameters made from RVS spectra.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n,)
        NaN or None where the pipeline gave nothing.
    """
    rng = stream(seed, "gspspec")
    n = len(stars)
    snr = np.maximum(stars["snr"].to_numpy(), 5.0)
    teff = stars["teff"].to_numpy()
    given = stars["has_rvs"].to_numpy() & (teff < 8000.0) & (rng.random(n) < np.where(snr < 20.0, 0.85, 0.97))
    worse = np.sqrt(1.0 + (45.0 / snr) ** 2)
    errors = {"teff": 75.0 * worse, "logg": 0.14 * worse, "mh": 0.075 * worse, "alphafe": 0.045 * worse}
    noise = {name: rng.normal(0.0, 1.0, n) * error for name, error in errors.items()}
    outlier = rng.random(n) < 0.02
    noise["teff"] += np.where(outlier, rng.choice([-1.0, 1.0], n) * rng.uniform(500.0, 1400.0, n), 0.0)
    noise["logg"] += np.where(outlier, rng.choice([-1.0, 1.0], n) * rng.uniform(0.6, 1.5, n), 0.0)
    true_logg = stars["logg"].to_numpy() + 0.05 + noise["logg"]
    logg = true_logg.copy()
    for _ in range(12):  # invert the calibration, so that applying it gives the truth back
        logg = true_logg - polyval(logg, GSPSPEC_LOGG)
    values = {
        "teff": teff + noise["teff"],
        "logg": logg,
        "mh": stars["mh"].to_numpy() + noise["mh"] - polyval(logg, GSPSPEC_MH),
        "alphafe": stars["alpham"].to_numpy() + noise["alphafe"] - polyval(logg, GSPSPEC_ALPHA),
    }
    columns: dict[str, np.ndarray] = {}
    for name, value in values.items():
        digits = 0 if name == "teff" else 2
        kept = np.where(given, value, np.nan)
        half = errors[name] * rng.uniform(0.4, 0.9, n)
        columns[f"{name}_gspspec"] = kept.round(digits).astype(np.float32)
        columns[f"{name}_gspspec_lower"] = (kept - half).round(digits).astype(np.float32)
        columns[f"{name}_gspspec_upper"] = (kept + half).round(digits).astype(np.float32)
    iron = stars["feh"].to_numpy() - stars["mh"].to_numpy() + rng.normal(0.0, 0.05, n) * worse
    columns["fem_gspspec"] = np.where(given & (snr > 25.0), iron, np.nan).round(2).astype(np.float32)
    columns["logchisq_gspspec"] = np.where(given, rng.normal(-3.2, 0.3, n) + 1.2 / worse, np.nan).astype(np.float32)
    columns["flags_gspspec"] = _flags(rng, stars, given)
    return columns


def _flags(rng: np.random.Generator, stars: pd.DataFrame, given: np.ndarray) -> np.ndarray:
    """Return the chain of 41 digits (Recio-Blanco et al. 2023, Table 2)."""
    n = len(stars)
    snr = stars["snr"].to_numpy()
    digits = np.zeros((n, N_FLAGS), dtype=np.int8)
    broad = stars["vbroad"].to_numpy()
    grade = np.clip(((broad - 15.0) / 12.0).astype(int), 0, 2)
    digits[:, 0:3] = np.where(rng.random((n, 3)) < 0.8, grade[:, None], 0)
    poor_velocity = (stars["rv_error"].to_numpy() > 5.0) & (rng.random(n) < 0.7)
    digits[:, 3:6] = poor_velocity[:, None]
    # fluxNoise: the uncertainties are large below S/N 25 without exception (Sect. 1).
    chance = np.where(snr < 25.0, 1.1, np.where(snr < 40.0, 0.35, 0.06))
    digits[:, 6] = np.where(rng.random(n) < chance, np.clip(np.round(90.0 / snr), 1, 5), 0)
    outside = (stars["teff"].to_numpy() < 3800.0) | (stars["teff"].to_numpy() > 7500.0)
    digits[:, 7] = np.where(outside, rng.integers(1, 4, n), np.where(rng.random(n) < 0.12, 1, 0))
    digits[:, 8] = rng.random(n) < 0.01
    digits[:, 10] = stars["emission"].to_numpy() > 0.0
    digits[:, 12] = np.where(stars["teff"] < 3900.0, rng.integers(1, 3, n), 0)
    # Pairs of the elements: 9 where a line was not measured.
    measured = rng.random((n, 13)) < np.where(snr > 60.0, 0.6, 0.2)[:, None]
    pairs = np.where(measured, 0, 9)
    digits[:, 13:39] = np.repeat(pairs, 2, axis=1)
    digits[:, 39:41] = np.where(rng.random((n, 2)) < 0.7, 9, 0)
    texts = np.array(["".join(map(str, row)) for row in digits.tolist()], dtype=object)
    texts[~given] = None
    return texts


def gspphot(seed: int, stars: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return columns of gaia_source and astrophysical_parameters made from XP spectra and parallaxes.

    Parameters and result as for `gspspec`.
    """
    rng = stream(seed, "gspphot")
    n = len(stars)
    teff, logg, mh = (stars[name].to_numpy() for name in ("teff", "logg", "mh"))
    given = stars["has_bp"].to_numpy() & (rng.random(n) < 0.93)
    giant = logg < 3.5
    second = rng.random(n) < 0.35  # another library won: a second sequence
    hotter = np.where(giant & (teff < 4500.0), 160.0, 0.0) + np.where(second, 60.0, 0.0)
    higher = np.where(giant & (logg < 2.0), 0.25, 0.02)
    richer = np.where(mh < -0.8, 0.75 * (-0.8 - mh), 0.0) - np.where(second, 0.32, 0.05)
    values = {
        "teff": teff + hotter + rng.normal(0.0, 1.0, n) * np.where(giant, 120.0, 90.0),
        "logg": logg + higher + rng.normal(0.0, 1.0, n) * np.where(giant, 0.25, 0.12),
        "mh": mh + richer + rng.normal(0.0, 0.16, n),
        "distance": 1000.0 * stars["distance"].to_numpy() * rng.lognormal(0.0, 0.06, n),
        "azero": np.maximum(stars["a_v"].to_numpy() + rng.normal(0.0, 0.12, n), 0.0),
    }
    values["ag"] = 0.82 * values["azero"]
    values["ebpminrp"] = 0.43 * values["azero"]
    half = {"teff": 12.0, "logg": 0.012, "mh": 0.02, "azero": 0.015, "ag": 0.012, "ebpminrp": 0.007}
    columns: dict[str, np.ndarray] = {}
    for name, value in values.items():
        width = (0.02 * value if name == "distance" else half[name]) * rng.uniform(0.5, 2.0, n)
        kept = np.where(given, value, np.nan)
        columns[f"{name}_gspphot"] = kept.round(4).astype(np.float32)
        columns[f"{name}_gspphot_lower"] = (kept - width).round(4).astype(np.float32)
        columns[f"{name}_gspphot_upper"] = (kept + width).round(4).astype(np.float32)
    library = np.where(second, "PHOENIX", "MARCS").astype(object)
    library[teff > 8000.0] = "A"
    library[~given] = None
    columns["libname_gspphot"] = library
    return columns

"""GALAH DR3 as it sees the synthetic sky: the south, F to K stars, with flags and an offset that follows Teff."""

import numpy as np
import pandas as pd
from astropy.io import fits

from catalog.mock.apogee import two_mass_names
from catalog.mock.fits_files import NULL_INTEGER, binary_table
from catalog.mock.layouts import fits_columns
from catalog.mock.streams import pick, stream

__all__ = ["FILE_NAME", "galah_hdus"]

FILE_NAME = "GALAH_DR3_main_allstar_v2.fits"


def galah_hdus(seed: int, stars: pd.DataFrame) -> list[fits.hdu.base.ExtensionHDU]:
    """Observe stars with GALAH: the south, away from the plane, F to K.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.

    Returns
    -------
    list of HDU
        The one table of ``GALAH_DR3_main_allstar_v2.fits``.
    """
    rng = stream(seed, "galah")
    visible = (stars["has_rvs"] & (stars["dec"] < 10.0) & (stars["b"].abs() > 5.0)).to_numpy()
    visible = visible & stars["teff"].between(3900.0, 7800.0).to_numpy()
    in_cluster = stars["has_rvs"].to_numpy() & (stars["cluster"] != "").to_numpy()
    # Many of the stars for which the paper needs it: RVS spectra with S/N from 15 to 25.
    weight = np.where(stars["snr"] < 26.0, 2.0, 1.0)
    chosen = pick(rng, visible & ~in_cluster, round(0.30 * visible.sum()), weight) | in_cluster
    seen = stars[chosen].reset_index(drop=True)
    n = len(seen)
    teff, logg = seen["teff"].to_numpy(), seen["logg"].to_numpy()
    snr = np.clip(10 ** (2.0 - 0.12 * (seen["g"].to_numpy() - 11.5)) * rng.lognormal(0.0, 0.35, n), 8.0, 400.0)
    worse = np.sqrt(1.0 + (35.0 / snr) ** 2)
    hotter = np.clip((teff - 5200.0) / 1000.0, -1.0, 2.0)
    measured = {
        "teff": teff + 35.0 * hotter + rng.normal(0.0, 65.0, n) * worse,
        "logg": logg + np.where(logg < 2.2, 0.08, -0.01) + rng.normal(0.0, 0.11, n) * worse,
        "fe_h": seen["feh"].to_numpy() - 0.015 + rng.normal(0.0, 0.06, n) * worse,
        "alpha_fe": seen["alpham"].to_numpy() + 0.01 + 0.012 * hotter + rng.normal(0.0, 0.04, n) * worse,
    }
    problem = rng.random(n)
    flag_sp = np.select([problem < 0.04, problem < 0.07, problem < 0.09], [1, 4, 32], 0)
    flag_sp = np.where((seen["kind"] == "binary") & (rng.random(n) < 0.3), flag_sp | 32, flag_sp)
    failed = (problem > 0.985) | (teff > 7300.0)
    flag_sp = np.where(failed, 512, flag_sp)
    no_alpha = rng.random(n) < 0.05
    sobject = np.sort(140_000_000_000_000 + rng.integers(0, 40_000_000_000, n) * 1000 + 1)
    values: dict[str, object] = {
        "star_id": np.array([name[2:] for name in two_mass_names(seen["ra"].to_numpy(), seen["dec"].to_numpy())]),
        "sobject_id": sobject,
        "dr2_source_id": NULL_INTEGER,  # identifiers of the second release are others
        "dr3_source_id": seen["source_id"].to_numpy(),
        "survey_name": "galah_main",
        "wg4_field": "galah",
        "wg4_pipeline": "free",
        "flag_sp": flag_sp,
        "flag_guess": np.where(rng.random(n) < 0.01, 1, 0),
        "flag_fe_h": np.where(failed, 32, np.where(rng.random(n) < 0.02, 1, 0)),
        "flag_alpha_fe": np.where(no_alpha | failed, 32, 0),
        "flag_repeat": 0,
        "red_flag": 0,
        "e_teff": 60.0 * worse,
        "e_logg": 0.10 * worse,
        "e_fe_h": 0.055 * worse,
        "e_alpha_fe": np.where(no_alpha | failed, np.nan, 0.03 * worse),
        "snr_c1_iraf": 0.6 * snr,
        "snr_c2_iraf": 0.85 * snr,
        "snr_c3_iraf": snr,
        "snr_c4_iraf": 0.95 * snr,
        "chi2_sp": rng.uniform(0.5, 2.5, n),
        "ra_dr2": seen["ra"].to_numpy(),
        "dec_dr2": seen["dec"].to_numpy(),
        "rv_galah": seen["radial_velocity"].to_numpy() + rng.normal(0.0, 0.3, n),
        "ruwe_dr2": seen["ruwe"].to_numpy(),
    }
    for name, value in measured.items():
        values[name] = np.where(failed | (no_alpha if name == "alpha_fe" else False), np.nan, value)
    columns = fits_columns("galah")
    nulls = {name: 999_999 if name == "sobject_id" else NULL_INTEGER for name, form, _ in columns if form == "K"}
    return [binary_table(columns, values, n, nulls=nulls)]

"""Columns of gaia_source: what the sky knows of, and plausible numbers for the rest."""

import numpy as np
import pandas as pd

from catalog.mock.layouts import bulk_columns
from catalog.mock.photometry import mean_flux
from catalog.mock.streams import stream

__all__ = ["SOLUTION_ID", "classifier", "gaia_source"]

SOLUTION_ID = 1636148068921376768
"""Identifier of the processing, as real files of the main tables carry it."""


def gaia_source(seed: int, block: int, stars: pd.DataFrame, release: str, epoch: float) -> dict[str, object]:
    """Return the columns of gaia_source that the sky fills.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    block : int
        Number of the block of stars, which has random numbers of its own.
    stars : pandas.DataFrame
        The block's stars with all columns of `observation.observe`.
    release : str
        Title of the release, part of each designation.
    epoch : float
        Reference epoch, yr.

    Returns
    -------
    dict of str to array_like
        Values by column name; what is not there is null in the file.
    """
    rng = stream(seed, "gaia_source", block)
    n = len(stars)
    single = np.float32
    has_rvs = stars["has_rvs"].to_numpy()
    parallax, error = stars["parallax"].to_numpy(), stars["parallax_error"].to_numpy()
    solved = np.isfinite(parallax)
    ruwe = stars["ruwe"].to_numpy()
    n_al = rng.integers(180, 480, n)
    transits = (n_al / 8.7).astype(np.int16)
    columns: dict[str, object] = {
        "solution_id": SOLUTION_ID,
        "designation": np.array([f"{release} {i}" for i in stars["source_id"]], dtype=object),
        "source_id": stars["source_id"].to_numpy(),
        "random_index": stars["random_index"].to_numpy(),
        "ref_epoch": epoch,
        "ra": stars["ra"].to_numpy(),
        "dec": stars["dec"].to_numpy(),
        "l": stars["l"].to_numpy(),
        "b": stars["b"].to_numpy(),
        "parallax": parallax,
        "parallax_error": error.astype(single),
        "parallax_over_error": (parallax / error).astype(single),
        "astrometric_n_obs_al": n_al.astype(np.int16),
        "astrometric_n_obs_ac": np.where(stars["g"] < 13.0, n_al, 0).astype(np.int16),
        "astrometric_n_good_obs_al": (n_al - 2).astype(np.int16),
        "astrometric_n_bad_obs_al": np.full(n, 2, dtype=np.int16),
        "astrometric_gof_al": (12.0 * (ruwe - 1.0)).astype(single),
        "astrometric_chi2_al": (n_al * ruwe**2).astype(single),
        "astrometric_excess_noise": (0.1 * np.maximum(ruwe - 1.05, 0.0)).astype(single),
        "astrometric_excess_noise_sig": (300.0 * np.maximum(ruwe - 1.05, 0.0)).astype(single),
        "astrometric_params_solved": np.where(solved, 31, 3).astype(np.int16),
        "astrometric_primary_flag": rng.random(n) < 0.3,
        "astrometric_matched_transits": transits,
        "visibility_periods_used": rng.integers(12, 28, n).astype(np.int16),
        "astrometric_sigma5d_max": np.where(solved, 1.4 * error, np.nan).astype(single),
        "matched_transits": (transits + 3).astype(np.int16),
        "new_matched_transits": rng.integers(8, 25, n).astype(np.int16),
        "matched_transits_removed": np.zeros(n, dtype=np.int16),
        "ipd_gof_harmonic_amplitude": rng.uniform(0.005, 0.05, n).astype(single),
        "ipd_gof_harmonic_phase": rng.uniform(0.0, 180.0, n).astype(single),
        "ipd_frac_multi_peak": np.where(ruwe > 1.4, rng.integers(0, 30, n), 0).astype(np.int16),
        "ipd_frac_odd_win": np.zeros(n, dtype=np.int16),
        "ruwe": np.where(solved, ruwe, np.nan).astype(single),
        "duplicated_source": np.zeros(n, dtype=bool),
        "phot_proc_mode": np.zeros(n, dtype=np.int16),
        "phot_bp_rp_excess_factor": rng.normal(1.22, 0.03, n).astype(single),
        "radial_velocity": stars["rv_seen"].to_numpy().astype(single),
        "radial_velocity_error": stars["rv_error"].to_numpy().astype(single),
        "rv_method_used": np.ones(n, dtype=np.int16),
        "rv_nb_transits": stars["transits"].to_numpy().astype(np.int16),
        "rv_nb_deblended_transits": (0.4 * stars["transits"].to_numpy()).astype(np.int16),
        "rv_visibility_periods_used": rng.integers(4, 16, n).astype(np.int16),
        "rv_expected_sig_to_noise": stars["snr"].to_numpy().astype(single),
        "rv_time_duration": rng.uniform(500.0, 1000.0, n).astype(single),
        "rv_template_teff": (np.round(stars["teff"].to_numpy() / 250.0) * 250.0).astype(single),
        "rv_template_logg": (np.round(stars["logg"].to_numpy() * 2.0) / 2.0).astype(single),
        "rv_template_fe_h": (np.round(stars["mh"].to_numpy() * 4.0) / 4.0).astype(single),
        "rv_atm_param_origin": np.full(n, 111, dtype=np.int16),
        "grvs_mag": (stars["grvs"].to_numpy() + rng.normal(0.0, 0.02, n)).astype(single),
        "grvs_mag_error": rng.uniform(0.003, 0.05, n).astype(single),
        "grvs_mag_nb_transits": stars["transits"].to_numpy().astype(np.int16),
        "rvs_spec_sig_to_noise": np.where(has_rvs, stars["snr"].to_numpy(), np.nan).astype(single),
        "phot_variable_flag": np.where(
            stars["variable"], "VARIABLE", np.where(rng.random(n) < 0.01, "CONSTANT", "NOT_AVAILABLE")
        ).astype(object),
        "in_qso_candidates": stars["qso"].to_numpy(),
        "in_galaxy_candidates": stars["galaxy"].to_numpy(),
        "non_single_star": stars["nss"].to_numpy().astype(np.int16),
        "has_xp_continuous": stars["has_xp"].to_numpy(),
        "has_xp_sampled": stars["has_xp"].to_numpy() & (stars["g"].to_numpy() < 15.0),
        "has_rvs": has_rvs,
        "has_epoch_photometry": stars["variable"].to_numpy(),
        "has_epoch_rv": np.zeros(n, dtype=bool),
        "has_mcmc_gspphot": stars["has_bp"].to_numpy(),
        "has_mcmc_msc": stars["has_bp"].to_numpy(),
        "in_andromeda_survey": np.zeros(n, dtype=bool),
        **classifier(seed, block, stars),
        **{name: stars[name].to_numpy() for name in stars.columns if "_gspphot" in name},
    }
    _add_vbroad(rng, stars, columns)
    _add_directions(rng, stars, columns, solved)
    _add_photometry(rng, stars, columns)
    return columns


def classifier(seed: int, block: int, stars: pd.DataFrame) -> dict[str, object]:
    """Return probabilities of the discrete source classifier, which two tables hold; arguments as for `gaia_source`."""
    rng = stream(seed, "classifier", block)
    n = len(stars)
    other = 10 ** rng.uniform(-13.0, -6.0, (2, n))
    other[0][stars["qso"].to_numpy()] = 0.6
    other[1][stars["galaxy"].to_numpy()] = 0.6
    probabilities = {"quasar": other[0], "galaxy": other[1], "star": 1.0 - other.sum(axis=0)}
    return {f"classprob_dsc_combmod_{name}": value.astype(np.float32) for name, value in probabilities.items()}


def _add_vbroad(rng: np.random.Generator, stars: pd.DataFrame, columns: dict[str, object]) -> None:
    n = len(stars)
    given = (stars["grvs"].to_numpy() < 12.0) & (rng.random(n) < 0.8)
    seen = np.maximum(stars["vbroad"].to_numpy() + rng.normal(0.0, 2.0, n), 2.0)
    columns["vbroad"] = np.where(given, seen, np.nan).astype(np.float32)
    columns["vbroad_error"] = np.where(given, 0.15 * seen, np.nan).astype(np.float32)
    columns["vbroad_nb_transits"] = np.ma.array(stars["transits"].to_numpy().astype(np.int16), mask=~given)


def _add_directions(
    rng: np.random.Generator, stars: pd.DataFrame, columns: dict[str, object], solved: np.ndarray
) -> None:
    """Positions, proper motions, their errors and correlations, scan directions, ecliptic coordinates."""
    n = len(stars)
    pm_error = np.where(solved, stars["pm_error"].to_numpy(), np.nan)
    pmra = np.where(solved, stars["pmra_seen"].to_numpy(), np.nan)
    pmdec = np.where(solved, stars["pmdec_seen"].to_numpy(), np.nan)
    columns["pmra"], columns["pmdec"] = pmra, pmdec
    columns["pm"] = np.hypot(pmra, pmdec).astype(np.float32)
    position_error = 0.8 * np.nan_to_num(stars["parallax_error"].to_numpy(), nan=1.2)
    for name in ("ra_error", "dec_error"):
        columns[name] = (position_error * rng.uniform(0.9, 1.1, n)).astype(np.float32)
    for name in ("pmra_error", "pmdec_error"):
        columns[name] = (pm_error * rng.uniform(0.9, 1.1, n)).astype(np.float32)
    for column in bulk_columns("gaia_source"):
        if column.name.endswith("_corr") and "pseudocolour" not in column.name:
            known = solved | (column.name == "ra_dec_corr")
            columns[column.name] = np.where(known, rng.uniform(-0.5, 0.5, n), np.nan).astype(np.float32)
        elif column.name.startswith("scan_direction_strength"):
            columns[column.name] = rng.uniform(0.02, 0.6, n).astype(np.float32)
        elif column.name.startswith("scan_direction_mean"):
            columns[column.name] = rng.uniform(-90.0, 90.0, n).astype(np.float32)
    columns["nu_eff_used_in_astrometry"] = np.where(
        solved, np.clip(1.75 - 0.2 * (stars["bp"] - stars["rp"]), 1.1, 1.9), np.nan
    ).astype(np.float32)
    ra, dec, tilt = (np.radians(angle) for angle in (stars["ra"].to_numpy(), stars["dec"].to_numpy(), 23.4392911))
    east = np.sin(ra) * np.cos(tilt) + np.tan(dec) * np.sin(tilt)
    columns["ecl_lon"] = np.mod(np.degrees(np.arctan2(east, np.cos(ra))), 360.0)
    columns["ecl_lat"] = np.degrees(np.arcsin(np.sin(dec) * np.cos(tilt) - np.cos(dec) * np.sin(tilt) * np.sin(ra)))


def _add_photometry(rng: np.random.Generator, stars: pd.DataFrame, columns: dict[str, object]) -> None:
    n = len(stars)
    for band, visits in (("g", 300), ("bp", 36), ("rp", 37)):
        magnitude = stars[f"{band}_mag"].to_numpy()
        ratio = stars[f"{band}_snr"].to_numpy()
        flux = mean_flux(band, magnitude)
        columns[f"phot_{band}_n_obs"] = rng.integers(visits // 2, 2 * visits, n).astype(np.int16)
        columns[f"phot_{band}_mean_flux"] = flux
        columns[f"phot_{band}_mean_flux_error"] = (flux / ratio).astype(np.float32)
        columns[f"phot_{band}_mean_flux_over_error"] = ratio.astype(np.float32)
        columns[f"phot_{band}_mean_mag"] = magnitude.astype(np.float32)
        if band != "g":
            columns[f"phot_{band}_n_contaminated_transits"] = np.zeros(n, dtype=np.int16)
            columns[f"phot_{band}_n_blended_transits"] = rng.integers(0, 3, n).astype(np.int16)
    g, bp, rp = (stars[f"{band}_mag"].to_numpy() for band in ("g", "bp", "rp"))
    columns["bp_rp"] = (bp - rp).astype(np.float32)
    columns["bp_g"] = (bp - g).astype(np.float32)
    columns["g_rp"] = (g - rp).astype(np.float32)

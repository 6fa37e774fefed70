"""APOGEE DR17 as it sees the synthetic sky: selection, errors, flags, repeated observations, sentinels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy.io import fits

from catalog.mock.fits_files import binary_table
from catalog.mock.layouts import fits_columns
from catalog.mock.streams import pick, stream
from catalog.releases.model import Cuts

__all__ = ["FILE_NAME", "FLAWS", "allstar_hdus", "observe_apogee"]

FILE_NAME = "allStarLite-dr17-synspec_rev1.fits"

TRAINING_SHARE = 0.245
"""Stars without any defect that meet the conditions of a training sample, in units of all RVS stars."""
FAINT_SHARE = 0.09
"""Matched stars whose RVS spectrum is too noisy for training."""
FLAW_SHARE = 0.005
BRIGHT_LIMIT = 7.0
"""G magnitude of the brightest star observed (Sect. 2.6)."""
FLAWS = (
    "star_warn",
    "star_bad",
    "chi2",
    "fe_h_flag",
    "teff_err",
    "logg_err",
    "m_h_err",
    "fe_h_err",
    "alpha_m_err",
    "no label",
)
"""What may be wrong with an APOGEE row; each has stars of its own, fit for training otherwise."""

BITS = {
    "TEFF_WARN": 0, "LOGG_WARN": 1, "VMICRO_WARN": 2, "N_M_WARN": 6, "STAR_WARN": 7, "CHI2_WARN": 8,
    "COLORTE_WARN": 9, "ROTATION_WARN": 10, "SN_WARN": 11, "TEFF_BAD": 16, "LOGG_BAD": 17, "CHI2_BAD": 24,
    "STAR_BAD": 23, "MULTIPLE_SUSPECT": 41,
}  # fmt: skip
"""Bits of ASPCAPFLAG, which has 64."""

ELEMENTS = (
    "C", "CI", "N", "O", "Na", "Mg", "Al", "Si", "P", "S", "K", "Ca", "Ti", "TiII", "V", "Cr", "Mn", "Fe", "Co", "Ni",
    "Cu", "Ge", "Rb", "Ce", "Nd", "Yb", "C13",
)  # fmt: skip
"""Order of the 27 values of X_H and X_M."""
ALPHA_ELEMENTS = {"O", "Mg", "Si", "S", "Ca", "Ti", "TiII"}
UNMEASURED = {"P", "Cu", "Ge", "Rb", "Nd", "Yb", "C13"}


@dataclass(frozen=True)
class _Selection:
    """Rows of the table of stars that APOGEE observed, and what is wrong with each."""

    rows: np.ndarray
    flaw: np.ndarray


def observe_apogee(seed: int, stars: pd.DataFrame, cuts: Cuts) -> pd.DataFrame:
    """Observe stars with APOGEE.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        Columns of `stars.draw_stars` and `observation.observe`.
    cuts : Cuts
        Tell which stars could be training stars: their share is kept near a quarter.

    Returns
    -------
    pandas.DataFrame
        One row an observation, in order of identifier, with columns named as in the file (those that matter).
    """
    rng = stream(seed, "apogee")
    chosen = _select(rng, stars, cuts)
    table = _measure(rng, stars.iloc[chosen.rows].reset_index(drop=True), chosen.flaw)
    again = rng.choice(len(table), max(3, len(table) // 20), replace=False)
    second = _measure(rng, stars.iloc[chosen.rows[again]].reset_index(drop=True), np.full(again.size, "", dtype=object))
    second["SNR"] = (table["SNR"].to_numpy()[again] * rng.uniform(0.35, 0.95, again.size)).astype(np.float32)
    second["EXTRATARG"] = 1 << 4
    second["FIELD"] = "second_look"
    # A poor repetition often has no parameters; two rows of one star may have the same S/N.
    failed = rng.random(again.size) < 0.3
    for name in ("TEFF", "LOGG", "M_H", "ALPHA_M", "FE_H"):
        second[name] = np.where(failed, np.float32(-9999.0), second[name])
    second.loc[0, "SNR"] = table["SNR"].to_numpy()[again[0]]
    unmatched = table.iloc[: max(3, len(table) // 25)].copy()
    unmatched["GAIAEDR3_SOURCE_ID"] = 0
    unmatched["RA"] = np.mod(unmatched["RA"] + rng.uniform(1.0, 300.0, len(unmatched)), 360.0)
    table = pd.concat([table, second, unmatched], ignore_index=True)
    table["APOGEE_ID"] = two_mass_names(table["RA"].to_numpy(), table["DEC"].to_numpy())
    return table.sort_values(["APOGEE_ID", "FIELD", "SNR"], kind="stable", ignore_index=True)


def could_train(stars: pd.DataFrame, cuts: Cuts) -> np.ndarray:
    """Return which stars meet the conditions of Sects. 2.1 to 2.3 and 2.5 that do not concern APOGEE."""
    bands = [stars[f"{band}_snr"] > cuts.phot_mean_flux_over_error_min for band in ("g", "bp", "rp")]
    good = stars["has_rvs"] & stars["has_bp"] & (stars["espels"] == "") & (stars["nss"] == 0)
    good &= ~stars["variable"] & ~stars["galaxy"] & ~stars["qso"] & bands[0] & bands[1] & bands[2]
    good &= (stars["snr"] >= cuts.training_snr_min) & (stars["ruwe"] < cuts.training_ruwe_max)
    good &= stars["parallax"] / stars["parallax_error"] > cuts.training_parallax_over_error_min
    return good.to_numpy()


def _select(rng: np.random.Generator, stars: pd.DataFrame, cuts: Cuts) -> _Selection:
    n = int(stars["has_rvs"].sum())
    # The brightest stars saturate; hot ones show no lines in the H band, and M stars come with the exotic ones below.
    possible = stars["teff"].between(3690.0, 6900.0).to_numpy() & (stars["g"] > BRIGHT_LIMIT).to_numpy()
    ordinary = stars["kind"].isin(["dwarf", "subgiant", "giant", "red clump", "binary"]).to_numpy() & possible
    weight = np.where(stars["logg"] < 3.5, 1.0, 0.9) * np.where(stars["cluster"] != "", 4.0, 1.0)
    weight = np.where(stars["mh"] < -1.0, 1.5 * weight, weight) * np.where(stars["kind"] == "binary", 0.4, 1.0)
    pool = ordinary & could_train(stars, cuts)
    number = min(round(TRAINING_SHARE * n), int(0.8 * pool.sum()))
    taken = pick(rng, pool, number, weight)
    flaw = np.full(len(stars), "", dtype=object)
    free = pool & ~taken & (stars["cluster"] == "").to_numpy()
    for name in FLAWS:
        flawed = pick(rng, free, max(2, round(FLAW_SHARE * n)))
        flaw[flawed] = name
        taken, free = taken | flawed, free & ~flawed
    noisy = ordinary & (stars["snr"] < cuts.training_snr_min).to_numpy() & stars["has_rvs"].to_numpy()
    taken |= pick(rng, noisy, round(FAINT_SHARE * n), weight)
    taken |= stars["flaw"].isin(["poor parallax", "poor astrometry"]).to_numpy() & (rng.random(len(stars)) < 0.9)
    # A few of everything else, among them stars that have no RVS spectrum.
    exotic = ~ordinary & (stars["has_rvs"]).to_numpy() & (rng.random(len(stars)) < 0.13)
    flaw[exotic] = np.where(rng.random(int(exotic.sum())) < 0.5, "star_bad", "star_warn")
    taken |= exotic | (~stars["has_rvs"].to_numpy() & (rng.random(len(stars)) < 0.3))
    rows = np.flatnonzero(taken)
    return _Selection(rows, flaw[rows])


def _measure(rng: np.random.Generator, stars: pd.DataFrame, flaw: np.ndarray) -> pd.DataFrame:
    n = len(stars)
    teff, logg, mh = (stars[name].to_numpy() for name in ("teff", "logg", "mh"))
    h_mag = stars["rp"].to_numpy() - 0.75 * (stars["bp"] - stars["rp"]).to_numpy()
    snr = np.clip(10 ** (2.55 - 0.17 * (h_mag - 9.0)) * rng.lognormal(0.0, 0.3, n), 75.0, 1500.0)
    flags = np.where(rng.random(n) < 0.35, 1 << BITS["N_M_WARN"], 0).astype(np.int64)
    few_lines = 1.0 + 1.2 * np.clip(-mh - 0.8, 0.0, 1.5) + 0.8 * np.clip((teff - 5500.0) / 1000.0, 0.0, 1.0)
    quality = few_lines * (150.0 / snr) ** 0.6 * rng.lognormal(0.0, 0.15, n)
    errors = {"TEFF": 11.0, "LOGG": 0.026, "M_H": 0.008, "ALPHA_M": 0.009, "FE_H": 0.010}
    alpham, feh = stars["alpham"].to_numpy(), stars["feh"].to_numpy()
    true = {"TEFF": teff, "LOGG": logg, "M_H": mh, "ALPHA_M": alpham, "FE_H": feh}
    # Quoted errors are those of the fit; repeated observations scatter more.
    floor = {"TEFF": 24.0, "LOGG": 0.035, "M_H": 0.012, "ALPHA_M": 0.010, "FE_H": 0.014}
    table: dict[str, np.ndarray] = {}
    common = rng.normal(0.0, 1.0, n)
    for name, scale in errors.items():
        error = np.minimum(scale * quality, {"TEFF": 90.0, "LOGG": 0.09}.get(name, 0.08))
        own = common if name in ("M_H", "FE_H") else rng.normal(0.0, 1.0, n)
        table[name] = (true[name] + own * np.hypot(error, floor[name])).astype(np.float32)
        table[f"{name}_ERR"] = error.astype(np.float32)
    # M_H and FE_H come from the same lines: their difference scatters little.
    table["FE_H"] = (table["FE_H"] + rng.normal(0.0, 0.006, n)).astype(np.float32)
    large = {"teff_err": ("TEFF_ERR", 110.0), "logg_err": ("LOGG_ERR", 0.12), "m_h_err": ("M_H_ERR", 0.22),
             "fe_h_err": ("FE_H_ERR", 0.22), "alpha_m_err": ("ALPHA_M_ERR", 0.13)}  # fmt: skip
    for name, (column, value) in large.items():
        table[column] = np.where(flaw == name, value * rng.uniform(1.0, 1.6, n), table[column]).astype(np.float32)
    chi2 = np.where(flaw == "chi2", rng.uniform(26.0, 90.0, n), rng.lognormal(1.1, 0.45, n).clip(0.6, 20.0))
    fe_h_flag = np.where(flaw == "fe_h_flag", rng.choice([2, 32, 256], n), 0)
    warned = flaw == "star_warn"
    snr = np.where(warned & (rng.random(n) < 0.4), rng.uniform(20.0, 69.0, n), snr)
    why = np.where(snr < 70.0, BITS["SN_WARN"], rng.choice([BITS["TEFF_WARN"], BITS["COLORTE_WARN"]], n))
    flags |= np.where(warned, (1 << BITS["STAR_WARN"]) | (np.int64(1) << why), 0)
    bad = flaw == "star_bad"
    flags |= np.where(bad, np.int64(1) << BITS["STAR_BAD"], 0)
    flags |= np.where(bad & (rng.random(n) < 0.6), np.int64(1) << BITS["MULTIPLE_SUSPECT"], 0)
    # Three ways in which the file says "no value".
    empty = np.where(rng.random(n) < 0.7, np.float32(np.nan), np.float32(-9999.0))
    for name in true:
        nothing = bad | ((flaw == "no label") & (name == "ALPHA_M"))
        table[name] = np.where(nothing, empty, table[name]).astype(np.float32)
    table |= {
        "TELESCOPE": np.where(stars["dec"] > -10.0, "apo25m", "lco25m").astype(object),
        "FIELD": np.array(
            [f"{lon:03.0f}{lat:+03.0f}" for lon, lat in zip(stars["l"], stars["b"], strict=True)], dtype=object
        ),
        "RA": stars["ra"].to_numpy(),
        "DEC": stars["dec"].to_numpy(),
        "GLON": stars["l"].to_numpy(),
        "GLAT": stars["b"].to_numpy(),
        "H": h_mag.astype(np.float32),
        "SNR": snr.astype(np.float32),
        "SNREV": (0.9 * snr).astype(np.float32),
        "NVISITS": rng.integers(1, 8, n),
        "STARFLAG": rng.choice([0, 0, 0, 4, 512, 2048], n),
        "VHELIO_AVG": (stars["radial_velocity"] + rng.normal(0.0, 0.05, n)).to_numpy().astype(np.float32),
        "VERR": rng.uniform(0.01, 0.08, n).astype(np.float32),
        "VSINI": np.where(logg > 3.8, stars["vbroad"].to_numpy(), np.nan).astype(np.float32),
        "GAIAEDR3_SOURCE_ID": stars["source_id"].to_numpy(),
        "GAIAEDR3_PARALLAX": stars["parallax"].to_numpy().astype(np.float32),
        "GAIAEDR3_PHOT_G_MEAN_MAG": stars["g_mag"].to_numpy().astype(np.float32),
        "ASPCAP_GRID": np.where(logg < 3.5, "GKg_b", "GKd_b").astype(object),
        "ASPCAP_CHI2": chi2.astype(np.float32),
        "ASPCAPFLAG": flags,
        "FE_H_FLAG": fe_h_flag,
        "EXTRATARG": np.where(rng.random(n) < 0.5, 1, 0),
    }
    return pd.DataFrame(table)


def two_mass_names(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return names of the form 2M19261694+3745527 from positions in degrees."""
    names = []
    for a, d in zip(ra, dec, strict=True):
        hours = round(a / 15.0 * 360_000) % (24 * 360_000)
        arc = min(round(abs(d) * 36_000), 90 * 36_000)
        names.append(
            f"2M{hours // 360_000:02d}{hours // 6000 % 60:02d}{hours % 6000:04d}"
            f"{'-' if d < 0 else '+'}{arc // 36_000:02d}{arc // 600 % 60:02d}{arc % 600:03d}"
        )
    return np.array(names, dtype=object)


def allstar_hdus(table: pd.DataFrame) -> list[fits.hdu.base.ExtensionHDU]:
    """Return the extensions of an allStarLite file: the table, an empty one, and the element names.

    Parameters
    ----------
    table : pandas.DataFrame
        From `observe_apogee`.
    """
    columns = fits_columns("apogee")
    known = [name for name, _, _ in columns if name in table]
    values: dict[str, object] = {name: table[name].to_numpy() for name in known}
    values["ALT_ID"] = "none"
    values["SURVEY"] = "apogee2"
    values["ASPCAPFLAGS"] = _flag_texts(table["ASPCAPFLAG"].to_numpy())
    for name, value in (("MIN_H", -9999.99), ("MAX_H", 9999.99), ("MIN_JK", -9999.99), ("MAX_JK", 9999.99)):
        values[name] = value
    finite = np.where(table["FE_H"] > -90.0, table["FE_H"], np.nan)
    alpha = np.where(table["ALPHA_M"] > -90.0, table["ALPHA_M"], np.nan)
    metals = np.where(table["M_H"] > -90.0, table["M_H"], np.nan)
    x_h = np.full((len(table), len(ELEMENTS)), np.nan, dtype=np.float32)
    for i, element in enumerate(ELEMENTS):
        if element not in UNMEASURED:
            x_h[:, i] = finite if element == "Fe" else metals + (alpha if element in ALPHA_ELEMENTS else 0.0)
    values |= {"X_H": x_h, "X_M": (x_h - metals[:, None]).astype(np.float32)}
    values |= {"TEFF_SPEC": table["TEFF"] - 80.0, "LOGG_SPEC": table["LOGG"] + 0.05, "FE_H_SPEC": table["FE_H"]}
    symbols = fits.Column("ELEM_SYMBOL", "135A", array=np.array(["".join(f"{e:5s}" for e in ELEMENTS)]))
    return [
        binary_table(columns, values, len(table)),
        fits.ImageHDU(),
        fits.BinTableHDU.from_columns([symbols]),
    ]


def _flag_texts(flags: np.ndarray) -> np.ndarray:
    ordered = sorted(BITS.items(), key=lambda item: item[1])
    texts = [",".join(name for name, bit in ordered if int(value) >> bit & 1) for value in flags]
    return np.array(texts, dtype="S256")

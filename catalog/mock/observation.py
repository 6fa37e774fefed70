"""What Gaia measures of each star, and the defects that the cuts of Sect. 2 are there for.

`observe` adds these columns to the table of `stars.draw_stars`:

==============================  ========================================================================
column                          content
==============================  ========================================================================
flaw                            defect put in on purpose, a key of `FLAWS`, or an empty text
g_mag, bp_mag, rp_mag           observed magnitudes; BP is NaN for a star without BP photometry
g_snr, bp_snr, rp_snr           mean flux over its error
parallax, parallax_error, ruwe  mas, mas, -; parallax is NaN for a two-parameter solution
pmra_seen, pmdec_seen,          mas/yr
pm_error
rv_seen, rv_error               km/s
wavelength_shift                km/s: what is left of the radial velocity in the spectrum
has_xp, has_bp                  XP coefficients at all, and BP among them
variable, galaxy, qso, nss      flags of gaia_source; nss is its integer
espels, esphs                   emission-line class (empty text for none, or where Gaia misses it) and spectral type
``*_gspspec``, ``*_gspphot``    what `pipelines` derive
==============================  ========================================================================
"""

import numpy as np
import pandas as pd

from catalog.mock import pipelines
from catalog.mock.streams import pick, stream

__all__ = ["FLAWS", "observe"]

FLAWS: dict[str, tuple[float, int]] = {
    "galaxy candidate": (0.003, 2),
    "QSO candidate": (0.003, 2),
    "variable": (0.030, 3),
    "non-single": (0.025, 3),
    "poor G": (0.003, 2),
    "poor BP": (0.008, 2),
    "poor RP": (0.003, 2),
    "negative parallax": (0.006, 2),
    "no parallax": (0.002, 2),
    "no XP": (0.012, 2),
    "no BP spectrum": (0.004, 2),
    "poor parallax": (0.010, 3),
    "poor astrometry": (0.010, 3),
}
"""Defect: share of the stars and least number. No star has two, so that each cut has stars of its own to reject."""

FOR_TRAINING = {"poor parallax", "poor astrometry"}

MISSED_EMISSION = 0.25
"""Share of the emission-line stars without a class: Gaia does not find all, and the cut of Sect. 2.3 lets them pass."""

ZERO_POINT = -0.03
"""Parallax zero point, mas; the paper does not correct for it (Sect. 2.2)."""


def observe(seed: int, stars: pd.DataFrame) -> pd.DataFrame:
    """Add Gaia's measurements and flags.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        As `catalog.mock.stars.draw_stars` returns it.

    Returns
    -------
    pandas.DataFrame
        The same stars with the columns of the module's text.
    """
    stars = stars.copy()
    _add_flaws(stream(seed, "flaws"), stars)
    _add_photometry(stream(seed, "photometry"), stars)
    _add_astrometry(stream(seed, "astrometry"), stars)
    _add_velocities(stream(seed, "velocities"), stars)
    _add_classes(stream(seed, "classes"), stars)
    derived = {**pipelines.gspphot(seed, stars), **pipelines.gspspec(seed, stars)}
    return pd.concat([stars, pd.DataFrame(derived)], axis=1)


def _add_flaws(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    ordinary = stars["has_rvs"] & stars["kind"].isin(["dwarf", "subgiant", "giant", "red clump"])
    free = (ordinary & (stars["cluster"] == "")).to_numpy()
    total = int(stars["has_rvs"].sum())
    flaw = np.full(len(stars), "", dtype=object)
    for name, (share, least) in FLAWS.items():
        # Defects that matter to training stars alone belong to well-exposed spectra.
        eligible = free & (stars["snr"] > 32.0).to_numpy() if name in FOR_TRAINING else free
        chosen = pick(rng, eligible, max(least, round(share * total)))
        flaw[chosen] = name
        free = free & ~chosen
    stars["flaw"] = flaw


def _add_photometry(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    n = len(stars)
    flaw = stars["flaw"].to_numpy()
    # Flux over error falls with magnitude, BP's fastest: it is the faintest band of a cool star.
    limits = {"g": (5200.0, 0.05, 11.0), "bp": (1650.0, 0.11, 12.0), "rp": (2600.0, 0.08, 11.0)}
    for band, (level, slope, reference) in limits.items():
        magnitude = stars[band].to_numpy()
        ratio = level * 10 ** (-slope * (magnitude - reference)) * rng.lognormal(0.0, 0.22, n)
        ratio = np.where(stars["kind"] == "M giant", ratio * 0.55, ratio)  # they vary
        ratio = np.where(flaw == "variable", ratio * rng.uniform(0.3, 0.8, n), ratio)
        ratio = np.where(flaw == f"poor {band.upper()}", rng.uniform(120.0, 480.0, n), np.maximum(ratio, 60.0))
        # A star with one defect is good in every other respect.
        ratio = np.where((flaw != "") & (flaw != f"poor {band.upper()}"), np.maximum(ratio, 560.0), ratio)
        stars[f"{band}_snr"] = ratio
        stars[f"{band}_mag"] = magnitude + rng.normal(0.0, 1.0, n) * 1.0857 / ratio
    stars["has_xp"] = (flaw != "no XP") & (stars["g"] < 17.65)
    stars["has_bp"] = stars["has_xp"] & (flaw != "no BP spectrum")
    stars["variable"] = (flaw == "variable") | (stars["kind"].isin(["M giant", "hot star"]) & (rng.random(n) < 0.25))
    stars["galaxy"] = flaw == "galaxy candidate"
    stars["qso"] = flaw == "QSO candidate"


def _add_astrometry(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    n = len(stars)
    flaw = stars["flaw"].to_numpy()
    binary = (stars["kind"] == "binary").to_numpy()
    spectroscopic = rng.random(n)
    stars["nss"] = np.where(
        (flaw == "non-single") | (binary & (spectroscopic < 0.2)), rng.choice([1, 2, 3], n, p=[0.3, 0.5, 0.2]), 0
    )
    wobble = (binary & (rng.random(n) < 0.45)) | (flaw == "poor astrometry") | (flaw == "negative parallax")
    ruwe = np.where(wobble, rng.lognormal(np.log(3.2), 0.45, n), rng.lognormal(0.0, 0.07, n))
    ruwe = np.where(flaw == "poor astrometry", np.maximum(ruwe, 1.5), np.maximum(ruwe, 0.75))
    stars["ruwe"] = ruwe
    g = stars["g"].to_numpy()
    error = 0.0115 * 10 ** (0.11 * np.maximum(g - 12.5, 0.0)) * rng.lognormal(0.0, 0.18, n) * np.maximum(ruwe, 1.0)
    true = 1.0 / stars["distance"].to_numpy()
    error = np.where(flaw == "poor parallax", true / rng.uniform(1.5, 4.0, n), error)
    error = np.where(flaw == "negative parallax", np.maximum(error, 0.15), error)
    # A good star with a poor RUWE must not fail for its parallax first.
    error = np.where(flaw == "poor astrometry", np.minimum(error, true / 9.0), error)
    noise = np.clip(rng.normal(0.0, 1.0, n), -3.5, 3.5)
    noise = np.where(np.isin(flaw, ["poor parallax", "poor astrometry"]), np.clip(noise, -0.8, 0.8), noise)
    parallax = true + ZERO_POINT * (1.0 - np.isin(flaw, ["poor parallax"])) + noise * error
    parallax = np.where(flaw == "negative parallax", -rng.uniform(0.1, 2.0, n) * error, parallax)
    stars["parallax"] = np.where(flaw == "no parallax", np.nan, parallax)
    stars["parallax_error"] = np.where(flaw == "no parallax", np.nan, error)
    stars["pm_error"] = error * 1.05
    stars["pmra_seen"] = stars["pmra"] + stars["pm_error"] * rng.normal(0.0, 1.0, n)
    stars["pmdec_seen"] = stars["pmdec"] + stars["pm_error"] * rng.normal(0.0, 1.0, n)


def _add_velocities(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    n = len(stars)
    snr = np.maximum(stars["snr"].to_numpy(), 3.0)
    broad = np.maximum(stars["vbroad"].to_numpy() / 12.0, 1.0)
    error = (0.12 + 18.0 / snr * 10 ** (-0.15 * np.clip(stars["mh"], -2.5, 0.3))) * broad * rng.lognormal(0.0, 0.2, n)
    moving = stars["companion_fraction"].to_numpy() > 0.0
    error = np.where(moving, np.hypot(error, 0.15 * np.abs(stars["companion_velocity"])), error)
    stars["rv_error"] = np.clip(error, 0.11, 38.0)
    stars["rv_seen"] = stars["radial_velocity"] + rng.normal(0.0, 1.0, n) * stars["rv_error"]
    # The spectrum is shifted by the velocity that was measured from it: half of the error shows.
    stars["wavelength_shift"] = 0.5 * np.clip(stars["rv_error"], 0.0, 10.0) * rng.normal(0.0, 1.0, n)


def _add_classes(rng: np.random.Generator, stars: pd.DataFrame) -> None:
    teff, logg = stars["teff"].to_numpy(), stars["logg"].to_numpy()
    letters = np.array(["M", "K", "G", "F", "A", "B", "O"], dtype=object)
    stars["esphs"] = letters[np.digitize(teff, [3900.0, 5250.0, 6000.0, 7350.0, 10000.0, 28000.0])]
    young = np.where(teff > 8000.0, "beStar", np.where(logg > 4.6, "RedDwarfEmStar", "TTauri"))
    shows = (stars["emission"] > 0.0).to_numpy()
    missed = pick(rng, shows, round(MISSED_EMISSION * int(shows.sum())))
    stars["espels"] = np.where(shows & ~missed, young, "").astype(object)

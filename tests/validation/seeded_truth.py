"""Stars of known truth: labels, kinds and populations, and crude spectra."""

import numpy as np

__all__ = ["LABELS", "NOISE", "spectra", "truth_of"]

LABELS = ("teff", "logg", "mh", "alpham", "feh")
NOISE = {"teff": 50.0, "logg": 0.08, "mh": 0.055, "alpham": 0.025, "feh": 0.055}


def truth_of(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Draw the labels of `n` stars, their kinds and their populations."""
    population = rng.choice(["thin", "thick", "halo"], n, p=[0.62, 0.32, 0.06])
    mh = np.select(
        [population == "thin", population == "thick"],
        [rng.normal(-0.05, 0.20, n), rng.normal(-0.45, 0.22, n)],
        rng.normal(-1.45, 0.35, n),
    ).clip(-2.25, 0.5)
    alpham = np.select(
        [population == "thin", population == "thick"],
        [0.04 - 0.12 * mh + rng.normal(0, 0.02, n), 0.22 - 0.10 * mh + rng.normal(0, 0.02, n)],
        rng.normal(0.24, 0.06, n),
    ).clip(-0.15, 0.44)
    kind = rng.choice(
        ["red_giant", "clump", "dwarf", "subgiant", "hot", "m_giant"], n, p=[0.40, 0.22, 0.20, 0.08, 0.05, 0.05]
    )
    giant = 0.7 + 2.6 * rng.beta(1.9, 1.2, n)
    dwarf = rng.uniform(4300, 6250, n)
    logg = np.select(
        [kind == "red_giant", kind == "clump", kind == "dwarf", kind == "subgiant", kind == "hot"],
        [
            giant,
            rng.normal(2.45, 0.06, n),
            4.66 - 0.06 * ((dwarf - 4300) / 900) ** 2.6 + rng.normal(0, 0.03, n),
            rng.uniform(3.4, 4.0, n),
            rng.normal(3.9, 0.15, n),
        ],
        rng.uniform(0.0, 0.8, n),
    )
    teff = np.select(
        [kind == "red_giant", kind == "clump", kind == "dwarf", kind == "subgiant", kind == "hot"],
        [
            3680 + 440 * giant - 260 * mh + rng.normal(0, 45, n),
            4730 - 220 * mh + rng.normal(0, 70, n),
            dwarf,
            5000 + 1500 * (logg - 3.4) + rng.normal(0, 80, n),
            rng.uniform(7000, 9500, n),
        ],
        rng.uniform(3200, 3600, n),
    )
    feh = mh + rng.normal(0, 0.01, n)
    return {"teff": teff, "logg": logg, "mh": mh, "alpham": alpham, "feh": feh}, kind, population


def spectra(truth: dict[str, np.ndarray], snr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crude normalised RVS spectra: the Ca II triplet and a comb of weak lines."""
    wavelength = 846.0 + 0.01 * np.arange(2401)
    flux = np.ones((snr.size, wavelength.size))
    metals = 10 ** (0.35 * truth["mh"])[:, None]
    cool = np.clip((8000 - truth["teff"]) / 3500, 0.05, 1.6)[:, None]
    for centre, depth, width in ((850.036, 0.50, 0.14), (854.444, 0.62, 0.18), (866.452, 0.58, 0.16)):
        flux -= np.clip(depth * metals**0.5, 0, 0.8) / (1 + ((wavelength - centre) / width) ** 2)
    for centre in np.random.default_rng(1).uniform(846.5, 869.5, 60):
        flux -= 0.13 * metals * cool * np.exp(-0.5 * ((wavelength - centre) / 0.045) ** 2)
    flux += rng.normal(0, 1, flux.shape) / snr[:, None]
    flux[:, :3] = np.nan
    return flux.astype(np.float32)

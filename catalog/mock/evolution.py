"""Where stars of given phase, metallicity and mass stand in the Kiel diagram, and how bright they are.

Analytic stand-ins for isochrones: sequences were read off by eye from what such tracks look like. Colours
and bolometric corrections are interpolated in the effective temperature (round values after Pecaut & Mamajek
2013 and Andrae et al. 2018).
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["KINDS", "Track", "absolute_magnitude", "bp_rp_colour", "draw_track", "g_minus_grvs", "secondary"]

KINDS: tuple[str, ...] = (
    "dwarf",
    "subgiant",
    "giant",
    "red clump",
    "M giant",
    "M dwarf",
    "hot star",
    "emission-line star",
)

SOLAR_TEFF, SOLAR_LOGG, SOLAR_MBOL = 5772.0, 4.438, 4.74

_TEFF = np.array(
    [2800, 3100, 3300, 3500, 3700, 3900, 4100, 4300, 4500, 4800, 5100, 5400, 5772, 6200, 6600, 7000,
     7500, 8500, 10000, 13000, 17000, 22000, 30000], dtype=float
)  # fmt: skip
_BP_RP = np.array(
    [3.90, 3.20, 2.72, 2.32, 2.02, 1.79, 1.61, 1.46, 1.33, 1.16, 1.02, 0.92, 0.82, 0.69, 0.57, 0.46,
     0.33, 0.16, 0.00, -0.11, -0.20, -0.27, -0.33]
)  # fmt: skip
_BC_G = np.array(
    [-2.60, -1.95, -1.55, -1.22, -0.98, -0.79, -0.63, -0.49, -0.37, -0.22, -0.11, -0.02, 0.06, 0.09, 0.09,
     0.06, 0.02, -0.08, -0.32, -0.90, -1.52, -2.10, -2.85]
)  # fmt: skip


@dataclass(frozen=True)
class Track:
    """Stars on their sequences; every field has shape (n,)."""

    teff: np.ndarray
    """K."""
    logg: np.ndarray
    """log(cm/s2)."""
    mass: np.ndarray
    """Solar masses."""

    @property
    def log_luminosity(self) -> np.ndarray:
        """log10 of the luminosity, solar."""
        return np.asarray(np.log10(self.mass) - (self.logg - SOLAR_LOGG) + 4.0 * np.log10(self.teff / SOLAR_TEFF))

    @property
    def radius(self) -> np.ndarray:
        """Solar radii."""
        return np.asarray(np.sqrt(self.mass / 10 ** (self.logg - SOLAR_LOGG)))


def _giant_teff(logg: np.ndarray, metals: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Return the temperature of the red giant branch: metal-rich branches are cooler and steeper."""
    solar = 4730.0 + 400.0 * (logg - 2.5) - 30.0 * (logg - 2.5) ** 2
    shift = -265.0 * metals - 45.0 * metals**2 * np.sign(metals)
    return np.asarray(solar + np.maximum(shift, -260.0) * (1.0 - 0.06 * (logg - 2.0)) + 170.0 * np.log10(mass))


def _dwarf_logg(teff: np.ndarray, metals: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Return the gravity on the main sequence; `age` runs from 0 (zero-age) to 1 (turn-off)."""
    zero_age = np.interp(teff, [3000, 3800, 4500, 5200, 5800, 6400, 7200], [5.05, 4.72, 4.62, 4.57, 4.50, 4.38, 4.28])
    evolved = 0.55 * np.clip((teff - 5000.0) / 1200.0, 0.0, 1.0) * age**1.5
    return np.asarray(zero_age - 0.05 * metals - evolved)


def draw_track(
    rng: np.random.Generator, kind: np.ndarray, population: np.ndarray, mh: np.ndarray, alpham: np.ndarray
) -> Track:
    """Place stars on the sequence of their kind.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : numpy.ndarray of int, shape (n,)
        Index into `KINDS`.
    population : numpy.ndarray of int, shape (n,)
        Index into `catalog.mock.galaxy.POPULATIONS`: old populations have low masses.
    mh, alpham : numpy.ndarray, shape (n,)
        dex.

    Returns
    -------
    Track
    """
    n = kind.size
    uniform = rng.random((3, n))
    scatter = rng.normal(0.0, 1.0, (3, n))
    # Opacity sees all metals: [M/H] with the alpha elements' part.
    metals = mh + 0.65 * alpham
    mass = np.choose(
        population,
        [np.clip(1.30 + 0.28 * scatter[0], 0.9, 2.6), 1.0 + 0.07 * scatter[0], 0.84 + 0.03 * scatter[0],
         1.02 + 0.06 * scatter[0]],
    )  # fmt: skip

    # Giants: more near the clump than at the tip.
    near_clump = np.clip(1.9 + 0.7 * scatter[1], 0.55, 3.4)
    giant_logg = np.where(uniform[0] < 0.8, 0.55 + 2.95 * uniform[1] ** 0.75, near_clump)
    giant_teff = _giant_teff(giant_logg, metals, mass) + 18.0 * scatter[2]
    # Clump stars start helium burning hotter than the branch; metal-poor ones form a horizontal branch.
    clump_logg = 2.40 + 0.10 * (mass - 1.2) + 0.055 * scatter[1] + 0.35 * np.maximum(mass - 1.8, 0.0)
    clump_teff = _giant_teff(clump_logg, metals, mass) + 95.0 + 20.0 * scatter[2]
    clump_teff += np.where(metals < -1.0, 500.0 * uniform[1] * np.minimum(-metals - 1.0, 1.0), 0.0)

    # Turn-off temperature falls with age and metallicity; subgiants run from it to the foot of the branch.
    turn_off = np.choose(population, [6350.0, 5950.0, 6200.0, 5900.0]) - 200.0 * np.clip(mh, -1.2, 0.5)
    path = uniform[1]
    subgiant_logg = 4.12 - 0.62 * path + 0.04 * scatter[1]
    foot = _giant_teff(np.full(n, 3.5), metals, mass)
    subgiant_teff = turn_off + (foot - turn_off) * path**0.8 + 40.0 * scatter[2]

    dwarf_teff = 4350.0 + (np.minimum(turn_off + 150.0, 6900.0) - 4350.0) * uniform[0] ** 0.55 + 15.0 * scatter[2]
    dwarf_logg = _dwarf_logg(dwarf_teff, metals, uniform[1]) + 0.02 * scatter[1]
    dwarf_mass = np.clip((dwarf_teff / SOLAR_TEFF) ** 1.7 * 10 ** (0.10 * metals), 0.45, 1.6)

    m_giant_logg = 0.75 - 1.0 * uniform[1] + 0.1 * scatter[1]
    m_giant_teff = 3680.0 + 190.0 * (m_giant_logg - 0.6) - 150.0 * metals + 40.0 * scatter[2]
    m_giant_teff = np.minimum(m_giant_teff, 3830.0 - 60.0 * uniform[2])
    m_dwarf_teff = 3150.0 + 700.0 * uniform[1] ** 0.6
    m_dwarf_logg = _dwarf_logg(m_dwarf_teff, metals, uniform[0]) + 0.03 * scatter[1]

    hot_teff = np.where(uniform[0] < 0.75, 7500.0 + 2800.0 * uniform[1] ** 1.5, 10300.0 + 12000.0 * uniform[1] ** 2)
    hot_logg = np.clip(4.25 - 0.75 * uniform[2] ** 2 + 0.03 * scatter[1], 3.2, 4.4)
    hot_mass = np.clip(1.5 * (hot_teff / 7300.0) ** 1.55, 1.4, 9.0)

    # Emission-line stars: Be stars, young stars and active dwarfs in equal parts.
    sort = np.minimum((uniform[2] * 3).astype(int), 2)
    part = uniform[0]
    line_teff = np.choose(sort, [12000.0 + 9000.0 * part, 4300.0 + 1200.0 * part, 3200.0 + 500.0 * part])
    line_logg = np.choose(sort, [3.9, 3.9, 4.85]) + np.choose(sort, [0.1, 0.2, 0.05]) * scatter[1]
    line_mass = np.choose(sort, [4.0, 1.1, 0.4])

    teff = np.choose(
        kind,
        [dwarf_teff, subgiant_teff, giant_teff, clump_teff, m_giant_teff, m_dwarf_teff, hot_teff, line_teff],
    )
    logg = np.choose(
        kind,
        [dwarf_logg, subgiant_logg, giant_logg, clump_logg, m_giant_logg, m_dwarf_logg, hot_logg, line_logg],
    )
    m_dwarf_mass = np.clip(0.55 * (m_dwarf_teff / 3700.0) ** 3, 0.15, 0.65)
    mass = np.choose(kind, [dwarf_mass, mass, mass, mass, mass, m_dwarf_mass, hot_mass, line_mass])
    return Track(teff, np.clip(logg, -0.6, 5.1), mass)


def absolute_magnitude(track: Track) -> np.ndarray:
    """Return M_G, mag, without extinction."""
    return np.asarray(SOLAR_MBOL - 2.5 * track.log_luminosity - np.interp(track.teff, _TEFF, _BC_G))


def bp_rp_colour(teff: np.ndarray, logg: np.ndarray, mh: np.ndarray) -> np.ndarray:
    """Return the intrinsic BP - RP, mag: metal-poor stars are bluer, cool giants a little redder."""
    cool = np.clip((6500.0 - teff) / 2000.0, 0.0, 1.0)
    giant = np.clip((3.8 - logg) / 2.0, 0.0, 1.0)
    return np.asarray(np.interp(teff, _TEFF, _BP_RP) + 0.045 * cool * np.clip(mh, -2.5, 0.5) + 0.03 * cool * giant)


def g_minus_grvs(bp_rp: np.ndarray) -> np.ndarray:
    """Return G - G_RVS, mag, from BP - RP: the RVS sees the red end (after Sartoretti et al. 2023)."""
    g_rp = 0.02 + 0.58 * bp_rp - 0.045 * bp_rp**2
    return np.asarray(g_rp + 0.04 + 0.285 * g_rp + 0.033 * g_rp**2)


def secondary(rng: np.random.Generator, track: Track, metals: np.ndarray) -> tuple[Track, np.ndarray]:
    """Draw main-sequence companions of main-sequence stars.

    Returns
    -------
    Track
        The companions.
    fraction : numpy.ndarray, shape (n,)
        Their share of the light in the red, 0 to 0.5.
    """
    ratio = rng.uniform(0.55, 1.0, track.teff.size)
    teff = np.clip(track.teff * ratio**0.55, 3300.0, None)
    companion = Track(teff, np.maximum(_dwarf_logg(teff, metals, np.zeros_like(teff)), track.logg), track.mass * ratio)
    flux = 10 ** (0.4 * (absolute_magnitude(track) - absolute_magnitude(companion)))
    return companion, np.asarray(np.minimum(flux / (1.0 + flux), 0.5))

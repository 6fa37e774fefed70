"""Brightness of a star as Gaia sees it: magnitudes, fluxes, and how well its RVS spectrum is exposed."""

from dataclasses import dataclass

import numpy as np

from catalog.mock import galaxy
from catalog.mock.evolution import Track, absolute_magnitude, bp_rp_colour, g_minus_grvs

__all__ = ["ZERO_POINTS", "Magnitudes", "apparent", "distance_for_grvs", "grvs_for_snr", "mean_flux", "snr_for_grvs"]

ZERO_POINTS = {"g": 25.687365, "bp": 25.338542, "rp": 24.747887}
"""Vega zero points of Gaia EDR3 (Riello et al. 2021), mag for one electron per second."""

A_G, E_BP_RP = 0.80, 0.42
"""A_G and E(BP-RP) in units of A_V."""

_GRVS = np.linspace(0.0, 18.0, 721)
# Photon noise when bright, background and readout when faint.
_LOG_SNR = 2.17 - 0.2 * (_GRVS - 8.0) - 0.016 * np.maximum(_GRVS - 9.5, 0.0) ** 2
TYPICAL_TRANSITS = 18.0


@dataclass(frozen=True)
class Magnitudes:
    """Apparent magnitudes with extinction; every field has shape (n,), mag."""

    g: np.ndarray
    bp: np.ndarray
    rp: np.ndarray
    grvs: np.ndarray


def snr_for_grvs(grvs: np.ndarray, transits: np.ndarray) -> np.ndarray:
    """Return the S/N per pixel of a mean spectrum made of `transits` transits."""
    return np.asarray(10 ** (np.interp(grvs, _GRVS, _LOG_SNR) + 0.5 * np.log10(transits / TYPICAL_TRANSITS)))


def grvs_for_snr(snr: np.ndarray, transits: np.ndarray) -> np.ndarray:
    """Return the G_RVS magnitude at which `transits` transits give this S/N."""
    target = np.log10(snr) - 0.5 * np.log10(transits / TYPICAL_TRANSITS)
    return np.asarray(np.interp(-target, -_LOG_SNR, _GRVS))


def apparent(track: Track, mh: np.ndarray, distance: np.ndarray, a_v: np.ndarray) -> Magnitudes:
    """Return apparent magnitudes of stars at `distance` (kpc) behind `a_v` (mag) of dust."""
    g = absolute_magnitude(track) + 5.0 * np.log10(distance) + 10.0 + A_G * a_v
    colour = bp_rp_colour(track.teff, track.logg, mh) + E_BP_RP * a_v
    g_rp = 0.02 + 0.58 * colour - 0.045 * np.minimum(colour, 4.0) ** 2
    return Magnitudes(g, g - g_rp + colour, g - g_rp, g - g_minus_grvs(colour))


def distance_for_grvs(
    track: Track, mh: np.ndarray, grvs: np.ndarray, lon: np.ndarray, lat: np.ndarray, clumpiness: np.ndarray
) -> np.ndarray:
    """Return the distance, kpc, at which a star behind the dust disc has the magnitude `grvs`."""
    low, high = np.full(grvs.size, -3.0), np.full(grvs.size, 1.9)
    for _ in range(44):  # bisection: brightness falls steadily with distance
        middle = 0.5 * (low + high)
        distance = 10**middle
        faint = apparent(track, mh, distance, galaxy.extinction(lon, lat, distance, clumpiness)).grvs > grvs
        high = np.where(faint, middle, high)
        low = np.where(faint, low, middle)
    return np.asarray(10 ** (0.5 * (low + high)))


def mean_flux(band: str, magnitude: np.ndarray) -> np.ndarray:
    """Return the mean flux, electrons per second."""
    return np.asarray(10 ** (-0.4 * (magnitude - ZERO_POINTS[band])))

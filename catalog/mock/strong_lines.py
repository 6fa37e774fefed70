"""Lines that are wider than the spectrograph's profile: Ca II triplet, Paschen series, TiO bands, the DIB."""

import numpy as np

from catalog.mock.atmosphere import LIGHT_SPEED, Atmosphere

__all__ = ["CALCIUM", "PASCHEN", "TIO_HEADS", "calcium", "interstellar", "paschen", "tio"]

CALCIUM: tuple[tuple[float, float, float], ...] = (
    (850.0355, 1.692, -1.32),
    (854.4437, 1.700, -0.36),
    (866.4519, 1.692, -0.62),
)
"""Vacuum wavelength (nm), lower level (eV) and log gf of the Ca II triplet."""

PASCHEN: dict[int, float] = {n: 1.0 / (1.0967758e-2 * (1 / 9 - 1 / n**2)) for n in range(12, 19)}
"""Vacuum wavelength (nm) of the Paschen lines by their upper level: P13 to P17 lie in the RVS range."""

TIO_HEADS: tuple[tuple[float, float, float], ...] = (
    (845.43, 1.00, 3.2),
    (850.85, 0.30, 1.6),
    (851.60, 0.25, 1.6),
    (856.05, 0.30, 2.0),
    (857.15, 0.20, 2.0),
    (859.15, 0.75, 3.4),
)
"""Vacuum wavelength (nm), relative strength and width (nm) of TiO band heads; the bands degrade to the red."""

DIB_WAVELENGTH, DIB_WIDTH = 862.32, 0.19
"""Diffuse interstellar band, nm in vacuum, and its standard deviation, nm."""


def calcium(atmosphere: Atmosphere, wavelength: np.ndarray, emission: np.ndarray) -> np.ndarray:
    """Return the depth of the Ca II triplet.

    The wings are those of a saturated line, whose width grows as the square root of abundance times damping
    over continuous opacity; the core adds a deeper part that giants show most and active stars fill.

    Parameters
    ----------
    atmosphere : Atmosphere
        Of n stars.
    wavelength : numpy.ndarray, shape (m,)
        nm, vacuum.
    emission : numpy.ndarray, shape (n,)
        Strength of line emission.

    Returns
    -------
    numpy.ndarray, shape (n, m)
        1 - flux.
    """
    centres, levels, loggf = (np.array(column) for column in zip(*CALCIUM, strict=True))
    eta = atmosphere.line_to_continuum("Ca", 1, levels, loggf, centres)
    doppler = centres[None, :] * atmosphere.microturbulence[:, None] / LIGHT_SPEED
    half_width_2 = doppler**2 * eta * (1.8 * atmosphere.damping[:, None]) / np.sqrt(np.pi)
    giant = np.clip((4.2 - atmosphere.logg) / 2.5, 0.0, 1.0)
    hot = 1.0 / (1.0 + np.exp((atmosphere.teff - 8800.0) / 900.0))
    depth = (0.60 + 0.06 * giant) * (0.35 + 0.65 * hot)
    core = (0.16 + 0.26 * giant) * hot - np.minimum(0.45 * emission, 0.55)
    optical = np.zeros((atmosphere.teff.size, wavelength.size))
    cores = np.zeros_like(optical)
    for i, centre in enumerate(centres):
        square = (wavelength - centre) ** 2
        optical += half_width_2[:, i, None] / (square + 1e-5)[None, :]
        cores += np.exp(-0.5 * square / 0.042**2)[None, :]
    wings = depth[:, None] * optical / (1.0 + optical)
    return np.asarray(wings + (1.0 - wings) * core[:, None] * cores)


def paschen(atmosphere: Atmosphere, wavelength: np.ndarray, emission: np.ndarray) -> np.ndarray:
    """Return the depth of the hydrogen lines, shape (n, m): Stark-broadened, strongest near 9500 K."""
    levels = np.array(list(PASCHEN))
    centres = np.array(list(PASCHEN.values()))
    # Kramers' oscillator strengths from level 3, relative to P14.
    strength = (1 / 9 - 1 / levels**2) ** -3.0 / levels**3
    strength /= strength[list(levels).index(14)]
    theta = atmosphere.theta
    population = 10 ** (-12.09 * theta) * atmosphere.neutral_fraction("H") / atmosphere.continuous_opacity
    # The same quantity for a dwarf of 9500 K sets the scale.
    reference = 10 ** (-12.09 * 5040.0 / 8550.0) / 9.0e-24
    optical = 2.2 * population / reference
    width = 0.36 * 10 ** (0.22 * (atmosphere.log_electron_pressure - 2.7))
    depth = np.zeros((theta.size, wavelength.size))
    for centre, relative in zip(centres, strength, strict=True):
        offset = np.abs(wavelength - centre)[None, :] / width[:, None]
        depth += (optical * relative)[:, None] / (1.0 + offset**2 * np.sqrt(offset))
    # B stars ionise their hydrogen.
    deepest = 0.48 / (1.0 + (atmosphere.teff / 20_000.0) ** 4)
    absorbed = deepest[:, None] * depth / (1.0 + depth)
    glow = np.zeros_like(absorbed)
    hot = emission * (atmosphere.teff > 8000.0)
    for centre in centres:
        glow += np.exp(-0.5 * ((wavelength - centre) / 0.22) ** 2)[None, :]
    return np.asarray(absorbed - 0.22 * hot[:, None] * glow)


def tio(atmosphere: Atmosphere, wavelength: np.ndarray) -> np.ndarray:
    """Return the optical depth of titanium oxide, shape (n, m): only below about 3900 K."""
    shape = np.zeros(wavelength.size)
    for head, relative, extent in TIO_HEADS:
        beyond = wavelength - head
        shape += relative * np.exp(-np.maximum(beyond, 0.0) / extent) / (1.0 + np.exp(-beyond / 0.03))
    # Rotational structure, unresolved: a fixed ripple.
    ripple = 1.0 + 0.20 * np.sin(2 * np.pi * wavelength / 0.113) + 0.25 * np.sin(2 * np.pi * wavelength / 0.083 + 1.0)
    metals = atmosphere.mh + 1.3 * atmosphere.alpham
    strength = 10 ** ((3690.0 - atmosphere.teff) / 330.0 + 0.7 * metals)
    strength = 2.2 * strength / (2.2 + strength)
    return np.asarray(strength[:, None] * (shape * ripple)[None, :])


def interstellar(a_v: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Return the depth of the diffuse band at 862 nm, shape (n, m): its width follows the reddening."""
    # E(B-V) = 2.72 EW (Munari et al. 2008), with EW in Angstrom.
    equivalent_width = 0.1 * (a_v / 3.1) / 2.72
    profile = np.exp(-0.5 * ((wavelength - DIB_WAVELENGTH) / DIB_WIDTH) ** 2) / (DIB_WIDTH * np.sqrt(2 * np.pi))
    return np.asarray(equivalent_width[:, None] * profile[None, :])

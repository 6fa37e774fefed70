"""One-layer stellar atmospheres: how strong a line is in a star of given labels.

The lines form in a layer at nine tenths of the effective temperature. Its electron pressure follows gravity,
temperature and metallicity as in model atmospheres (Gray, The Observation and Analysis of Stellar
Photospheres, chapter 9); populations follow Boltzmann and Saha; the continuum is H- and, in hot stars,
hydrogen. That is coarse, but the response of each line to each label has the right sign and size.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["SPECIES", "Atmosphere", "Species", "curve_of_growth"]

LINE_LAYER = 0.90
"""Temperature of the line-forming layer in units of the effective temperature."""
SOLAR_LOGG = 4.44
SOLAR_TEFF = 5772.0
LIGHT_SPEED = 299_792.458
"""km/s."""


@dataclass(frozen=True)
class Species:
    """An element as the line model needs it."""

    abundance: float
    """Solar number abundance, log10 with hydrogen at 12 (Asplund et al. 2009)."""
    ionisation: float
    """Energy that ionises the neutral atom, eV."""
    partition: tuple[float, float]
    """Partition functions of the neutral and the singly ionised atom near 5000 K."""
    alpha: bool = False
    """True for the alpha elements, which follow [alpha/M] as well as [M/H]."""


SPECIES: dict[str, Species] = {
    "H": Species(12.00, 13.60, (2.0, 1.0)),
    "N": Species(7.83, 14.53, (4.1, 9.0)),
    "Mg": Species(7.60, 7.65, (1.0, 2.0), alpha=True),
    "Si": Species(7.51, 8.15, (9.3, 5.8), alpha=True),
    "S": Species(7.12, 10.36, (8.1, 4.2), alpha=True),
    "Ca": Species(6.34, 6.11, (1.2, 2.3), alpha=True),
    "Ti": Species(4.95, 6.83, (28.0, 55.0), alpha=True),
    "Cr": Species(5.64, 6.77, (10.0, 7.2)),
    "Mn": Species(5.43, 7.43, (6.4, 7.7)),
    "Fe": Species(7.50, 7.90, (27.0, 43.0)),
    "Ni": Species(6.22, 7.64, (30.0, 11.0)),
}
"""Elements with lines between 846 and 870 nm."""


@dataclass(frozen=True)
class Atmosphere:
    """Line-forming layers of a set of stars.

    Parameters
    ----------
    teff, logg, mh, alpham, feh : numpy.ndarray, shape (n,)
        K, log(cm/s2), dex, dex, dex.
    nitrogen : numpy.ndarray, shape (n,)
        [N/M], dex: raised in giants by the first dredge-up.
    """

    teff: np.ndarray
    logg: np.ndarray
    mh: np.ndarray
    alpham: np.ndarray
    feh: np.ndarray
    nitrogen: np.ndarray

    @property
    def theta(self) -> np.ndarray:
        """5040 K / T of the line layer."""
        return 5040.0 / (LINE_LAYER * self.teff)

    @property
    def log_electron_pressure(self) -> np.ndarray:
        """log10 of the electron pressure, dyn/cm2."""
        # Metals give the electrons in cool stars, hydrogen in hot ones.
        from_metals = 1.0 / (1.0 + np.exp((self.teff - 6500.0) / 500.0))
        return (
            1.3
            + 0.42 * (self.logg - SOLAR_LOGG)
            + 1.7 * np.tanh((self.teff - SOLAR_TEFF) / 2400.0)
            + 0.35 * from_metals * (self.mh + 0.5 * self.alpham)
        )

    @property
    def continuous_opacity(self) -> np.ndarray:
        """Continuous absorption near 858 nm, cm2 per hydrogen atom."""
        theta = self.theta
        h_minus = 1.66e-26 * 10**self.log_electron_pressure * theta**2.5 * 10 ** (0.754 * theta)
        hydrogen = 2.0e-16 * 10 ** (-12.75 * theta)
        neutral = self.neutral_fraction("H")
        electrons = 6.65e-25 * (1.0 - neutral)
        return np.asarray((h_minus + hydrogen) * neutral + electrons)

    @property
    def microturbulence(self) -> np.ndarray:
        """Microturbulence with thermal motion, km/s: larger in giants."""
        return np.clip(2.45 - 0.28 * self.logg, 1.1, 3.0) + 0.3

    @property
    def damping(self) -> np.ndarray:
        """Voigt parameter of strong lines: van der Waals broadening grows with gas pressure."""
        pressure = 10 ** (0.62 * (self.logg - SOLAR_LOGG) + 0.12 * self.mh)
        return 0.028 * pressure * (self.teff / SOLAR_TEFF) ** -0.8 + 0.005

    def abundance(self, element: str) -> np.ndarray:
        """Return the number of atoms of `element` per hydrogen atom."""
        atom = SPECIES[element]
        metal = self.feh if element == "Fe" else self.mh
        enhancement = self.alpham if atom.alpha else self.nitrogen if element == "N" else 0.0
        if element == "H":
            return np.ones_like(self.teff)
        return np.asarray(10 ** (atom.abundance - 12.0 + metal + enhancement))

    def neutral_fraction(self, element: str) -> np.ndarray:
        """Return the fraction of `element` that is neutral (Saha)."""
        atom = SPECIES[element]
        temperature = LINE_LAYER * self.teff
        neutral, ionised = atom.partition
        log_ratio = (
            -self.theta * atom.ionisation
            + 2.5 * np.log10(temperature)
            - 0.4772
            + np.log10(2.0 * ionised / neutral)
            - self.log_electron_pressure
        )
        return np.asarray(1.0 / (1.0 + 10**log_ratio))

    def line_to_continuum(
        self, element: str, ion: int, excitation: np.ndarray, loggf: np.ndarray, wavelength: np.ndarray
    ) -> np.ndarray:
        """Return the ratio of line-centre to continuous absorption.

        Parameters
        ----------
        element : str
        ion : int
            0 for the neutral atom, 1 for the singly ionised one.
        excitation, loggf, wavelength : numpy.ndarray, shape (m,)
            Lower level (eV), oscillator strength and wavelength (nm) of each line.

        Returns
        -------
        numpy.ndarray, shape (n, m)
        """
        neutral = self.neutral_fraction(element)
        fraction = neutral if ion == 0 else 1.0 - neutral
        partition = SPECIES[element].partition[ion]
        # sqrt(pi) e2 / (m c) f lambda / b, with lambda in cm and b in cm/s.
        atomic = 0.01497 * 10**loggf * (wavelength * 1e-7) / partition
        boltzmann = 10 ** (-self.theta[:, None] * excitation[None, :])
        stellar = self.abundance(element) * fraction / (self.microturbulence * 1e5) / self.continuous_opacity
        return np.asarray(stellar[:, None] * boltzmann * atomic[None, :])


# Integral of eta H / (1 + eta H) over a Gaussian profile H, in Doppler widths.
_LOG_ETA = np.linspace(-6.0, 10.0, 321)
_V = np.linspace(0.0, 8.0, 801)
_PROFILE = np.exp(-(_V**2))[None, :] * 10 ** _LOG_ETA[:, None]
_GROWTH = 2.0 * np.trapezoid(_PROFILE / (1.0 + _PROFILE), _V, axis=1)


def curve_of_growth(eta: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Return equivalent widths in Doppler widths for a full-depth line.

    Parameters
    ----------
    eta : numpy.ndarray, shape (n, m)
        Line-centre to continuous absorption.
    damping : numpy.ndarray, shape (n,)
        Voigt parameter.

    Returns
    -------
    numpy.ndarray, shape (n, m)
        Linear for weak lines, nearly flat when saturated, a square root when the damping wings rule.
    """
    core = 10 ** np.interp(np.log10(np.maximum(eta, 1e-6)), _LOG_ETA, np.log10(_GROWTH))
    core = np.where(eta < 1e-6, np.sqrt(np.pi) * eta, core)
    wings = np.pi * np.sqrt(damping[:, None] * eta / np.sqrt(np.pi))
    wings *= eta / (eta + 10.0)
    return np.asarray(np.hypot(core, wings))

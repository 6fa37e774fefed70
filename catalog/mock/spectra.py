"""RVS spectra of given labels, without noise: a line list, curves of growth and the spectrograph's profile."""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
import pandas as pd
from scipy import fft, sparse

from catalog.mock import strong_lines
from catalog.mock.atmosphere import LIGHT_SPEED, Atmosphere, curve_of_growth
from catalog.releases import PixelGrid

__all__ = ["LineList", "SpectrumModel", "load_lines"]

NEEDED = (
    "teff", "logg", "mh", "alpham", "feh", "nitrogen", "vbroad", "emission", "a_v", "wavelength_shift",
    "companion_teff", "companion_logg", "companion_fraction", "companion_velocity",
)  # fmt: skip
"""Columns of the table of stars that shape a spectrum."""

RESOLVING_POWER = 11_500.0
MARGIN = 60
"""Pixels computed beyond each end, so that profiles do not wrap around."""
INTRINSIC_WIDTH = 0.018
"""Standard deviation, nm, with which weak lines are put on the grid; it is part of the final profile."""
WEAK_LINE_DEPTH = 0.65
"""Depth of a fully saturated photospheric line."""


@dataclass(frozen=True)
class LineList:
    """Weak and medium lines, sorted by species; every field has shape (m,)."""

    element: np.ndarray
    ion: np.ndarray
    wavelength: np.ndarray
    """nm, vacuum."""
    excitation: np.ndarray
    """eV."""
    loggf: np.ndarray


def load_lines() -> LineList:
    """Read ``layouts/lines.csv``."""
    lines = files(__package__).joinpath("layouts/lines.csv").read_text().splitlines()
    rows = sorted(line.split(",") for line in lines if line and not line.startswith("#"))
    element, ion, wavelength, excitation, loggf = zip(*rows, strict=True)
    return LineList(
        np.array(element),
        np.array(ion, dtype=int),
        np.array(wavelength, dtype=float),
        np.array(excitation, dtype=float),
        np.array(loggf, dtype=float),
    )


class SpectrumModel:
    """Makes spectra on the pixel grid of a release.

    Parameters
    ----------
    grid : PixelGrid
    """

    def __init__(self, grid: PixelGrid) -> None:
        self.grid = grid
        self.lines = load_lines()
        self.size = fft.next_fast_len(grid.n_pixels + 2 * MARGIN, real=True)
        self.wavelength = grid.start + grid.step * (np.arange(self.size) - MARGIN)

    @cached_property
    def _profiles(self) -> sparse.csr_array:
        """Narrow Gaussians of unit area, one column a line: (pixels, lines)."""
        offset = self.wavelength[:, None] - self.lines.wavelength[None, :]
        near = np.abs(offset) < 5.0 * INTRINSIC_WIDTH
        profile = np.exp(-0.5 * (offset / INTRINSIC_WIDTH) ** 2) / (INTRINSIC_WIDTH * np.sqrt(2 * np.pi))
        return sparse.csr_array(np.where(near, profile, 0.0))

    def flux(self, stars: pd.DataFrame) -> np.ndarray:
        """Return normalised flux without noise.

        Parameters
        ----------
        stars : pandas.DataFrame
            Columns of `catalog.mock.stars.draw_stars` and ``wavelength_shift`` of `observation.observe`.

        Returns
        -------
        numpy.ndarray, shape (n, n_pixels), float64
        """
        column = {name: stars[name].to_numpy(dtype=float) for name in NEEDED}
        composition = [column[name] for name in ("mh", "alpham", "feh", "nitrogen")]
        atmosphere = Atmosphere(column["teff"], column["logg"], *composition)
        deficit = self._deficit(atmosphere, column["emission"], column["a_v"])
        spectrum = self._observe(deficit, column["vbroad"], column["wavelength_shift"])
        fraction = column["companion_fraction"]
        pairs = np.flatnonzero(fraction > 0.0)
        if pairs.size:
            companion = Atmosphere(
                column["companion_teff"][pairs], column["companion_logg"][pairs], *(part[pairs] for part in composition)
            )
            other = self._observe(
                self._deficit(companion, np.zeros(pairs.size), column["a_v"][pairs]),
                column["vbroad"][pairs],
                column["wavelength_shift"][pairs] + column["companion_velocity"][pairs],
            )
            share = fraction[pairs, None]
            spectrum[pairs] = (1.0 - share) * spectrum[pairs] + share * other
        spectrum = spectrum[:, MARGIN : MARGIN + self.grid.n_pixels]
        # Molecular bands leave no continuum: the spectra are scaled to their highest parts.
        banded = np.flatnonzero(column["teff"] < 4000.0)
        if banded.size:
            spectrum[banded] /= np.quantile(spectrum[banded], 0.97, axis=1, keepdims=True)
        return np.asarray(spectrum)

    def _deficit(self, atmosphere: Atmosphere, emission: np.ndarray, a_v: np.ndarray) -> np.ndarray:
        """Return 1 - flux before the spectrograph's profile, shape (n, size)."""
        weak = self._weak_lines(atmosphere)
        flux = 1.0 - strong_lines.calcium(atmosphere, self.wavelength, emission)
        # Inside a strong line the layers that make weak ones are hidden.
        flux *= 1.0 - weak * np.minimum(flux, 1.0)
        warm = np.flatnonzero(atmosphere.teff > 5200.0)
        flux[warm] *= 1.0 - strong_lines.paschen(_select(atmosphere, warm), self.wavelength, emission[warm])
        cool = np.flatnonzero(atmosphere.teff < 4200.0)
        flux[cool] *= np.exp(-strong_lines.tio(_select(atmosphere, cool), self.wavelength))
        flux -= strong_lines.interstellar(a_v, self.wavelength)
        return np.asarray(1.0 - flux)

    def _weak_lines(self, atmosphere: Atmosphere) -> np.ndarray:
        lines = self.lines
        width = np.empty((atmosphere.teff.size, lines.wavelength.size))
        for element, ion in sorted(set(zip(lines.element.tolist(), lines.ion.tolist(), strict=True))):
            mine = np.flatnonzero((lines.element == element) & (lines.ion == ion))
            eta = atmosphere.line_to_continuum(
                element, ion, lines.excitation[mine], lines.loggf[mine], lines.wavelength[mine]
            )
            # Most of these lines are broadened less than the Ca II lines for which the damping is meant.
            width[:, mine] = curve_of_growth(eta, 0.5 * atmosphere.damping)
        doppler = atmosphere.microturbulence[:, None] * lines.wavelength[None, :] / LIGHT_SPEED
        hot = 1.0 / (1.0 + np.exp((atmosphere.teff - 11_000.0) / 1500.0))
        depth = (self._profiles @ (WEAK_LINE_DEPTH * hot[:, None] * width * doppler).T).T
        # Blended lines cannot take away more light than there is.
        return np.asarray(0.85 * np.tanh(depth / 0.85))

    def _observe(self, deficit: np.ndarray, vbroad: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Broaden by rotation and spectrograph and shift by a velocity (km/s), both in Fourier space."""
        middle = self.wavelength[self.size // 2]
        instrument = middle / RESOLVING_POWER / 2.3548
        rotation = 0.5 * vbroad * middle / LIGHT_SPEED
        sigma = np.sqrt(np.maximum(instrument**2 - INTRINSIC_WIDTH**2 + rotation**2, 0.0))
        frequency = fft.rfftfreq(self.size, d=self.grid.step)
        phase = 2j * np.pi * frequency[None, :] * (shift * middle / LIGHT_SPEED)[:, None]
        transfer = np.exp(-2.0 * (np.pi * sigma[:, None] * frequency[None, :]) ** 2 - phase)
        return np.asarray(1.0 - fft.irfft(fft.rfft(deficit, axis=1) * transfer, n=self.size, axis=1))


def _select(atmosphere: Atmosphere, rows: np.ndarray) -> Atmosphere:
    parts = (atmosphere.teff, atmosphere.logg, atmosphere.mh, atmosphere.alpham, atmosphere.feh, atmosphere.nitrogen)
    return Atmosphere(*(part[rows] for part in parts))

"""BP and RP mean spectra as basis-function coefficients.

A low-resolution energy distribution follows from the star's labels and extinction: a black body, the Balmer and
Paschen jumps, metal blanketing, molecular bands, the strongest lines. Each half is projected on an orthonormal
basis whose first function is the mean star itself. As in the archive, the first coefficient then carries the flux,
the second most of the colour, and the rest falls off quickly.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from catalog.mock.photometry import mean_flux
from catalog.mock.streams import stream
from catalog.releases.model import XpBasis

__all__ = ["XpModel", "XpSpectra", "correlation_texts", "log_energy"]

N_SAMPLES = 180
BP_RANGE, RP_RANGE = (330.0, 680.0), (635.0, 1060.0)
# Centre (nm), width (nm), strength of broad features by what they follow; see log_energy.
_METALS = ((390.0, 12.0, 0.60), (430.0, 9.0, 0.30), (455.0, 14.0, 0.16), (495.0, 10.0, 0.10), (527.0, 8.0, 0.10))
_ALPHA = ((393.0, 6.0, 0.45), (422.7, 4.0, 0.20), (517.5, 7.0, 0.25), (856.0, 7.0, 0.09), (616.0, 4.0, 0.05))
_BALMER = ((656.3, 5.0, 0.20), (486.1, 6.0, 0.38), (434.0, 6.0, 0.38), (410.2, 6.0, 0.36), (397.0, 5.0, 0.32))
_PASCHEN = ((866.0, 9.0, 0.08), (901.0, 7.0, 0.10), (955.0, 8.0, 0.13), (1005.0, 9.0, 0.16))
_TIO = ((476.0, 8.0, 0.5), (516.0, 9.0, 0.7), (545.0, 9.0, 0.6), (589.0, 11.0, 0.8), (625.0, 13.0, 0.9),
        (671.0, 14.0, 1.1), (710.0, 14.0, 1.2), (769.0, 14.0, 1.0), (850.0, 14.0, 0.7), (890.0, 13.0, 0.7))  # fmt: skip


@dataclass(frozen=True)
class XpSpectra:
    """Coefficients and errors of n stars; NaN rows where a star has no spectrum in that half."""

    bp: np.ndarray
    """Shape (n, 55), float64."""
    bp_error: np.ndarray
    """Shape (n, 55), float32."""
    rp: np.ndarray
    rp_error: np.ndarray
    bp_relevant: np.ndarray
    """Shape (n,), number of bases that stand out of the noise."""
    rp_relevant: np.ndarray

    def rows(self, keep: np.ndarray) -> "XpSpectra":
        """Return the stars for which `keep`, shape (n,), is True."""
        return XpSpectra(*(getattr(self, field.name)[keep] for field in fields(self)))


def _features(wavelength: np.ndarray, table: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    return np.asarray(sum(s * np.exp(-0.5 * ((wavelength - c) / w) ** 2) for c, w, s in table))


def log_energy(stars: pd.DataFrame, wavelength: np.ndarray) -> np.ndarray:
    """Return ln of the photon flux per nm, to a constant per star.

    Parameters
    ----------
    stars : pandas.DataFrame
        Columns teff, logg, mh, alpham, a_v and emission.
    wavelength : numpy.ndarray, shape (m,)
        nm.

    Returns
    -------
    numpy.ndarray, shape (n, m)
    """
    column = {name: stars[name].to_numpy()[:, None] for name in ("teff", "logg", "mh", "alpham", "a_v", "emission")}
    teff, logg, mh, alpham = (column[name] for name in ("teff", "logg", "mh", "alpham"))
    theta = 5040.0 / teff
    energy = 1.438777e7 / (wavelength[None, :] * teff)
    black_body = -3.0 * np.log(wavelength)[None, :] - np.log(np.expm1(energy))
    cool = 1.0 / (1.0 + np.exp((teff - 6300.0) / 700.0))
    metals = 10 ** (0.42 * np.clip(mh, -3.0, 0.6))
    alphas = 10 ** (0.42 * np.clip(mh + alpham, -3.0, 0.6))
    # Dwarfs show MgH and pressure-broadened lines, giants CN and CO in place of them.
    dwarf = np.clip((logg - 1.0) / 3.5, 0.0, 1.2)
    blanket = 0.95 * cool * theta**2 * metals * (1.15 - 0.3 * dwarf) * np.exp(-np.maximum(wavelength - 330.0, 0) / 75.0)
    strong = np.clip(theta - 0.55, 0.0, 1.1) ** 1.5
    lines = 1.6 * strong * metals * _features(wavelength, _METALS) * (1.1 - 0.25 * dwarf)
    lines += 1.8 * strong * alphas * _features(wavelength, _ALPHA) * (0.55 + 0.6 * dwarf)
    hydrogen = np.exp(-0.5 * ((np.log10(teff) - 3.97) / 0.13) ** 2) * (0.7 + 0.08 * logg)
    lines += 0.75 * hydrogen * _features(wavelength, _BALMER) + 0.8 * hydrogen * _features(wavelength, _PASCHEN)
    jump = 0.9 * hydrogen * (1.25 - 0.12 * logg) / (1.0 + np.exp((wavelength - 366.0) / 4.0))
    band = 10 ** ((3760.0 - teff) / 420.0 + 0.5 * (mh + 1.3 * alpham))
    band = 1.5 * band / (1.5 + band)
    lines += band * _features(wavelength, _TIO) * (1.0 + 0.15 * (dwarf - 0.5))
    bright = column["emission"] * _features(wavelength, ((656.3, 4.0, 0.5), (486.1, 4.0, 0.15), (854.0, 8.0, 0.05)))
    x = 550.0 / wavelength
    dust = 0.921 * column["a_v"] * (0.08 + 0.92 * x**1.35) * (1.0 + 0.05 * np.sin(6.0 * (x - 1.0)))
    return np.asarray(black_body - blanket - lines - jump + bright - dust)


def _response(wavelength: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return a photometer's transmission with soft edges."""
    edges = (1.0 + np.exp((low + 12.0 - wavelength) / 6.0)) * (1.0 + np.exp((wavelength - high + 15.0) / 7.0))
    return np.asarray((0.6 + 0.4 * np.sin(np.pi * (wavelength - low) / (high - low))) / edges)


class XpModel:
    """Makes coefficients for the bases of a release.

    Parameters
    ----------
    basis : XpBasis
        Lengths of the coefficient arrays.
    """

    def __init__(self, basis: XpBasis) -> None:
        self.basis = basis
        self.bp_wavelength = np.linspace(*BP_RANGE, N_SAMPLES)
        self.rp_wavelength = np.linspace(*RP_RANGE, N_SAMPLES)

    @cached_property
    def _bases(self) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal functions, one column each: a typical giant's spectrum times polynomials."""
        giant = pd.DataFrame(
            {"teff": [4900.0], "logg": [2.6], "mh": [-0.1], "alpham": [0.05], "a_v": [0.3], "emission": [0.0]}
        )
        bases = []
        for wavelength, limits, number in (
            (self.bp_wavelength, BP_RANGE, self.basis.bp_coefficients),
            (self.rp_wavelength, RP_RANGE, self.basis.rp_coefficients),
        ):
            spectrum = np.exp(log_energy(giant, wavelength))[0] * _response(wavelength, *limits)
            polynomials = np.polynomial.chebyshev.chebvander(np.linspace(-1.0, 1.0, wavelength.size), number - 1)
            orthonormal, triangle = np.linalg.qr(polynomials * (spectrum / spectrum.max())[:, None])
            bases.append(orthonormal * np.sign(np.diag(triangle))[None, :])
        return bases[0], bases[1]

    def spectra(self, seed: int, stars: pd.DataFrame) -> XpSpectra:
        """Return noisy coefficients.

        Parameters
        ----------
        seed : int
            Seed of the synthetic sky.
        stars : pandas.DataFrame
            Columns of `stars.draw_stars` and `observation.observe`.

        Returns
        -------
        XpSpectra
        """
        results = []
        halves = (
            ("bp", self.bp_wavelength, BP_RANGE, self._bases[0]),
            ("rp", self.rp_wavelength, RP_RANGE, self._bases[1]),
        )
        noise = [stream(seed, "xp", int(i)).standard_normal((2, 1 + self._longest)) for i in stars["source_id"]]
        drawn = np.array(noise).reshape(len(stars), 2, -1)
        for half, (band, wavelength, limits, basis) in enumerate(halves):
            response = _response(wavelength, *limits)
            flux = np.exp(log_energy(stars, wavelength)) * response
            pairs = stars["companion_fraction"].to_numpy()
            if (pairs > 0.0).any():
                other = stars.assign(teff=np.maximum(stars["companion_teff"], 3000.0), logg=stars["companion_logg"])
                second = np.exp(log_energy(other, wavelength)) * response
                second *= (flux.sum(axis=1) / second.sum(axis=1) * pairs / np.maximum(1.0 - pairs, 0.5))[:, None]
                flux = np.where(pairs[:, None] > 0.0, flux + second, flux)
            flux /= flux.sum(axis=1, keepdims=True)
            # Matrix product without BLAS: the result must not depend on how many stars come at once.
            coefficients = np.einsum("nm,mk->nk", flux, basis, optimize=False)
            total = mean_flux(band, stars[f"{band}_mag"].to_numpy())
            scale = 9.0 * np.nan_to_num(total, nan=0.0)
            coefficients = coefficients * scale[:, None]
            number = basis.shape[1]
            ratio = stars[f"{band}_snr"].to_numpy()
            order = np.arange(number) / number
            decline = (1.0 - 0.95 * order**2)[None, :]
            error = coefficients[:, :1] * (0.00035 + 0.9 / ratio)[:, None] * decline * 0.6
            coefficients = coefficients + error * drawn[:, half, :number]
            relevant = np.clip(3 + 14 * np.log10(ratio / 250.0) + 3 * drawn[:, half, -1], 1, number - 1)
            results.append((coefficients, error.astype(np.float32), relevant.astype(np.int16)))
        (bp, bp_error, bp_relevant), (rp, rp_error, rp_relevant) = results
        return XpSpectra(bp, bp_error, rp, rp_error, bp_relevant, rp_relevant)

    @property
    def _longest(self) -> int:
        return max(self.basis.bp_coefficients, self.basis.rp_coefficients)


def correlation_texts(seed: int, number: int, variants: int = 16) -> list[str]:
    """Return printed correlations of `number` coefficients: upper triangle, column-major, as the archive prints it.

    Nobody reads them on the way to the catalogue, but they are most of the bytes of a real file. A few band
    matrices serve all stars, which keeps the files small.
    """
    texts = []
    for variant in range(variants):
        rng = stream(seed, "correlations", number, variant)
        near = rng.uniform(-0.6, 0.9, 3 * number).round(4)
        values = [
            str(near[3 * column + (column - row) - 1]) if column - row <= 3 else "0.0"
            for column in range(1, number)
            for row in range(column)
        ]
        texts.append(",".join(values))
    return texts

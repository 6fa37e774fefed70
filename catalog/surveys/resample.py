"""Spectra from one wavelength grid to another: flux-conserving, with errors.

A target pixel gets the mean of the source pixels that it overlaps, weighted by the overlap (Carnall 2017), which keeps
the integral of the flux. This is what specutils' ``FluxConservingResampler`` computes, pixel by pixel in Python: some
50 ms a spectrum. For two fixed grids it is one sparse matrix, which is applied to many spectra at once; `Resampler`
has the library's result for one spectrum at hand to be compared with.
"""

from types import ModuleType

import numpy as np
from scipy import sparse

from catalog.errors import ConfigurationError
from catalog.releases import PixelGrid

__all__ = ["LIGHT_SPEED", "Resampler", "check_grids", "library_version"]

LIGHT_SPEED = 299_792.458
"""km/s"""

REST_FRAME = "stellar rest"

# Spectra that one matrix product takes: enough for its speed, few enough for the memory.
_AT_ONCE = 256

# Overlaps below this part of a source pixel come from rounding.
_NEGLIGIBLE = 1e-6


class Resampler:
    """Resamples spectra from the pixels of one grid to those of another.

    A target pixel that overlaps a missing source pixel is missing, and so is one that the source does not cover
    wholly. Errors are propagated as if those of source pixels were independent; those of neighbouring target pixels
    then are not, where target pixels share source pixels.

    Parameters
    ----------
    source, target : numpy.ndarray
        Wavelengths of the pixels' centres, ascending, nm, shapes (n,) and (m,). Borders lie halfway between.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray) -> None:
        self._centres = source, target
        self._source, self._target = pixel_edges(source), pixel_edges(target)
        self._still: tuple[sparse.csr_array, np.ndarray] | None = None

    def __call__(
        self, flux: np.ndarray, flux_error: np.ndarray, velocity: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resample spectra.

        Parameters
        ----------
        flux, flux_error : numpy.ndarray
            Shape (n_spectra, n); NaN where missing.
        velocity : numpy.ndarray, optional
            Radial velocities, km/s, shape (n_spectra,), positive when receding: each spectrum is brought to the
            star's rest frame by dividing its wavelengths by 1 + v/c. A spectrum without one becomes missing.

        Returns
        -------
        flux, flux_error : numpy.ndarray
            Shape (n_spectra, m), float32; NaN where missing.
        """
        resampled, error = (np.full((len(flux), len(self._target) - 1), np.nan, dtype=np.float32) for _ in range(2))
        if velocity is None:
            if self._still is None:
                self._still = self._matrix(0.0)
            for first in range(0, len(flux), _AT_ONCE):
                rows = slice(first, first + _AT_ONCE)
                resampled[rows], error[rows] = _apply(*self._still, flux[rows], flux_error[rows])
            return resampled, error
        for i in np.flatnonzero(np.isfinite(velocity)).tolist():
            rows = slice(i, i + 1)
            resampled[rows], error[rows] = _apply(*self._matrix(velocity[i]), flux[rows], flux_error[rows])
        return resampled, error

    def _matrix(self, velocity: float) -> tuple[sparse.csr_array, np.ndarray]:
        """Return the weights of source pixels, shape (m, n), and which target pixels the source covers."""
        source, target = self._source / (1.0 + velocity / LIGHT_SPEED), self._target
        width = np.diff(target)
        # All borders of both grids cut the axis into pieces, each in one pixel of either.
        lowest, highest = max(source[0], target[0]), min(source[-1], target[-1])
        borders = np.sort(np.concatenate([source, target]))
        borders = borders[(borders >= lowest) & (borders <= highest)]
        length, middle = np.diff(borders), 0.5 * (borders[1:] + borders[:-1])
        column = np.searchsorted(source, middle, side="right") - 1
        row = np.searchsorted(target, middle, side="right") - 1
        kept = length > _NEGLIGIBLE * np.diff(source)[np.minimum(column, len(source) - 2)]
        length, row, column = length[kept], row[kept], column[kept]
        overlap = np.bincount(row, weights=length, minlength=len(width))
        covered = overlap >= (1.0 - _NEGLIGIBLE) * width
        weights = sparse.csr_array((length / overlap[row], (row, column)), shape=(len(width), len(source) - 1))
        return weights, covered

    def by_library(
        self, flux: np.ndarray, flux_error: np.ndarray, velocity: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resample one spectrum by specutils.

        Parameters
        ----------
        flux, flux_error : numpy.ndarray
            Shape (n,).
        velocity : float
            km/s.

        Returns
        -------
        flux, flux_error : numpy.ndarray
            Shape (m,), float64; NaN where missing, or where the source does not reach.

        Raises
        ------
        ConfigurationError
            specutils is not installed.
        """
        import astropy.units as u
        from astropy.nddata import VarianceUncertainty

        specutils = _specutils()
        spectrum = specutils.Spectrum(
            flux=np.asarray(flux, dtype=np.float64) * u.dimensionless_unscaled,
            spectral_axis=self._centres[0] / (1.0 + velocity / LIGHT_SPEED) * u.nm,
            uncertainty=VarianceUncertainty(np.square(np.asarray(flux_error, dtype=np.float64))),
        )
        from specutils.manipulation import FluxConservingResampler

        with np.errstate(divide="ignore", invalid="ignore"):
            result = FluxConservingResampler("nan_fill")(spectrum, self._centres[1] * u.nm)
            error = np.sqrt(result.uncertainty.represent_as(VarianceUncertainty).array)
        return result.flux.value, error


def pixel_edges(centres: np.ndarray) -> np.ndarray:
    """Return the borders of pixels: halfway between centres, the outer ones as far out as the inner ones are in.

    Parameters
    ----------
    centres : numpy.ndarray
        Ascending, shape (n,), two at least.

    Returns
    -------
    numpy.ndarray
        Shape (n + 1,), float64.
    """
    centres = np.asarray(centres, dtype=np.float64)
    if centres.ndim != 1 or len(centres) < 2 or not (np.diff(centres) > 0).all():
        raise ValueError("Wavelengths must ascend, and there must be two at least.")
    inner = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def check_grids(source: PixelGrid, target: PixelGrid, has_velocity: bool) -> None:
    """Check that spectra on `source` can become spectra on `target`.

    Raises
    ------
    ConfigurationError
        Air against vacuum wavelengths, or another frame than velocities can lead to.
    """
    if source.medium != target.medium:
        raise ConfigurationError(
            f"The source grid has {source.medium} wavelengths, the target grid {target.medium} wavelengths.",
            "Resampling does not convert between them.",
        )
    if has_velocity and (source.frame == REST_FRAME or target.frame != REST_FRAME):
        raise ConfigurationError(
            f"Radial velocities lead to the {REST_FRAME} frame; the source grid is in the {source.frame} frame, the "
            f"target grid in the {target.frame} frame.",
            "Resample without velocities.",
        )
    if not has_velocity and source.frame != target.frame:
        velocities = "Give the radial velocities (--velocity-column or --velocity), or change"
        raise ConfigurationError(
            f"The source grid is in the {source.frame} frame, the target grid in the {target.frame} frame.",
            f"{velocities if target.frame == REST_FRAME else 'Change'} the pixels only (--keep-frame).",
        )


def library_version() -> str:
    """Return the name and version of the library whose method this is.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    return f"specutils {_specutils().__version__}"


def _specutils() -> ModuleType:
    try:
        import specutils
    except ImportError as error:
        raise ConfigurationError(
            f"Resampling needs specutils, which cannot be imported: {error}.", 'pip install "rvscat[resample]"'
        ) from error
    return specutils


def _apply(
    weights: sparse.csr_array, covered: np.ndarray, flux: np.ndarray, flux_error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    flux, variance = np.asarray(flux, dtype=np.float64), np.square(flux_error, dtype=np.float64)
    touched = weights.copy()
    touched.data = np.ones_like(touched.data)
    squared = weights.copy()
    squared.data = np.square(squared.data)
    outputs = []
    no_flux = ~np.isfinite(flux)
    for values, matrix in ((flux, weights), (variance, squared)):
        missing = no_flux | ~np.isfinite(values)
        resampled = (matrix @ np.where(missing, 0.0, values).T).T
        if missing.any():
            resampled[(touched @ missing.T.astype(np.float64)).T > 0.5] = np.nan
        resampled[:, ~covered] = np.nan
        outputs.append(resampled)
    return outputs[0].astype(np.float32), np.sqrt(outputs[1]).astype(np.float32)

"""Repair of RVS spectra: missing pixels get the star's own continuum level (Sect. 2.1)."""

import numpy as np

from catalog.releases import PixelGrid

__all__ = ["continuum_pixels", "repair_flux"]


def continuum_pixels(grid: PixelGrid) -> np.ndarray:
    """Return which pixels lie in the release's continuum regions, both ends included.

    Parameters
    ----------
    grid : PixelGrid

    Returns
    -------
    numpy.ndarray of bool
        Shape (n_pixels,).
    """
    wavelength = grid.wavelength
    # 846 + 0.01 k is not exact in binary: a thousandth of a pixel decides nothing else.
    margin = 1e-3 * grid.step
    inside = np.zeros(grid.n_pixels, dtype=bool)
    for lower, upper in grid.continuum:
        inside |= (wavelength >= lower - margin) & (wavelength <= upper + margin)
    return inside


def repair_flux(flux: np.ndarray, continuum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Replace missing pixels by the third quartile of the star's flux in the continuum (Sect. 2.1).

    A pixel is missing when it is NaN or infinite. A star without any valid continuum pixel takes the third
    quartile of all its valid pixels instead; the paper does not say what it does then. A spectrum without
    any valid pixel stays as it is: the caller leaves such a star out.

    Parameters
    ----------
    flux : numpy.ndarray
        Normalised flux, shape (n, n_pixels).
    continuum : numpy.ndarray of bool
        Shape (n_pixels,), see `continuum_pixels`.

    Returns
    -------
    repaired : numpy.ndarray
        Shape (n, n_pixels), float32.
    n_missing : numpy.ndarray of int
        Missing pixels of each star, shape (n,); n_pixels where there is no valid pixel at all.
    fallback : numpy.ndarray of bool
        Stars whose replacement does not come from the continuum, shape (n,).
    """
    repaired = np.array(flux, dtype=np.float32)
    missing = ~np.isfinite(repaired)
    n_missing = missing.sum(axis=1)
    fallback = np.zeros(len(repaired), dtype=bool)
    stars = np.flatnonzero((n_missing > 0) & (n_missing < repaired.shape[1]))
    if stars.size:
        level = np.empty(stars.size, dtype=np.float32)
        gaps = missing[stars][:, continuum].any(axis=1) | ~continuum.any()
        level[~gaps] = _third_quartile(repaired[np.ix_(stars[~gaps], continuum)])
        for i in np.flatnonzero(gaps):
            row = repaired[stars[i]]
            valid = row[continuum & ~missing[stars[i]]]
            if not valid.size:
                fallback[stars[i]] = True
                valid = row[~missing[stars[i]]]
            level[i] = _third_quartile(valid[np.newaxis])[0]
        repaired[stars] = np.where(missing[stars], level[:, np.newaxis], repaired[stars])
    return repaired, n_missing, fallback


def _third_quartile(values: np.ndarray) -> np.ndarray:
    """Return the 75th percentile along the last axis, linear between neighbours."""
    return np.percentile(values, 75.0, axis=1) if len(values) else np.empty(0)

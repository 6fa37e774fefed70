"""From model spectra to observed ones: noise, errors, normalisation residuals and missing pixels.

Each star has random numbers of its own, so that its spectrum does not depend on how the sky is cut into files.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from catalog.mock.streams import stream

__all__ = ["NOISE_CORRELATION", "observe_spectra"]

NOISE_CORRELATION = 0.98
"""Standard deviation, pixels, of the kernel that makes neighbouring pixels as correlated as in published spectra
(0.77 at a distance of one pixel, 0.35 at two): the grid is finer than the detector's pixels."""


def observe_spectra(seed: int, stars: pd.DataFrame, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add noise to model spectra.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    stars : pandas.DataFrame
        With ``source_id`` and ``snr``.
    model : numpy.ndarray, shape (n, n_pixels)
        Normalised flux.

    Returns
    -------
    flux, flux_error : numpy.ndarray, shape (n, n_pixels), float32
        NaN in both where a pixel is missing.
    """
    n, n_pixels = model.shape
    white = np.empty((n, n_pixels))
    smooth = np.empty((n, n_pixels))
    spread = np.empty((n, n_pixels))
    missing = np.zeros((n, n_pixels), dtype=bool)
    phase = np.linspace(0.0, 2.0 * np.pi, n_pixels)
    snr = stars["snr"].to_numpy()
    for i, source_id in enumerate(stars["source_id"].to_numpy()):
        rng = stream(seed, "spectrum", int(source_id))
        white[i] = rng.standard_normal(n_pixels)
        spread[i] = rng.standard_normal(n_pixels)
        wave = rng.normal(0.0, 1.0, 4), rng.uniform(0.0, 2.0 * np.pi, 4)
        smooth[i] = sum(a * np.cos((k + 1) * phase + p) / (k + 1) for k, (a, p) in enumerate(zip(*wave, strict=True)))
        missing[i] = _missing_pixels(rng, n_pixels)
    noise = _correlated(white, NOISE_CORRELATION)
    error = (1.0 / snr)[:, None] * np.exp(0.11 * _correlated(spread, 2.0))
    # Less light in the lines, fewer transits at the ends.
    error *= 0.82 + 0.18 * np.clip(model, 0.0, 1.5)
    edge = np.minimum(np.arange(n_pixels), np.arange(n_pixels)[::-1])
    error *= 1.0 + 1.5 * np.exp(-edge / 6.0)
    residual = 1.0 + (0.0025 + 0.10 / snr)[:, None] * smooth
    flux = (model * residual + noise * error).astype(np.float32)
    error = error.astype(np.float32)
    flux[missing] = np.nan
    error[missing] = np.nan
    return flux, error


def _correlated(white: np.ndarray, width: float) -> np.ndarray:
    """Smooth white noise along each row and bring it back to unit variance."""
    kernel = gaussian_filter1d(np.eye(1, 41, 20), width, mode="constant")
    return np.asarray(gaussian_filter1d(white, width, axis=1, mode="reflect") / np.sqrt((kernel**2).sum()))


def _missing_pixels(rng: np.random.Generator, n_pixels: int) -> np.ndarray:
    """Draw which pixels are missing: mostly a run at one end, at times behind a valid first pixel."""
    missing = np.zeros(n_pixels, dtype=bool)
    draw, left, right, inner, start = rng.random(5)
    # Short runs are common, long ones rare.
    first = 1 + int(rng.geometric(0.25) if left < 0.85 else rng.integers(10, 90))
    last = 1 + int(rng.geometric(0.25) if right < 0.85 else rng.integers(10, 60))
    if draw < 0.30:
        missing[:first] = True
    elif draw < 0.45:
        missing[1 : 1 + first] = True
    elif draw < 0.70:
        missing[-last:] = True
    elif draw < 0.80:
        missing[:first] = True
        missing[-last:] = True
    if inner < 0.02:  # a cosmic ray or a masked column
        begin = int(start * (n_pixels - 20))
        missing[begin : begin + 3 + int(17 * right)] = True
    return missing

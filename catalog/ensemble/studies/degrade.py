"""Controlled damage to spectra: velocity shifts, rotation, noise, tilted continua and missing pixels.

Pure functions of normalised flux, shape (n, n_pixels), NaN where a pixel is missing; what comes out is float32, as the
archive's spectra are, and has NaN where there is no value any more. Nothing is repaired here: that is what
`catalog.features.repair_flux` does with every spectrum.
"""

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from catalog.releases import PixelGrid

__all__ = [
    "LIGHT_SPEED",
    "LIMB_DARKENING",
    "add_noise",
    "broaden",
    "correlated_noise",
    "mask_run",
    "noise_factor",
    "shift",
    "star_stream",
    "tilt",
]

LIGHT_SPEED = 299_792.458
"""km/s"""

LIMB_DARKENING = 0.6
"""Linear coefficient of the rotation profile: the usual value for cool stars at these wavelengths."""

# Points of the interpolating polynomial: a line of the spectrograph's width is kept to 1e-4 of its depth.
_STENCIL = 6

# A pixel of which less than this part can be computed from valid ones is missing.
_LEAST_WEIGHT = 0.1


def shift(flux: np.ndarray, grid: PixelGrid, velocity: float) -> np.ndarray:
    """Shift spectra by a radial velocity, as if that much of it had been left uncorrected (Appendix C).

    What lay at λ comes to lie at λ (1 + v/c). Pixels that are shifted in from beyond the spectrum are missing.

    Parameters
    ----------
    flux : numpy.ndarray
        Shape (n, n_pixels).
    grid : PixelGrid
    velocity : float
        km/s, positive when receding.

    Returns
    -------
    numpy.ndarray
        Shape (n, n_pixels), float32.
    """
    return _resample(flux, grid, np.array([velocity]), np.ones(1))


def broaden(flux: np.ndarray, grid: PixelGrid, vsini: float, limb_darkening: float = LIMB_DARKENING) -> np.ndarray:
    """Broaden spectra by rotation, in velocity.

    The profile is that of a sphere with linear limb darkening ε (Gray, *The Observation and Analysis of Stellar
    Photospheres*, chapter 18), in x = v / (v sin i):
    ``g(x) = [2 (1 - ε) sqrt(1 - x²) + π ε (1 - x²) / 2] / [π (1 - ε/3)]``. Next to missing pixels and to the ends of
    the spectrum it is normalised over the valid pixels that it covers.

    Parameters
    ----------
    flux : numpy.ndarray
        Shape (n, n_pixels).
    grid : PixelGrid
    vsini : float
        Projected rotational velocity, km/s.
    limb_darkening : float

    Returns
    -------
    numpy.ndarray
        Shape (n, n_pixels), float32; missing where `flux` is, and where nearly all that a profile covers is.
    """
    if vsini <= 0.0:
        return np.array(flux, dtype=np.float32)
    # Equal steps of the angle on the disc's equator put most nodes where the profile falls steeply.
    half_width = vsini / LIGHT_SPEED * (grid.start + grid.step * grid.n_pixels) / grid.step
    n_nodes = 16 + 4 * int(np.ceil(half_width))
    angle = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    height = np.sin(angle)
    weights = height * (2.0 * (1.0 - limb_darkening) * height + 0.5 * np.pi * limb_darkening * height**2)
    return _resample(flux, grid, vsini * np.cos(angle), weights / weights.sum())


def noise_factor(own: np.ndarray, wanted: float) -> np.ndarray:
    """Return how many times its own errors must be added to a spectrum to bring it down to an S/N.

    The archive's S/N goes as the inverse of the flux errors; independent noise adds in quadrature.

    Parameters
    ----------
    own : numpy.ndarray
        S/N of each spectrum as it is, shape (n,).
    wanted : float
        S/N that results, in the same definition.

    Returns
    -------
    numpy.ndarray
        Shape (n,); NaN for spectra that are no better than `wanted`.
    """
    ratio = np.asarray(own, dtype=np.float64) / wanted
    return np.sqrt(np.where(ratio > 1.0, ratio**2 - 1.0, np.nan))


def correlated_noise(white: np.ndarray, width: float) -> np.ndarray:
    """Smooth white noise along the last axis; its variance stays 1.

    Parameters
    ----------
    white : numpy.ndarray
        Shape (…, n_pixels).
    width : float
        Standard deviation of the Gaussian that it is smoothed with, pixels; 0 leaves it as it is.

    Returns
    -------
    numpy.ndarray
        Same shape. It goes on at one end as it began at the other, so that the variance is the same everywhere.
    """
    if width <= 0.0:
        return white
    impulse = np.zeros(white.shape[-1])
    impulse[0] = 1.0
    kernel = gaussian_filter1d(impulse, width, mode="wrap")
    smooth: np.ndarray = gaussian_filter1d(white, width, axis=-1, mode="wrap")
    return smooth / np.sqrt(np.sum(kernel**2))


def add_noise(flux: np.ndarray, flux_error: np.ndarray, factor: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Add noise in the proportions of the spectra's own errors.

    Parameters
    ----------
    flux, flux_error : numpy.ndarray
        Shape (n, n_pixels). An error that is missing or not positive counts as the median of the spectrum's others.
    factor : numpy.ndarray
        Of each spectrum, see `noise_factor`; shape (n,).
    noise : numpy.ndarray
        Of unit variance, shape (n, n_pixels).

    Returns
    -------
    numpy.ndarray
        Shape (n, n_pixels), float32.

    Raises
    ------
    ValueError
        A spectrum has no usable error at all.
    """
    usable = np.isfinite(flux_error) & (flux_error > 0.0)
    if not usable.any(axis=1).all():
        raise ValueError("A spectrum without any flux error has no noise to be scaled.")
    error = np.where(usable, flux_error, np.nan)
    if not usable.all():
        error = np.where(usable, error, np.nanmedian(error, axis=1, keepdims=True))
    return np.asarray(flux + factor[:, np.newaxis] * error * noise, dtype=np.float32)


def tilt(flux: np.ndarray, amount: float) -> np.ndarray:
    """Tilt the continuum about the middle of the spectrum, as a wrong normalisation does.

    Parameters
    ----------
    flux : numpy.ndarray
        Shape (n, n_pixels).
    amount : float
        Relative change at the last pixel; the first has its opposite.

    Returns
    -------
    numpy.ndarray
        Shape (n, n_pixels), float32.
    """
    return np.asarray(flux * (1.0 + amount * np.linspace(-1.0, 1.0, flux.shape[1])), dtype=np.float32)


def mask_run(flux: np.ndarray, length: int, place: np.ndarray) -> np.ndarray:
    """Take a run of neighbouring pixels away.

    Parameters
    ----------
    flux : numpy.ndarray
        Shape (n, n_pixels).
    length : int
        Pixels; as many as there are, or more, leave nothing.
    place : numpy.ndarray
        Where the run lies: 0 at the beginning of the spectrum, 1 at its end; shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n, n_pixels), float32.
    """
    n_pixels = flux.shape[1]
    free = max(0, n_pixels - length)
    first = np.minimum((place * (free + 1)).astype(np.int64), free)
    pixel = np.arange(n_pixels)
    inside = (pixel >= first[:, np.newaxis]) & (pixel < first[:, np.newaxis] + length)
    return np.where(inside, np.float32(np.nan), np.asarray(flux, dtype=np.float32))


def star_stream(seed: int, experiment: int, source_id: int, realisation: int) -> np.random.Generator:
    """Return random numbers of one star's own: they depend neither on other stars nor on how stars are batched.

    Parameters
    ----------
    seed : int
    experiment : int
        Keeps experiments apart.
    source_id : int
    realisation : int

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, experiment, source_id, realisation])


def _resample(flux: np.ndarray, grid: PixelGrid, velocities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the spectra shifted by each velocity, over the valid pixels."""
    flux = np.asarray(flux, dtype=np.float64)
    valid = np.isfinite(flux)
    operator = _operator(grid, velocities, weights)
    total = (operator @ np.where(valid, flux, 0.0).T).T
    weight = (operator @ valid.T.astype(np.float64)).T
    # A pixel is missing where the one that it mainly comes from is.
    source = np.rint(_position(grid, float(velocities.mean()))).astype(np.int64)
    outside = (source < 0) | (source >= grid.n_pixels)
    known = valid[:, np.clip(source, 0, grid.n_pixels - 1)] & ~outside & (weight > _LEAST_WEIGHT)
    return np.divide(total, weight, out=np.full(flux.shape, np.nan), where=known).astype(np.float32)


def _operator(grid: PixelGrid, velocities: np.ndarray, weights: np.ndarray) -> sparse.csr_array:
    """Return the matrix (n_pixels, n_pixels) that interpolates at each velocity's place and adds up."""
    n = grid.n_pixels
    rows, columns, values = [], [], []
    for velocity, weight in zip(velocities.tolist(), weights.tolist(), strict=True):
        position = _position(grid, velocity)
        row = np.flatnonzero((position >= -0.5) & (position <= n - 0.5))
        first = np.clip(np.floor(position[row]).astype(np.int64) - (_STENCIL // 2 - 1), 0, n - _STENCIL)
        offset = position[row] - first
        for i in range(_STENCIL):
            rows.append(row)
            columns.append(first + i)
            others = [j for j in range(_STENCIL) if j != i]
            values.append(weight * np.prod([(offset - j) / (i - j) for j in others], axis=0))
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array(sparse.coo_array(entries, shape=(n, n)))


def _position(grid: PixelGrid, velocity: float) -> np.ndarray:
    """Return where, in pixels, each pixel's light lay before a shift by `velocity`."""
    position: np.ndarray = (grid.wavelength / (1.0 + velocity / LIGHT_SPEED) - grid.start) / grid.step
    return position

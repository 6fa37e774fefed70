"""XP coefficients relative to the first of their half (Sect. 3.1)."""

import numpy as np

__all__ = ["normalise_xp", "xp_names"]


def xp_names(n_bp: int, n_rp: int) -> tuple[str, ...]:
    """Return a name for each of the network's XP inputs, counted from 1: ``bp_1`` … ``rp_55``."""
    return (*(f"bp_{i}" for i in range(1, n_bp + 1)), *(f"rp_{i}" for i in range(1, n_rp + 1)))


def normalise_xp(bp: np.ndarray, rp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide each half by its own first coefficient.

    The first coefficient carries the flux; the rest, relative to it, the shape. So the first input of each
    half is 1 for every star: the inputs stay as many as the coefficients are (110 in DR3).

    Parameters
    ----------
    bp, rp : numpy.ndarray
        Coefficients, shape (n, n_bp) and (n, n_rp).

    Returns
    -------
    xp : numpy.ndarray
        Shape (n, n_bp + n_rp), float64; NaN in the rows that cannot be normalised.
    valid : numpy.ndarray of bool
        Shape (n,); False where a first coefficient is zero, negative or not finite, or any other is not finite.
    """
    halves = [np.asarray(half, dtype=np.float64) for half in (bp, rp)]
    valid = np.ones(len(halves[0]), dtype=bool)
    for half in halves:
        valid &= (half[:, 0] > 0.0) & np.isfinite(half).all(axis=1)
    xp = np.full((len(valid), sum(half.shape[1] for half in halves)), np.nan)
    xp[valid] = np.hstack([half[valid] / half[valid, :1] for half in halves])
    return xp, valid

"""Random numbers by name: what one part draws never shifts what another part draws."""

import hashlib

import numpy as np

__all__ = ["pick", "stream"]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to `seed` and `names`.

    Parameters
    ----------
    seed : int
        Seed of the synthetic sky.
    *names : str or int
        What the numbers are for, such as ``"spectrum", 17``.

    Returns
    -------
    numpy.random.Generator
        The same for the same arguments, on any thread and in any order of use.
    """
    digest = hashlib.sha256("/".join(str(name) for name in (seed, *names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def pick(rng: np.random.Generator, eligible: np.ndarray, number: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Pick a fixed number of stars, so that small skies hold rare cases too.

    Parameters
    ----------
    rng : numpy.random.Generator
    eligible : numpy.ndarray of bool, shape (n,)
        Who may be picked.
    number : int
        How many; fewer when there are not that many.
    weight : numpy.ndarray, shape (n,), optional
        Relative chance of each star.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    chosen = np.zeros(eligible.size, dtype=bool)
    rows = np.flatnonzero(eligible)
    if rows.size == 0 or number <= 0:
        return chosen
    # Exponential race: the smallest arrival times win, in proportion to the weights.
    rate = np.ones(rows.size) if weight is None else np.maximum(weight[rows], 1e-12)
    arrival = rng.exponential(size=rows.size) / rate
    chosen[rows[np.argsort(arrival, kind="stable")[: min(number, rows.size)]]] = True
    return chosen

"""Where a star that took no part in a t-SNE map belongs in it, and how far it is there from the training stars.

A new star is placed at the median position of its nearest stars among those of the map. That needs no fit, does not
depend on what other stars are placed with it, and cannot move the map.
"""

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["nearest_distance", "place", "training_distances"]


def place(positions: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Return where stars belong whose nearest stars in the map are known.

    Parameters
    ----------
    positions : numpy.ndarray
        Of the stars in the map, shape (n_stars, 2).
    neighbours : numpy.ndarray of int
        Rows of `positions`, shape (n_new, k).

    Returns
    -------
    numpy.ndarray
        Shape (n_new, 2), float32: the median of each coordinate, so that a neighbour at the other end of the map does
        not pull the star between two groups.
    """
    rows = max(1, 8_000_000 // max(neighbours.shape[1], 1))
    blocks = [
        np.median(positions[neighbours[i : i + rows]], axis=1).astype(np.float32)
        for i in range(0, len(neighbours), rows)
    ]
    return np.concatenate(blocks) if blocks else np.empty((0, 2), dtype=np.float32)


def training_distances(positions: np.ndarray, training: np.ndarray, stars: np.ndarray | None = None) -> np.ndarray:
    """Return each star's distance to the nearest training star other than itself.

    Parameters
    ----------
    positions : numpy.ndarray
        Of the stars in the map, shape (n_stars, 2).
    training : numpy.ndarray of bool
        Shape (n_stars,); at least two are True.
    stars : numpy.ndarray, optional
        Where the same stars are looked at from, shape (n_stars, 2); `positions` by default.

    Returns
    -------
    numpy.ndarray
        Shape (n_stars,), float32, units of the map.
    """
    stars = positions if stars is None else stars
    tree = cKDTree(positions[training])
    distance = np.empty(len(stars))
    distance[~training], _ = tree.query(stars[~training], k=1)
    # Of the two nearest of a training star, one may be itself; twins at the same place are at distance zero.
    pairs, found = tree.query(stars[training], k=2)
    own = np.arange(len(pairs))
    distance[training] = np.where(found[:, 0] == own, pairs[:, 1], pairs[:, 0])
    return distance.astype(np.float32)


def nearest_distance(points: np.ndarray, stars: np.ndarray) -> np.ndarray:
    """Return the distance of each of `stars`, shape (n, 2), to the nearest of `points`; float32."""
    return cKDTree(points).query(stars, k=1)[0].astype(np.float32)

"""New stars in the frozen maps of a reference: their places, and their distances to its training stars."""

from dataclasses import dataclass

import numpy as np

from catalog.boundary.companion import TrainingDistances, nearest_training
from catalog.boundary.likeness import LikenessMap
from catalog.boundary.placement import nearest_distance, place
from catalog.boundary.reference import FrozenMap, Reference

__all__ = ["Places", "distances_to_training", "find_places", "stranger_words"]


@dataclass(frozen=True)
class Places:
    """Where stars stand in the maps of a reference: their own places, or those that their neighbours give them."""

    reference: Reference
    rows: np.ndarray
    """Row of each star in the maps, -1 for one that is new; shape (n_stars,)."""
    neighbours: np.ndarray
    """Rows of the nearest stars of each new one, shape (n_new, k)."""
    stranger: np.ndarray
    """Stars whose spectra resemble none of the maps: they have no place; shape (n_stars,), bool."""

    def in_map(self, frozen: FrozenMap) -> LikenessMap:
        """Return one map with the stars that have a place."""
        training = self.reference.training
        kept = ~self.stranger
        rows = self.rows[kept]
        new = rows < 0
        positions = np.empty((len(rows), 2), dtype=np.float32)
        positions[~new] = frozen.positions[rows[~new]]
        positions[new] = place(frozen.positions, self.neighbours[kept[self.rows < 0]])
        distance = np.empty(len(rows), dtype=np.float32)
        if not new.all():
            distance[~new] = self.reference.own_distances(frozen)[rows[~new]]
        distance[new] = nearest_distance(frozen.positions[training], positions[new])
        like = distance <= np.where(new, np.float32(frozen.placed_threshold), np.float32(frozen.threshold))
        return LikenessMap(
            frozen.perplexity,
            positions,
            distance,
            like,
            frozen.threshold,
            np.where(new, distance, np.float32(np.nan)),
            frozen.placed_threshold,
            None,
        )


def find_places(reference: Reference, scores: np.ndarray, rows: np.ndarray, placed_by: int, workers: int) -> Places:
    """Find the places of stars in the maps of a reference.

    Parameters
    ----------
    reference : Reference
    scores : numpy.ndarray
        Their spectra in the reference's frame, shape (n_stars, n_components).
    rows : numpy.ndarray of int
        Row of each star in the maps, -1 for one that is new; shape (n_stars,).
    placed_by : int
        Nearest stars of the maps that give a new star its place.
    workers : int
        Threads; the result does not depend on them.

    Returns
    -------
    Places
    """
    new = rows < 0
    found = reference.index.search(min(placed_by, len(reference.source_id)), scores[new], workers)
    stranger = np.zeros(len(scores), dtype=bool)
    stranger[new] = found.distances[:, 0] > reference.farthest
    return Places(reference, rows, found.indices, stranger)


def distances_to_training(
    reference: Reference, scores: np.ndarray, rows: np.ndarray, workers: int
) -> tuple[np.ndarray, TrainingDistances]:
    """Find the most similar training star of the maps for each star.

    Parameters
    ----------
    reference : Reference
    scores, rows, workers
        As in `find_places`.

    Returns
    -------
    nearest : numpy.ndarray
        source_id of it, shape (n_stars,).
    distances : TrainingDistances
    """
    training = np.flatnonzero(reference.training)
    own_row = np.where((rows < 0) | ~np.isin(rows, training), -1, np.searchsorted(training, np.maximum(rows, 0)))
    found = nearest_training(
        scores[:, : reference.n_companion],
        reference.index.points[training][:, : reference.n_companion],
        own_row,
        reference.own,
        workers,
    )
    return reference.source_id[training][found.nearest], found


def stranger_words(source_id: np.ndarray, n: int | None = None) -> list[str]:
    """Return a sentence on the stars that have no place, if there are any: those that are given, or `n`."""
    n = len(source_id) if n is None else n
    if not n:
        return []
    some = f"{n} spectra are farther from all stars of the maps than any of these from its nearest neighbour"
    return [f"{some} (for instance source_id {source_id[0]}): they have no place and count as unlike."]

"""Nearest neighbours of many spectra: exact for small samples, inverted lists for large ones.

Stars are grouped into lists around centres (k-means on a sample of them). A star's neighbours are looked for among
the stars of the lists whose centres are nearest to that of its own list; the distances of a whole list to all these
candidates are one matrix product. How many lists are looked through follows from a test on some stars whose exact
neighbours are computed: the fewest lists that hold the wanted share of them. With one list the search is exact.

Everything is computed in blocks, one thread each, so that the result does not depend on the number of threads.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from catalog.progress import Progress, silent

__all__ = ["EXACT_BELOW", "NeighbourIndex", "Neighbours", "build_index"]

EXACT_BELOW = 20_000
"""Stars from which lists are faster than comparing all with all."""
RECALL = 0.99
"""Share of the true neighbours that a search by lists must find."""
_TESTED = 512
"""Stars whose exact neighbours are computed to choose the number of lists."""
_BLOCK_BYTES = 64_000_000
"""Size of a block's matrix of distances."""
_REFINED = 32
"""Rows of a block whose distances are computed again at a time: what fits into a processor's cache."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest stars of each star, nearest first."""

    indices: np.ndarray
    """Rows of the index's points, shape (n, k), int32."""
    distances: np.ndarray
    """Shape (n, k), float32."""


@dataclass(frozen=True)
class NeighbourIndex:
    """Points that neighbours are looked for among; plain arrays, fit to be saved."""

    points: np.ndarray
    """Shape (n, n_components), float32."""
    centres: np.ndarray
    """Of the lists, shape (n_lists, n_components), float32."""
    order: np.ndarray
    """Rows of `points` list by list, shape (n,), int32."""
    ends: np.ndarray
    """Where each list ends in `order`, shape (n_lists,), int64."""
    n_probed: int
    """Lists that are looked through for each star."""
    recall: float
    """Share of true neighbours that the test found."""

    @property
    def words(self) -> str:
        """What the search is, for the record."""
        if len(self.centres) == 1:
            return "exact"
        return f"{self.n_probed} of {len(self.centres)} lists, recall {self.recall:.4f}"

    def search(
        self,
        k: int,
        queries: np.ndarray | None = None,
        workers: int = 1,
        progress: Progress = silent,
    ) -> Neighbours:
        """Return the `k` nearest points of each query.

        Parameters
        ----------
        k : int
            At most the number of points, less one without `queries`.
        queries : numpy.ndarray, optional
            Shape (n, n_components), float32. By default the points themselves: then a point is not its own
            neighbour, but a point at the same place is.
        workers : int
            Threads; the result does not depend on them.
        progress : Progress
            Told of queries done.

        Returns
        -------
        Neighbours
        """
        own = queries is None
        found = np.ascontiguousarray(self.points if queries is None else queries, dtype=np.float32)
        n = len(found)
        result = Neighbours(np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32))
        home = self._home if own else nearest_centre(found, self.centres)

        def work(block: tuple[int, np.ndarray]) -> int:
            number, rows = block
            candidates = self._candidates(number, k + own)
            result.indices[rows], result.distances[rows] = self._nearest(
                found[rows], candidates, k, rows if own else None
            )
            return len(rows)

        done = 0
        # A thread a block; the products inside a block must not start threads of their own.
        with threadpool_limits(1), ThreadPoolExecutor(max(1, workers)) as executor:
            for number in executor.map(work, self._blocks(home, k + own)):
                done += number
                progress(done, n, "nearest neighbours")
        return result

    @cached_property
    def _home(self) -> np.ndarray:
        """List of each point."""
        home = np.empty(len(self.points), dtype=np.int32)
        home[self.order] = np.repeat(np.arange(len(self.ends), dtype=np.int32), np.diff(self.ends, prepend=0))
        return home

    @cached_property
    def _near(self) -> np.ndarray:
        """Lists in the order of their distance, for each list."""
        return np.argsort(_squared(self.centres, self.centres), axis=1, kind="stable")

    @cached_property
    def _norms(self) -> np.ndarray:
        return np.einsum("ij,ij->i", self.points, self.points)

    def _candidates(self, number: int, least: int) -> np.ndarray:
        """Return the points of the lists around list `number`, at least `least` of them."""
        starts = self.ends - np.diff(self.ends, prepend=0)
        near = self._near[number]
        enough = int(np.searchsorted(np.cumsum((self.ends - starts)[near]), least)) + 1
        lists = near[: max(self.n_probed, enough)]
        return np.concatenate([self.order[starts[i] : self.ends[i]] for i in lists])

    def _blocks(self, home: np.ndarray, least: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield queries of one list, few enough for the size of a block."""
        order = np.argsort(home, kind="stable")
        ends = np.searchsorted(home[order], np.arange(len(self.centres)), side="right")
        start = 0
        for number, end in enumerate(ends):
            if end > start:
                rows = max(1, _BLOCK_BYTES // (4 * max(least, self._size(number))))
                for first in range(start, end, rows):
                    yield number, order[first : min(first + rows, end)]
            start = end

    def _size(self, number: int) -> int:
        sizes = np.diff(self.ends, prepend=0)
        return int(sizes[self._near[number][: self.n_probed]].sum())

    def _nearest(
        self, queries: np.ndarray, candidates: np.ndarray, k: int, own: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        squared = queries @ self.points[candidates].T
        squared *= -2.0
        squared += self._norms[candidates]
        if own is not None:
            # A point is not its own neighbour, whoever else stands at its place.
            place = np.empty(len(self.points), dtype=np.int32)
            place[candidates] = np.arange(len(candidates), dtype=np.int32)
            squared[np.arange(len(own)), place[own]] = np.inf
        chosen = (
            np.argpartition(squared, k - 1, axis=1)[:, :k]
            if k < squared.shape[1]
            else np.tile(np.arange(squared.shape[1]), (len(queries), 1))
        )
        indices = candidates[chosen]
        # Differences keep the digits that the product of large numbers loses: twins are at distance zero.
        distances = np.empty(indices.shape, dtype=np.float32)
        for first in range(0, len(queries), _REFINED):
            rows = slice(first, first + _REFINED)
            difference = np.take(self.points, indices[rows], axis=0)
            difference -= queries[rows, np.newaxis]
            np.einsum("ijk,ijk->ij", difference, difference, out=distances[rows])
        order = np.lexsort((indices, distances), axis=1)
        indices, distances = np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1)
        return indices, np.sqrt(distances)


def build_index(
    points: np.ndarray, k: int, seed: int = 0, exact_below: int | None = None, recall: float = RECALL
) -> NeighbourIndex:
    """Make an index that finds the `k` nearest neighbours.

    Parameters
    ----------
    points : numpy.ndarray
        Shape (n, n_components).
    k : int
        Neighbours that will be asked for.
    seed : int
        Of the lists.
    exact_below : int, optional
        Number of points from which lists are used; `EXACT_BELOW` by default.
    recall : float
        Share of true neighbours to find.

    Returns
    -------
    NeighbourIndex
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    n = len(points)
    everything = NeighbourIndex(
        points, points[:1] * 0, np.arange(n, dtype=np.int32), np.array([n], dtype=np.int64), 1, 1.0
    )
    if n < (EXACT_BELOW if exact_below is None else exact_below):
        return everything
    rng = np.random.default_rng(seed)
    n_lists = int(np.clip(round(n**0.5), 2, 2048))
    sample = np.sort(rng.choice(n, min(n, 50 * n_lists), replace=False))
    with threadpool_limits(1):
        means = MiniBatchKMeans(n_lists, batch_size=4096, max_iter=10, n_init=1, init="random", random_state=seed)
        centres = means.fit(points[sample]).cluster_centers_.astype(np.float32)
        home = nearest_centre(points, centres)
    sizes = np.bincount(home, minlength=n_lists)
    centres, sizes, home = centres[sizes > 0], sizes[sizes > 0], np.cumsum(sizes > 0)[home] - 1
    order = np.argsort(home, kind="stable").astype(np.int32)
    index = NeighbourIndex(points, centres, order, np.cumsum(sizes), len(centres), 1.0)
    # Rank of the list of each true neighbour among the lists around the star's own.
    tested = np.sort(rng.choice(n, min(n, _TESTED), replace=False))
    truth = everything.search(min(k + 1, n), points[tested])
    rank = np.empty_like(index._near)
    np.put_along_axis(rank, index._near, np.arange(len(centres))[np.newaxis], axis=1)
    ranks = rank[home[tested][:, np.newaxis], home[truth.indices]]
    found = np.cumsum(np.bincount(ranks.ravel(), minlength=len(centres))) / ranks.size
    n_probed = int(np.searchsorted(found, recall)) + 1
    return NeighbourIndex(points, centres, order, index.ends, n_probed, float(found[n_probed - 1]))


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the nearest of `centres` to each point, shape (n,), int32."""
    if len(centres) == 1:
        return np.zeros(len(points), dtype=np.int32)
    rows = max(1, _BLOCK_BYTES // (4 * len(centres)))
    blocks = [_squared(points[i : i + rows], centres).argmin(axis=1) for i in range(0, len(points), rows)]
    return np.concatenate(blocks).astype(np.int32) if blocks else np.empty(0, dtype=np.int32)


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances less the norms of `a`, which do not change their order along a row."""
    return np.einsum("ij,ij->i", b, b) - 2.0 * (a @ b.T)

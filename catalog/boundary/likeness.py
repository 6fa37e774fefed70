"""Which spectra are like those of the training sample: t-SNE maps at several perplexities (Sect. 5.1).

A map places similar spectra side by side. A star is training-like in a map when its distance to the nearest
training star is at most a quantile of the distances that training stars have to their own nearest fellow. That
makes the quantile a rate of false alarms: an observed star drawn from where the training stars are fails one
map with probability 1 - quantile, and all four together with at most four times that. The default, 0.99, so
loses 1 to 4 % of truly similar spectra. The paper does not state its threshold; it classifies 79.6 % of the
observed sample as training-like.

All maps share one search for nearest neighbours, that of the largest perplexity; the affinities of a smaller one
come from the nearest of them. Each map is computed by as many threads as the settings say, one by default, whatever
the machine has: sums in another order would give another map.

A sample that is too small for a perplexity gets a map of the largest one that it allows: see `usable_perplexities`.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import openTSNE
import scipy
import sklearn
from openTSNE import TSNEEmbedding, initialization
from openTSNE.affinity import PrecomputedAffinities, joint_probabilities_nn

from catalog.boundary.neighbours import Neighbours
from catalog.boundary.placement import place, training_distances
from catalog.errors import SampleError
from catalog.profiles.model import LikenessSettings
from catalog.progress import Progress, silent

__all__ = ["LikenessMap", "likeness_maps", "map_settings", "n_neighbours", "usable_perplexities"]

NEIGHBOURS_PER_PERPLEXITY = 3
EARLY_EXAGGERATION = 12.0
BARNES_HUT_BELOW = 10_000
"""Stars from which the gradient interpolated by FFT is faster than the Barnes-Hut tree."""
FEWEST_STARS = 8
"""Below, not even a map of perplexity 2 can be made."""
_REPORT_EVERY = 25


@dataclass(frozen=True)
class LikenessMap:
    """One t-SNE map and what it says of each star."""

    perplexity: int
    positions: np.ndarray
    """Shape (n_stars, 2), float32."""
    distance: np.ndarray
    """To the nearest (other) training star; shape (n_stars,), float32, units of the map."""
    like: np.ndarray
    """Shape (n_stars,), bool: the distance is within the threshold."""
    threshold: float
    placed_distance: np.ndarray
    """The same from where each star's neighbours place it, as if it were new; shape (n_stars,), float32."""
    placed_threshold: float
    """The quantile of the training stars' own `placed_distance`."""
    kl: float | None
    """Kullback-Leibler divergence that is left; None in a map that stars were only placed in."""


def n_neighbours(perplexities: tuple[int, ...]) -> int:
    """Return the neighbours of each star that maps of these perplexities need."""
    return NEIGHBOURS_PER_PERPLEXITY * max(perplexities)


def usable_perplexities(n_stars: int, n_training: int, perplexities: tuple[int, ...]) -> tuple[int, ...]:
    """Return the perplexities of the maps that a sample allows.

    A perplexity needs three times as many neighbours. Those that are too large are replaced by the largest that is
    not, once: 200 stars and the paper's 30, 50, 75, 100 give 30, 50, 66.

    Raises
    ------
    SampleError
        There are fewer than two training stars, or too few stars for any map.
    """
    if n_training < 2:
        raise SampleError(
            f"Training-likeness needs at least 2 training stars; there are {n_training}.",
            "See `rvscat status` for the cuts that removed them.",
        )
    if n_stars < FEWEST_STARS:
        raise SampleError(
            f"A t-SNE map needs at least {FEWEST_STARS} stars; the sample has {n_stars}.",
            "Take more stars; see `rvscat status` for the cuts that removed them.",
        )
    largest = (n_stars - 1) // NEIGHBOURS_PER_PERPLEXITY
    return tuple(sorted({min(perplexity, largest) for perplexity in perplexities}))


def map_settings(settings: LikenessSettings, n_stars: int, explained: np.ndarray, search: str) -> dict[str, Any]:
    """Return all that determines the maps, as ``production.likeness_map.settings`` keeps it.

    Parameters
    ----------
    settings : LikenessSettings
    n_stars : int
    explained : numpy.ndarray
        Fraction of variance of each principal component.
    search : str
        How neighbours were found: see `catalog.boundary.neighbours.NeighbourIndex.words`.
    """
    return {
        "openTSNE": openTSNE.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "seed": settings.seed,
        "n_components": len(explained),
        "explained_variance": round(float(explained.sum()), 6),
        "perplexities": list(settings.perplexities),
        "neighbours": search,
        "neighbours_per_perplexity": NEIGHBOURS_PER_PERPLEXITY,
        "placed_by": settings.placed_by,
        "initialisation": "first two principal components",
        "early_exaggeration": EARLY_EXAGGERATION,
        "early_exaggeration_iter": settings.early_exaggeration_iter,
        "n_iter": settings.n_iter,
        "learning_rate": "n_stars / exaggeration",
        "gradient": "barnes-hut" if n_stars < BARNES_HUT_BELOW else "fft",
        "threads": settings.threads,
        "quantile": settings.quantile,
    }


def likeness_maps(
    scores: np.ndarray,
    training: np.ndarray,
    neighbours: Neighbours,
    settings: LikenessSettings,
    perplexities: tuple[int, ...],
    workers: int = 1,
    progress: Progress = silent,
) -> Iterator[LikenessMap]:
    """Compute the maps, several at once, and yield each as it is finished.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_stars, n_components): spectra after principal-component analysis.
    training : numpy.ndarray of bool
        Shape (n_stars,).
    neighbours : Neighbours
        Of each star among the others, three times the largest perplexity or more of them.
    settings : LikenessSettings
    perplexities : tuple of int
        Which maps to compute.
    workers : int
        Threads to use: ``workers // settings.threads`` maps at once.
    progress : Progress
        Told of iterations done in all maps together.

    Yields
    ------
    LikenessMap
        In no particular order.
    """
    wanted = sorted(set(perplexities), reverse=True)
    if not wanted:
        return
    iterations = settings.early_exaggeration_iter + settings.n_iter
    total = len(wanted) * iterations
    making = threading.Lock()
    start = _initial_positions(scores, settings.seed)
    done = dict.fromkeys(wanted, 0)
    stop = threading.Event()

    def work(perplexity: int) -> LikenessMap:
        def report(_: int, __: float, ___: np.ndarray) -> bool:
            done[perplexity] += _REPORT_EVERY
            return stop.is_set()

        # The matrix takes three times its own memory while it is made: one at a time.
        with making:
            affinities = _affinities(neighbours, perplexity, workers)
        embedding = _embed(affinities, start, settings, report)
        positions = np.asarray(embedding, dtype=np.float32)
        distance = training_distances(positions, training)
        threshold = np.float32(np.quantile(distance[training], settings.quantile))
        placed = place(positions, neighbours.indices[:, : settings.placed_by])
        placed_distance = training_distances(positions, training, placed)
        return LikenessMap(
            perplexity,
            positions,
            distance,
            distance <= threshold,
            float(threshold),
            placed_distance,
            float(np.float32(np.quantile(placed_distance[training], settings.quantile))),
            float(embedding.kl_divergence),
        )

    with ThreadPoolExecutor(max_workers=max(1, min(workers // settings.threads, len(wanted)))) as executor:
        pending: set[Future[LikenessMap]] = {executor.submit(work, perplexity) for perplexity in wanted}
        try:
            while pending:
                finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                progress(min(sum(done.values()), total), total, f"t-SNE maps of {len(scores)} spectra")
                for future in finished:
                    yield future.result()
        finally:
            # An error or an interruption: maps under way stop at their next report.
            stop.set()
            for future in pending:
                future.cancel()


def _affinities(neighbours: Neighbours, perplexity: int, workers: int) -> PrecomputedAffinities:
    k = NEIGHBOURS_PER_PERPLEXITY * perplexity
    joint = joint_probabilities_nn(
        neighbours.indices[:, :k], neighbours.distances[:, :k], [perplexity], symmetrize=True, n_jobs=workers
    )
    return PrecomputedAffinities(joint, normalize=False)


def _initial_positions(scores: np.ndarray, seed: int) -> np.ndarray:
    start = np.zeros((len(scores), 2))
    start[:, : min(2, scores.shape[1])] = scores[:, :2]
    start = initialization.rescale(start)
    # Duplicated spectra would never part, and t-SNE divides by their distance.
    return initialization.jitter(start, random_state=seed)


def _embed(
    affinities: PrecomputedAffinities, start: np.ndarray, settings: LikenessSettings, report: Any
) -> TSNEEmbedding:
    embedding = TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method="bh" if len(start) < BARNES_HUT_BELOW else "fft",
        random_state=settings.seed,
        n_jobs=settings.threads,
        callbacks=report,
        callbacks_every_iters=_REPORT_EVERY,
    )
    if settings.early_exaggeration_iter:
        embedding.optimize(
            settings.early_exaggeration_iter, inplace=True, exaggeration=EARLY_EXAGGERATION, momentum=0.5
        )
    return embedding.optimize(settings.n_iter, inplace=True, momentum=0.8)

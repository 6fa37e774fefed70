"""Which spectra are like those of the training sample: t-SNE maps at several perplexities (Sect. 5.1).

A map places similar spectra side by side. A star is training-like in a map when its distance to the nearest
training star is at most a quantile of the distances that training stars have to their own nearest fellow. That
makes the quantile a rate of false alarms: an observed star drawn from where the training stars are fails one
map with probability 1 - quantile, and all four together with at most four times that. The default, 0.99, so
loses 1 to 4 % of truly similar spectra. The paper does not state its threshold; it classifies 79.6 % of the
observed sample as training-like.

Each map is computed in one thread, so that the result does not depend on how many threads there are.
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
from openTSNE.affinity import PerplexityBasedNN, PrecomputedAffinities
from scipy.spatial import cKDTree

from catalog.errors import SampleError
from catalog.profiles.model import LikenessSettings
from catalog.progress import Progress, silent

__all__ = ["LikenessMap", "check_sample_size", "likeness_maps", "map_settings", "training_distances"]

NEIGHBOURS_PER_PERPLEXITY = 3
EARLY_EXAGGERATION = 12.0
BARNES_HUT_BELOW = 10_000
"""Stars from which the gradient interpolated by FFT is faster than the Barnes-Hut tree."""
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
    kl: float
    """Kullback-Leibler divergence that is left."""
    n_iter: int
    """Iterations done, early exaggeration included."""


def check_sample_size(n_stars: int, n_training: int, perplexities: tuple[int, ...]) -> None:
    """Refuse a sample that is too small for the maps that are asked for.

    Raises
    ------
    SampleError
        There are fewer than two training stars, or not more stars than three times the largest perplexity.
    """
    if n_training < 2:
        raise SampleError(
            f"Training-likeness needs at least 2 training stars; there are {n_training}.",
            "See `rvscat status` for the cuts that removed them.",
        )
    minimum = NEIGHBOURS_PER_PERPLEXITY * max(perplexities) + 1
    if n_stars < minimum:
        possible = (n_stars - 1) // NEIGHBOURS_PER_PERPLEXITY
        raise SampleError(
            f"A t-SNE map of perplexity {max(perplexities)} needs at least {minimum} stars; the sample has {n_stars}.",
            f"Take more stars, or set likeness.perplexities in the profile to at most {possible}.",
        )


def map_settings(settings: LikenessSettings, n_stars: int, explained: np.ndarray) -> dict[str, Any]:
    """Return all that determines the maps, as ``production.likeness_map.settings`` keeps it.

    Parameters
    ----------
    settings : LikenessSettings
    n_stars : int
    explained : numpy.ndarray
        Fraction of variance of each principal component.
    """
    return {
        "openTSNE": openTSNE.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "seed": settings.seed,
        "n_components": len(explained),
        "explained_variance": round(float(explained.sum()), 6),
        "neighbours": f"exact, {NEIGHBOURS_PER_PERPLEXITY} x {max(settings.perplexities)}",
        "initialisation": "first two principal components",
        "early_exaggeration": EARLY_EXAGGERATION,
        "early_exaggeration_iter": settings.early_exaggeration_iter,
        "n_iter": settings.n_iter,
        "learning_rate": "n_stars / exaggeration",
        "gradient": "barnes-hut" if n_stars < BARNES_HUT_BELOW else "fft",
        "quantile": settings.quantile,
    }


def training_distances(positions: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return each star's distance to the nearest training star other than itself.

    Parameters
    ----------
    positions : numpy.ndarray
        Shape (n_stars, 2).
    training : numpy.ndarray of bool
        Shape (n_stars,); at least two are True.

    Returns
    -------
    numpy.ndarray
        Shape (n_stars,), float32.
    """
    tree = cKDTree(positions[training])
    distance = np.empty(len(positions))
    distance[~training], _ = tree.query(positions[~training], k=1)
    # The nearest of a training star is itself, or a twin at the same place: the second is the one.
    pairs, _ = tree.query(positions[training], k=2)
    distance[training] = pairs[:, 1]
    return distance.astype(np.float32)


def likeness_maps(
    scores: np.ndarray,
    training: np.ndarray,
    settings: LikenessSettings,
    perplexities: tuple[int, ...] | None = None,
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
    settings : LikenessSettings
    perplexities : tuple of int, optional
        Which of ``settings.perplexities`` to compute; all by default.
    workers : int
        Maps to compute at once, one thread each.
    progress : Progress
        Told of iterations done in all maps together.

    Yields
    ------
    LikenessMap
        In no particular order.

    Raises
    ------
    SampleError
        The sample is too small: see `check_sample_size`.
    """
    wanted = sorted(set(settings.perplexities if perplexities is None else perplexities), reverse=True)
    check_sample_size(len(scores), int(training.sum()), settings.perplexities)
    if not wanted:
        return
    iterations = settings.early_exaggeration_iter + settings.n_iter
    total = len(wanted) * iterations
    progress(0, total, "nearest neighbours")
    affinities = _Affinities(scores, max(settings.perplexities), workers)
    start = _initial_positions(scores, settings.seed)
    done = dict.fromkeys(wanted, 0)
    stop = threading.Event()

    def work(perplexity: int) -> LikenessMap:
        def report(_: int, __: float, ___: np.ndarray) -> bool:
            done[perplexity] += _REPORT_EVERY
            return stop.is_set()

        embedding = _embed(affinities.at(perplexity), start, settings, report)
        positions = np.asarray(embedding, dtype=np.float32)
        distance = training_distances(positions, training)
        threshold = np.float32(np.quantile(distance[training], settings.quantile))
        return LikenessMap(
            perplexity,
            positions,
            distance,
            distance <= threshold,
            float(threshold),
            float(embedding.kl_divergence),
            iterations,
        )

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(wanted)))) as executor:
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


class _Affinities:
    """Affinities at any perplexity from one search for nearest neighbours, that of the largest."""

    def __init__(self, scores: np.ndarray, largest: int, workers: int) -> None:
        self._lock = threading.Lock()
        # Exact search: it copes with duplicated spectra, which approximate ones return in any order.
        self._base = PerplexityBasedNN(
            scores,
            perplexity=largest,
            k_neighbors=NEIGHBOURS_PER_PERPLEXITY * largest,
            method="exact",
            n_jobs=workers,
            knn_kwargs={"algorithm": "brute"},
        )

    def at(self, perplexity: int) -> PrecomputedAffinities:
        with self._lock:
            self._base.set_perplexity(perplexity)
            # The optimiser scales the matrix in place while it exaggerates: give it its own.
            return PrecomputedAffinities(self._base.P.copy(), normalize=False)


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
        n_jobs=1,
        callbacks=report,
        callbacks_every_iters=_REPORT_EVERY,
    )
    if settings.early_exaggeration_iter:
        embedding.optimize(
            settings.early_exaggeration_iter, inplace=True, exaggeration=EARLY_EXAGGERATION, momentum=0.5
        )
    return embedding.optimize(settings.n_iter, inplace=True, momentum=0.8)

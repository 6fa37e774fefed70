"""Principal components of all spectra, in two passes over blocks: memory does not grow with the sample.

The covariance of 2401 pixels is small (46 MB), so it is summed exactly and its leading eigenvectors give the
components without any randomness.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from catalog.errors import SampleError

__all__ = ["Basis", "Components", "principal_components", "project"]


@dataclass(frozen=True)
class Basis:
    """The frame of principal components: what spectra are projected with."""

    mean: np.ndarray
    """Mean spectrum, shape (n_pixels,), float64."""
    vectors: np.ndarray
    """Shape (n_pixels, n_components), float64, orthonormal columns."""
    explained: np.ndarray
    """Fraction of the total variance that each component holds, largest first."""

    def scores(self, spectra: np.ndarray) -> np.ndarray:
        """Return spectra of shape (n, n_pixels) in this frame: (n, n_components), float32."""
        return ((spectra - self.mean) @ self.vectors).astype(np.float32)


@dataclass(frozen=True)
class Components:
    """Spectra in the frame of their principal components."""

    source_id: np.ndarray
    """Shape (n_stars,), int64, ascending."""
    scores: np.ndarray
    """Shape (n_stars, n_components), float32."""
    basis: Basis


Block = tuple[np.ndarray, np.ndarray]
"""Source ids, shape (rows,), and spectra, shape (rows, n_pixels)."""


def principal_components(blocks: Callable[[], Iterable[Block]], n_components: int) -> Components:
    """Project spectra onto their leading principal components.

    Parameters
    ----------
    blocks : callable
        Returns, each time it is called, the same spectra as an iterable of blocks of ids and fluxes.
    n_components : int
        Components to keep; at most the number of pixels, or of spectra less one.

    Returns
    -------
    Components

    Raises
    ------
    SampleError
        There are no spectra, all of them are identical, or one holds a value that is not finite.
    """
    n, shift, total, products = 0, np.empty(0), np.empty(0), np.empty(0)
    for source_id, block in blocks():
        _check_finite(source_id, block)
        if n == 0:
            # Sums of deviations from a first guess of the mean keep their digits.
            shift = block.mean(axis=0, dtype=np.float64)
            total, products = np.zeros_like(shift), np.zeros((shift.size, shift.size))
        deviations = block - shift
        total += deviations.sum(axis=0)
        products += deviations.T @ deviations
        n += len(block)
    if n == 0:
        raise SampleError("There are no spectra to compare with the training sample.")
    mean = total / n
    covariance = products / n - np.outer(mean, mean)
    variance = float(np.trace(covariance))
    # Rounding leaves about 1e-16 of the summed squares where there is no variance at all.
    if variance <= 1e-12 * max(1.0, float(np.trace(products)) / n):
        raise SampleError(
            f"All {n} spectra are identical: no spectrum can be told from the training sample's.",
            "Check the spectra that were ingested.",
        )
    kept = min(n_components, shift.size, n - 1)
    values, vectors = eigh(covariance, subset_by_index=[shift.size - kept, shift.size - 1], overwrite_a=True)
    values, vectors = values[::-1], vectors[:, ::-1]
    # The sign of an eigenvector is arbitrary: make its largest element positive.
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)]
    vectors = vectors * np.where(largest < 0, -1.0, 1.0)
    return project(blocks(), Basis(shift + mean, vectors, np.maximum(values, 0.0) / variance))


def project(blocks: Iterable[Block], basis: Basis) -> Components:
    """Bring spectra into a frame that is there already.

    Parameters
    ----------
    blocks : iterable of Block
    basis : Basis

    Returns
    -------
    Components

    Raises
    ------
    SampleError
        There are no spectra, or one holds a value that is not finite.
    """
    ids, scores = [], []
    for source_id, block in blocks:
        _check_finite(source_id, block)
        ids.append(source_id)
        scores.append(basis.scores(block))
    if not ids:
        raise SampleError("There are no spectra to compare with the training sample.")
    all_ids = np.concatenate(ids)
    order = np.argsort(all_ids, kind="stable")
    return Components(all_ids[order], np.concatenate(scores)[order], basis)


def _check_finite(source_id: np.ndarray, block: np.ndarray) -> None:
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        raise SampleError(
            f"The repaired spectrum of source_id {source_id[bad][0]} ({bad.sum()} in this block) is not finite.",
            "A spectrum without one valid continuum pixel does not belong to a sample: select the samples again.",
        )

"""How well an ensemble gives back the labels it was trained on, by all members and by those that did not see a star.

Three members of four have seen any one training star, so the residuals of the mean over all members, which the
paper gives, are optimistic. The mean over the members whose validation set held the star is not.
"""

from typing import Any

import numpy as np

from catalog.metadata import LABELS

__all__ = ["out_of_fold", "residual_metrics"]

_GAUSSIAN_MAD = 1.4826


def out_of_fold(predictions: np.ndarray, validation: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Average over the members that did not train on a star.

    Parameters
    ----------
    predictions : numpy.ndarray
        Shape (n_members, n, n_labels).
    validation : numpy.ndarray of bool
        Shape (n_splits, n).
    splits : numpy.ndarray of int
        Split of each member, shape (n_members,).

    Returns
    -------
    numpy.ndarray
        Shape (n, n_labels), float64; NaN for stars that every member has seen.
    """
    unseen = validation[splits]
    n_unseen = unseen.sum(axis=0)
    total = np.einsum("mn,mnl->nl", unseen.astype(np.float64), predictions, optimize=True)
    mean: np.ndarray = total / np.where(n_unseen, n_unseen, np.nan)[:, np.newaxis]
    return mean


def residual_metrics(labels: np.ndarray, mean: np.ndarray, unseen: np.ndarray, sigma: np.ndarray) -> dict[str, Any]:
    """Compare predicted and APOGEE's labels of the training sample.

    Parameters
    ----------
    labels : numpy.ndarray
        APOGEE's, shape (n, n_labels).
    mean : numpy.ndarray
        Over all members.
    unseen : numpy.ndarray
        Over the members that did not train on the star; NaN where there is none.
    sigma : numpy.ndarray
        Overall uncertainty as published.

    Returns
    -------
    dict
        For ``all_members`` and ``out_of_fold``, for each label: ``n``, ``bias``, ``dispersion`` (standard
        deviation), ``robust_dispersion`` (1.4826 times the median absolute deviation), and the fraction of stars
        within one and two sigma (``coverage_1``, ``coverage_2``; 0.683 and 0.954 are expected). Figures of no
        stars are None.
    """
    return {
        name: {label.name: _metrics(values[:, i] - labels[:, i], sigma[:, i]) for i, label in enumerate(LABELS)}
        for name, values in (("all_members", mean), ("out_of_fold", unseen))
    }


def _metrics(residual: np.ndarray, sigma: np.ndarray) -> dict[str, float | int | None]:
    known = np.isfinite(residual)
    residual, sigma = residual[known], sigma[known]
    if not residual.size:
        return {"n": 0} | dict.fromkeys(("bias", "dispersion", "robust_dispersion", "coverage_1", "coverage_2"))
    return {
        "n": int(residual.size),
        "bias": float(residual.mean()),
        "dispersion": float(residual.std()),
        "robust_dispersion": float(_GAUSSIAN_MAD * np.median(np.abs(residual - np.median(residual)))),
        "coverage_1": float((np.abs(residual) <= sigma).mean()),
        "coverage_2": float((np.abs(residual) <= 2.0 * sigma).mean()),
    }

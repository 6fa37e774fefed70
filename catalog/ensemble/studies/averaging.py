"""What one network makes of the stars of each region: mean gradients, and what each input matters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from catalog.ensemble.network import INPUTS
from catalog.ensemble.prediction.loading import PREDICTION_BATCH, predict_scaled, scaled_inputs
from catalog.ensemble.studies.gradients import GRADIENT_BATCH, Jacobian
from catalog.features import FeatureBlock, Scalers, TrainingSet

__all__ = ["StudiedStars", "label_changes", "mean_gradients"]


@dataclass(frozen=True, eq=False)
class StudiedStars:
    """Training stars of some regions, as a network's inputs."""

    training: TrainingSet
    """n stars; spectra may be mapped from a file: they are read a batch at a time."""
    inside: np.ndarray
    """Which of them lie in each region, shape (n_regions, n), bool. A star may lie in several."""
    scalers: Scalers
    inputs: tuple[str, ...]
    """Names of the network's inputs."""

    @cached_property
    def rows(self) -> np.ndarray:
        """Stars that lie in any region, shape (n_rows,)."""
        return np.flatnonzero(self.inside.any(axis=0))

    @property
    def label_range(self) -> np.ndarray:
        """Label units by unit of the network's scale, shape (n_labels,)."""
        return self.scalers.labels.maximum - self.scalers.labels.minimum

    def scaled(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the inputs of some stars on the network's scale."""
        stars = self.training
        block = FeatureBlock(stars.source_id[rows], stars.flux[rows], stars.scalars[rows], stars.xp[rows])
        return scaled_inputs(block, self.scalers, self.inputs)

    @cached_property
    def mean(self) -> list[np.ndarray]:
        """Inputs of the mean training star, shapes (1, n_features)."""
        stars = self.training
        flux, scalars, xp = (
            values.mean(axis=0, dtype=np.float64)[None] for values in (stars.flux, stars.scalars, stars.xp)
        )
        return scaled_inputs(FeatureBlock(np.zeros(1, np.int64), flux, scalars, xp), self.scalers, self.inputs)


def mean_gradients(differentiate: Jacobian, stars: StudiedStars, tell: Callable[[int], None]) -> dict[str, np.ndarray]:
    """Average one network's gradients over the stars of each region.

    Parameters
    ----------
    differentiate : Jacobian
        Of the network.
    stars : StudiedStars
        A star of several regions is differentiated once.
    tell : callable
        Told the number of batches done.

    Returns
    -------
    dict of str to numpy.ndarray
        For each input, shape (n_regions, n_labels, n_features), float64: label units by unit of normalised flux, or by
        full range of the feature in the training sample. NaN for regions without stars.
    """
    sums: dict[str, Any] = dict.fromkeys(stars.inputs, 0.0)
    for batch, first in enumerate(range(0, len(stars.rows), GRADIENT_BATCH)):
        tell(batch)
        some = stars.rows[first : first + GRADIENT_BATCH]
        # One shape is compiled: the last batch is filled up with stars that count for nothing.
        lacking = GRADIENT_BATCH - len(some)
        values = [np.pad(part, ((0, lacking), (0, 0))) for part in stars.scaled(some)]
        weights = np.pad(stars.inside[:, some].astype(np.float64), ((0, 0), (0, lacking)))
        for name, part in zip(stars.inputs, differentiate(values), strict=True):
            sums[name] = sums[name] + np.einsum("rn,nlf->rlf", weights, part.astype(np.float64), optimize=True)
    n_stars = stars.inside.sum(axis=1).astype(np.float64)
    n_stars[n_stars == 0.0] = np.nan
    means = {name: total / n_stars[:, None, None] * stars.label_range[:, None] for name, total in sums.items()}
    for name, scaler in ((INPUTS[1], stars.scalers.scalars), (INPUTS[2], stars.scalers.xp)):
        if name in means:
            means[name][..., scaler.maximum == scaler.minimum] = 0.0
    return means


def label_changes(network: Any, stars: StudiedStars) -> dict[str, np.ndarray]:
    """Return how a network's labels change when stars get an input of the mean training star instead of their own.

    Parameters
    ----------
    network : keras.Model
    stars : StudiedStars

    Returns
    -------
    dict of str to numpy.ndarray
        For each input, shape (n_rows, n_labels), float64, label units.
    """
    changes = {name: np.empty((len(stars.rows), len(stars.label_range))) for name in stars.inputs}
    for first in range(0, len(stars.rows), PREDICTION_BATCH):
        part = slice(first, first + PREDICTION_BATCH)
        own = stars.scaled(stars.rows[part])
        labels = predict_scaled(network, own)
        for i, name in enumerate(stars.inputs):
            others = [*own[:i], np.broadcast_to(stars.mean[i], own[i].shape), *own[i + 1 :]]
            changes[name][part] = (predict_scaled(network, others).astype(np.float64) - labels) * stars.label_range
    return changes

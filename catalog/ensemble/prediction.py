"""Labels from a trained ensemble: every member sees every star (Sects. 3.2 and 4)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.artefact import Manifest, network_file, read_scalers, verify_artefact
from catalog.ensemble.backend import compiled, quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.training import weights_sha256
from catalog.errors import ArtefactError
from catalog.features import FeatureBlock, Scalers
from catalog.releases import PixelGrid

__all__ = ["PREDICTION_BATCH", "Ensemble", "combine", "load_ensemble", "predict_scaled"]

PREDICTION_BATCH = 256
"""Stars that a network sees at once. Short batches are filled up: one shape is compiled, and a star's labels do
not depend on how many others come with it."""


def predict_scaled(network: Any, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Run one network over many stars.

    Parameters
    ----------
    network : keras.Model
    inputs : sequence of numpy.ndarray
        Spectrum, scalars and XP on the network's scale, shapes (n, …), float32.

    Returns
    -------
    numpy.ndarray
        Labels on the network's scale, shape (n, n_labels), float32.
    """
    network.jit_compile = compiled()
    blocks = []
    for first in range(0, len(inputs[0]), PREDICTION_BATCH):
        parts = [values[first : first + PREDICTION_BATCH] for values in inputs]
        blocks.append(network.predict_on_batch([_filled_up(part) for part in parts])[: len(parts[0])])
    return np.concatenate(blocks) if blocks else np.empty((0, network.output_shape[-1]), dtype=np.float32)


def _filled_up(values: np.ndarray) -> np.ndarray:
    lacking = PREDICTION_BATCH - len(values)
    return np.pad(values, ((0, lacking), (0, 0))) if lacking else values


def combine(predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over members and their standard deviation.

    The deviation is that of the members as they are (divided by their number, not by one less); 0 for a single
    member.

    Parameters
    ----------
    predictions : numpy.ndarray
        Shape (n_members, n, n_labels).

    Returns
    -------
    mean, deviation : numpy.ndarray
        Shape (n, n_labels), float64, units of `predictions`.
    """
    return predictions.mean(axis=0, dtype=np.float64), predictions.std(axis=0, dtype=np.float64)


@dataclass(eq=False)
class Ensemble:
    """A trained ensemble in memory: one network that takes the weights of each member in turn."""

    path: Path
    manifest: Manifest
    scalers: Scalers
    _network: Any
    _weights: list[list[np.ndarray]]

    @property
    def n_members(self) -> int:
        """Members of the ensemble."""
        return len(self._weights)

    def predict(self, block: FeatureBlock) -> np.ndarray:
        """Predict the labels of some stars by every member.

        Parameters
        ----------
        block : FeatureBlock

        Returns
        -------
        numpy.ndarray
            Shape (n_members, n, n_labels) in the order of ``LABELS``, float64, physical units. NaN for stars with
            an input that is not finite on the network's scale.

        Raises
        ------
        ArtefactError
            The spectra are on another grid than the ensemble's.
        """
        grid = self.manifest.grid
        if block.flux.shape[1] != grid.n_pixels:
            raise ArtefactError(
                f"The spectra have {block.flux.shape[1]} pixels; the ensemble {self.path} was trained on spectra of "
                f"{grid.n_pixels}.",
                "Use an ensemble that was trained on this release.",
            )
        with np.errstate(over="ignore"):
            inputs = [
                np.asarray(block.flux, dtype=np.float32),
                self.scalers.scalars.transform(block.scalars).astype(np.float32),
                self.scalers.xp.transform(block.xp).astype(np.float32),
            ]
        scaled = np.empty((self.n_members, len(block), len(self.scalers.labels.names)), dtype=np.float32)
        for first in range(0, len(block), PREDICTION_BATCH):
            rows = slice(first, first + PREDICTION_BATCH)
            batch = [values[rows] for values in inputs]
            for member, weights in enumerate(self._weights):
                self._network.set_weights(weights)
                scaled[member, rows] = predict_scaled(self._network, batch)
        # Max pooling passes over NaN pixels as if they were dark.
        scaled[:, ~np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in inputs])] = np.nan
        return self.scalers.labels.inverse_transform(scaled)


@quiet()
def load_ensemble(path: Path, grid: PixelGrid | None = None, threads: int | None = None) -> Ensemble:
    """Load a saved ensemble.

    Parameters
    ----------
    path : pathlib.Path
        Its folder.
    grid : PixelGrid, optional
        Grid of the spectra to be labelled, to be compared with the ensemble's.
    threads : int, optional
        Threads of one operation, when nothing has been computed yet in this process.

    Returns
    -------
    Ensemble

    Raises
    ------
    ArtefactError
        A file is missing or altered, or the ensemble was made for other labels, another grid, or by another
        version of the format.
    """
    manifest = verify_artefact(path, grid)
    scalers = read_scalers(path)
    start_keras(threads)
    sizes = (manifest.grid.n_pixels, len(scalers.scalars.names), len(scalers.xp.names), len(scalers.labels.names))
    network = build_network(*sizes, manifest.network)
    weights = []
    for record in manifest.members:
        file = network_file(path, record.member)
        try:
            with warnings.catch_warnings():
                # What Keras passes over is found by the fingerprint below.
                warnings.simplefilter("ignore")
                network.load_weights(file)
        except (ValueError, OSError, KeyError) as error:
            raise ArtefactError(
                f"{file} is not a network of this ensemble: {error}", "Train the ensemble again."
            ) from error
        weights.append(network.get_weights())
        if weights_sha256(weights[-1]) != record.weights_sha256:
            raise ArtefactError(f"The weights in {file} are not those of member {record.member}.", "Train it again.")
    return Ensemble(path, manifest, scalers, network, weights)

"""Labels from a trained ensemble: every member sees every star (Sects. 3.2 and 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from catalog.ensemble.network import INPUTS
from catalog.ensemble.prediction.members import SavedMembers
from catalog.ensemble.prediction.reference import reference_labels
from catalog.ensemble.registry.artefact import Manifest, read_scalers, verify_artefact
from catalog.ensemble.runtimes import PREDICTION_BATCH, Predictor, choose_runtime, predict_scaled
from catalog.errors import ArtefactError
from catalog.features import FeatureBlock, Scalers, scalar_columns
from catalog.releases import PixelGrid

__all__ = [
    "PREDICTION_BATCH",
    "PROBE_STARS",
    "Ensemble",
    "combine",
    "load_ensemble",
    "predict_scaled",
    "scaled_inputs",
]

PROBE_STARS = 32
"""Stars on which a runtime is compared with Keras."""


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
    """A trained ensemble in memory."""

    path: Path
    manifest: Manifest
    scalers: Scalers
    inputs: tuple[str, ...]
    """Names of the network's inputs."""
    predictor: Predictor

    @property
    def n_members(self) -> int:
        """Members of the ensemble."""
        return len(self.manifest.members)

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
        return self._session(block)

    @cached_property
    def _session(self) -> Callable[[FeatureBlock], np.ndarray]:
        return self.session()

    def session(self) -> Callable[[FeatureBlock], np.ndarray]:
        """Return a function that does what `predict` does: each thread needs one of its own."""
        session = self.predictor.session()

        def predict(block: FeatureBlock) -> np.ndarray:
            inputs = self._scaled(block)
            scaled = np.empty((self.n_members, len(block), len(self.scalers.labels.names)), dtype=np.float32)
            for first in range(0, len(block), PREDICTION_BATCH):
                rows = slice(first, first + PREDICTION_BATCH)
                scaled[:, rows] = session([values[rows] for values in inputs])
            # Max pooling passes over NaN pixels as if they were dark.
            scaled[:, ~np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in inputs])] = np.nan
            return self.scalers.labels.inverse_transform(scaled)

        return predict

    def _scaled(self, block: FeatureBlock) -> list[np.ndarray]:
        grid = self.manifest.grid
        if block.flux.shape[1] != grid.n_pixels:
            raise ArtefactError(
                f"The spectra have {block.flux.shape[1]} pixels; the ensemble {self.path} was trained on spectra of "
                f"{grid.n_pixels}.",
                "Use an ensemble that was trained on this release.",
            )
        return scaled_inputs(block, self.scalers, self.inputs)


def load_ensemble(
    path: Path,
    grid: PixelGrid | None = None,
    threads: int | None = None,
    *,
    runtime: str = "keras",
    probe: FeatureBlock | None = None,
) -> Ensemble:
    """Load a saved ensemble.

    Parameters
    ----------
    path : pathlib.Path
        Its folder.
    grid : PixelGrid, optional
        Grid of the spectra to be labelled, to be compared with the ensemble's.
    threads : int, optional
        Threads of one operation, when nothing has been computed yet in this process.
    runtime : str
        ``auto`` for the fastest one, or the name of one: see `catalog.ensemble.runtimes`.
    probe : FeatureBlock, optional
        Stars on which another runtime than Keras is compared with it; by default, made-up ones.

    Returns
    -------
    Ensemble

    Raises
    ------
    ArtefactError
        A file is missing or altered, or the ensemble was made for other labels, another grid, or by another
        version of the format.
    ConfigurationError
        The runtime is not installed.
    """
    manifest = verify_artefact(path, grid)
    scalers = read_scalers(path)
    members = SavedMembers(path, manifest, scalers, threads)
    if probe is None or not len(probe):
        inputs = _made_up(scalers, manifest.grid, members.inputs)
    else:
        inputs = [values[:PROBE_STARS] for values in scaled_inputs(probe, scalers, members.inputs)]
        inputs = [np.nan_to_num(values, posinf=0.0, neginf=0.0) for values in inputs]
    predictor = choose_runtime(runtime, members, inputs, lambda stars: reference_labels(members, stars), threads or 1)
    return Ensemble(path, manifest, scalers, members.inputs, predictor)


def scaled_inputs(block: FeatureBlock, scalers: Scalers, names: Sequence[str]) -> list[np.ndarray]:
    """Return inputs on the network's scale.

    Parameters
    ----------
    block : FeatureBlock
        Of n stars.
    scalers : Scalers
    names : sequence of str
        Of the network's inputs, see `catalog.ensemble.network.INPUTS`.

    Returns
    -------
    list of numpy.ndarray
        One an input, shape (n, n_features), float32.
    """
    # An ensemble may have been trained on some of the inputs only: the others have no limits.
    with np.errstate(over="ignore"):
        every = (
            np.asarray(block.flux, dtype=np.float32),
            scalers.scalars.transform(block.scalars[:, scalar_columns(scalers.scalars.names)]).astype(np.float32),
            scalers.xp.transform(block.xp if scalers.xp.names else block.xp[:, :0]).astype(np.float32),
        )
    known = dict(zip(INPUTS, every, strict=True))
    return [known[name] for name in names]


def _made_up(scalers: Scalers, grid: PixelGrid, names: Sequence[str]) -> list[np.ndarray]:
    """Return inputs as stars have them: spectra near 1 with lines in them, everything else between 0 and 1."""
    rng = np.random.default_rng(1)
    spectra = 1.0 - 0.8 * rng.random((PROBE_STARS, grid.n_pixels), dtype=np.float32) ** 4
    others = [rng.random((PROBE_STARS, len(part.names)), dtype=np.float32) for part in (scalers.scalars, scalers.xp)]
    known = dict(zip(INPUTS, (spectra, *others), strict=True))
    return [known[name] for name in names]

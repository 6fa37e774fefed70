"""The training sample as networks are trained on it: read, split, scaled, checked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from psycopg import Connection

from catalog.database.ledger import Run
from catalog.ensemble.space import require_space
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.splits import validation_masks
from catalog.features import (
    FeatureReport,
    MinMaxScaler,
    Scalers,
    TrainingSet,
    load_training_set,
    scalar_columns,
    xp_names,
)
from catalog.metadata import LABELS
from catalog.profiles.model import NetworkSettings
from catalog.releases import load_release

__all__ = ["TrainingSample", "fit_scalers", "read_sample", "training_arrays"]


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """Training stars of a run, in physical units and on the network's scale."""

    training: TrainingSet
    scalers: Scalers
    arrays: TrainingArrays
    notes: list[str]
    """On stars that were left out."""


def read_sample(connection: Connection, run: Run, folder: Path, room: int, what: str) -> TrainingSample:
    """Read the training sample, once the disk is known to hold it.

    Parameters
    ----------
    connection : psycopg.Connection
        No transaction is open afterwards.
    run : Run
    folder : pathlib.Path
        Existing folder; the spectra lie in a file there, shared by all processes.
    room : int
        Bytes that are needed beside the spectra.
    what : str
        Begins the sentence that tells of too little room, for instance ``The training``.

    Returns
    -------
    TrainingSample

    Raises
    ------
    SampleError
        The sample is too small to split, or holds a value that is not finite.
    RvscatError
        The disk has too little room.
    """
    row = connection.execute(
        "SELECT count(*) FROM production.sample_star WHERE run_id = %s AND role = 'training'", (run.run_id,)
    ).fetchone()
    assert row is not None
    release, report = load_release(run.profile.release), FeatureReport()
    require_space(folder, 4 * release.rvs.n_pixels * row[0] + room, what)
    training = load_training_set(connection, run, folder, report)
    connection.commit()
    masks = validation_masks(training.source_id, run.profile.training)
    scalers = fit_scalers(training, release.xp.bp_coefficients, run.profile.network)
    arrays = training_arrays(training, scalers, masks)
    arrays.require_finite(training.source_id)
    return TrainingSample(training, scalers, arrays, report.notes())


def fit_scalers(training: TrainingSet, n_bp: int, network: NetworkSettings) -> Scalers:
    """Take the limits of the training sample's scalars, XP coefficients and labels.

    Parameters
    ----------
    training : TrainingSet
    n_bp : int
        How many of the XP coefficients are BP's.
    network : NetworkSettings
        Says which inputs there are; the others have no limits.

    Returns
    -------
    Scalers
    """
    xp = xp_names(n_bp, training.xp.shape[1] - n_bp) if "xp" in network.inputs else ()
    scalars = network.scalars if "scalars" in network.inputs else ()
    return Scalers(
        MinMaxScaler.fit(training.scalars[:, scalar_columns(scalars)], scalars),
        MinMaxScaler.fit(training.xp[:, : len(xp)], xp),
        MinMaxScaler.fit(training.labels, tuple(label.name for label in LABELS)),
    )


def training_arrays(training: TrainingSet, scalers: Scalers, masks: np.ndarray) -> TrainingArrays:
    """Return what networks are trained on.

    Parameters
    ----------
    training : TrainingSet
    scalers : Scalers
    masks : numpy.ndarray of bool
        Validation masks, shape (splits, n).

    Returns
    -------
    TrainingArrays
    """
    return TrainingArrays(
        training.flux,
        scalers.scalars.transform(training.scalars[:, scalar_columns(scalers.scalars.names)]).astype(np.float32),
        scalers.xp.transform(training.xp if scalers.xp.names else training.xp[:, :0]).astype(np.float32),
        scalers.labels.transform(training.labels).astype(np.float32),
        masks,
    )

"""Out-of-fold residuals of a saved ensemble: ``production.training_residual``, and the sigmas calibrated on them."""

from pathlib import Path

import numpy as np
from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.database.copy_in import copy_in
from catalog.ensemble.calibration import Calibration, OutOfFold, calibrate_out_of_fold
from catalog.ensemble.registry.artefact import Manifest, read_training
from catalog.metadata import LABELS

__all__ = ["add_residuals", "calibrations_of"]

_CALIBRATED = "calibrated"


def calibrations_of(folder: Path, manifest: Manifest) -> list[Calibration]:
    """Return how a saved ensemble's sigmas are calibrated.

    Parameters
    ----------
    folder : pathlib.Path
        The ensemble's.
    manifest : Manifest
        Of an ensemble that was saved before there were calibrations, if need be: they then follow from its training
        stars.

    Returns
    -------
    list of Calibration
        In the order of ``LABELS``; empty when too few training stars are unseen by some member.
    """
    recorded = manifest.uncertainty.get(_CALIBRATED)
    if recorded is None:
        return _out_of_fold(folder, manifest)[1].calibrations
    fits = recorded["fits"]
    return [Calibration.model_validate(fits[label.name]) for label in LABELS] if fits else []


def add_residuals(connection: Connection, ensemble_id: int, folder: Path, manifest: Manifest) -> None:
    """Write the out-of-fold residuals of an ensemble, unless they are there.

    Parameters
    ----------
    connection : psycopg.Connection
    ensemble_id : int
        Its row in ``production.ensemble``; calibrations that the row lacks are added to it.
    folder : pathlib.Path
        The ensemble's.
    manifest : Manifest
    """
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM production.training_residual WHERE ensemble_id = e.ensemble_id), "
        "uncertainty ? %s FROM production.ensemble AS e WHERE ensemble_id = %s",
        (_CALIBRATED, ensemble_id),
    ).fetchone()
    assert row is not None
    written, described = row
    if written and described:
        return
    source_id, judged = _out_of_fold(folder, manifest)
    if not described:
        connection.execute(
            "UPDATE production.ensemble SET uncertainty = uncertainty || %s WHERE ensemble_id = %s",
            (Jsonb({_CALIBRATED: judged.description()}), ensemble_id),
        )
    if not written:
        copy_in(connection, "production.training_residual", _columns(ensemble_id, source_id, judged))


def _out_of_fold(folder: Path, manifest: Manifest) -> tuple[np.ndarray, OutOfFold]:
    kept = read_training(folder)
    splits = np.array([record.split for record in manifest.members])
    judged = calibrate_out_of_fold(
        kept["labels"], kept["predictions"], kept["validation"], splits, manifest.uncertainty_settings
    )
    return kept["source_id"], judged


def _columns(ensemble_id: int, source_id: np.ndarray, judged: OutOfFold) -> dict[str, object]:
    known = np.isfinite(judged.residual).all(axis=1)
    columns: dict[str, object] = {
        "ensemble_id": np.full(known.sum(), ensemble_id),
        "source_id": source_id[known],
        "n_unseen": judged.n_unseen[known],
    }
    for i, label in enumerate(LABELS):
        columns[label.name] = judged.mean[known, i]
        columns[f"residual_{label.name}"] = judged.residual[known, i]
        columns[f"sigma_{label.name}_oof"] = judged.sigma[known, i]
    return columns

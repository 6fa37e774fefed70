"""The training sample: features and APOGEE labels of the same stars, in the order of source_id."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from psycopg import Connection

from catalog.database.copy_out import Field, stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.features.report import FeatureReport
from catalog.features.stream import SCALARS, report_missing, stream_features
from catalog.metadata import LABELS
from catalog.releases import load_release

__all__ = ["TrainingSet", "load_training_set", "training_digest"]

_ROLES = ("training",)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Features and labels of the training sample, in physical units.

    Raises
    ------
    SampleError
        A label is not finite.
    ValueError
        Arrays of different lengths, or source_ids that are not ascending.
    """

    source_id: np.ndarray
    """Shape (n,), int64, ascending."""
    flux: np.ndarray
    """Repaired normalised flux, shape (n, n_pixels), float32."""
    scalars: np.ndarray
    """G, BP, RP (mag) and parallax (mas), shape (n, 4), float64."""
    xp: np.ndarray
    """Normalised BP and RP coefficients, shape (n, 110), float64."""
    labels: np.ndarray
    """APOGEE's teff (K), logg, m_h, alpha_m, fe_h (dex) in the order of `LABELS`; shape (n, 5), float64."""

    def __post_init__(self) -> None:
        n = len(self.source_id)
        if any(len(values) != n for values in (self.flux, self.scalars, self.xp, self.labels)):
            raise ValueError("The arrays of a training set differ in length.")
        if (np.diff(self.source_id) <= 0).any():
            raise ValueError("The source_ids of a training set must ascend, each once.")
        bad = np.argwhere(~np.isfinite(self.labels))
        if bad.size:
            row, column = bad[0]
            raise SampleError(
                f"The {LABELS[column].name} of training star {self.source_id[row]} is {self.labels[row, column]} "
                f"({len(np.unique(bad[:, 0]))} stars have such a label).",
                "Leave them out of the training sample: the cut on labels in sql/selection/training.sql does so.",
            )

    def __len__(self) -> int:
        return len(self.source_id)


def training_digest(connection: Connection, run: Run) -> tuple[int, str]:
    """Return the number of training stars of `run` and a fingerprint of all that is learnt from them.

    The database computes it where the spectra lie: 10,000 stars take half a second.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run

    Returns
    -------
    n : int
    digest : str
        SHA-256 of ids, spectra, coefficients, magnitudes, parallaxes and labels.
    """
    row = connection.execute(
        load("features/training_digest").statement, {"run_id": run.run_id, "release": run.release}
    ).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


def load_training_set(
    connection: Connection, run: Run, folder: Path | None = None, report: FeatureReport | None = None
) -> TrainingSet:
    """Read the training sample of `run`.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    folder : pathlib.Path, optional
        Existing folder for ``flux.npy``: the spectra are then mapped from this file and not kept in memory.
    report : FeatureReport, optional
        Filled with the stars that had to be left out, for instance for a label that is not finite.

    Returns
    -------
    TrainingSet
    """
    report = FeatureReport() if report is None else report
    label_id, labels = _read_labels(connection, run)
    finite = np.isfinite(labels)
    valid = finite.all(axis=1)
    for i, label in enumerate(LABELS):
        # A star is counted once, for the first of its labels.
        bad = finite[:, :i].all(axis=1) & ~finite[:, i]
        report.reject(f"APOGEE's label {label.apogee} is missing or not finite", label_id[bad])
    label_id, labels = label_id[valid], labels[valid]
    report_missing(connection, run, _ROLES, report)

    release = load_release(run.profile.release)
    shape = (len(label_id), release.rvs.n_pixels)
    # A mapped file cannot be empty.
    flux: np.ndarray = (
        np.empty(shape, dtype=np.float32)
        if folder is None or not len(label_id)
        else np.lib.format.open_memmap(folder / "flux.npy", mode="w+", dtype=np.float32, shape=shape)
    )
    source_id = np.empty(shape[0], dtype=np.int64)
    scalars = np.empty((shape[0], len(SCALARS)))
    xp = np.empty((shape[0], release.xp.bp_coefficients + release.xp.rp_coefficients))
    n = 0
    for block in stream_features(connection, run, _ROLES, report=report):
        chosen = np.isin(block.source_id, label_id, assume_unique=True)
        end = n + int(chosen.sum())
        report.n_stars -= int((~chosen).sum())
        source_id[n:end] = block.source_id[chosen]
        flux[n:end], scalars[n:end], xp[n:end] = block.flux[chosen], block.scalars[chosen], block.xp[chosen]
        n = end
    if isinstance(flux, np.memmap):
        flux.flush()
    found = np.searchsorted(label_id, source_id[:n])
    return TrainingSet(source_id[:n], flux[:n], scalars[:n], xp[:n], labels[found])


def _read_labels(connection: Connection, run: Run) -> tuple[np.ndarray, np.ndarray]:
    columns = [label.apogee for label in LABELS]
    label: Field = ("float4", None)
    fields: dict[str, Field] = {"source_id": ("int8", None), **dict.fromkeys(columns, label)}
    parameters = {"run_id": run.run_id, "release": run.release}
    ids, labels = [np.empty(0, dtype=np.int64)], [np.empty((0, len(LABELS)))]
    for rows in stream_arrays(connection, load("features/training_labels").statement, parameters, fields, 8192):
        ids.append(rows["source_id"])
        labels.append(np.column_stack([rows[name] for name in columns]).astype(np.float64))
    return np.concatenate(ids), np.concatenate(labels)

"""Ensembles in the database: ``production.ensemble`` and ``production.ensemble_member``."""

from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.database.ledger import Run
from catalog.ensemble.registry.artefact import CHECKSUMS, Manifest
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.residuals import add_residuals
from catalog.ensemble.training.outcome import Verdict, verdicts_of
from catalog.errors import ArtefactError, NotFoundError

__all__ = ["begin_ensemble", "find_networks", "known_ensemble", "register_ensemble"]

_BEGIN = """
INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings)
VALUES (%(key)s, %(run_id)s, %(release)s, %(path)s, 'training', %(n_members)s, %(n_training)s, %(settings)s)
ON CONFLICT (key) DO UPDATE SET status = 'training', path = EXCLUDED.path
"""

_REGISTER = """
INSERT INTO production.ensemble AS e
    (key, run_id, release, path, sha256, status, n_members, n_training, settings, uncertainty, metrics)
VALUES (%(key)s, %(run_id)s, %(release)s, %(path)s, %(sha256)s, 'complete', %(n_members)s, %(n_training)s,
        %(settings)s, %(uncertainty)s, %(metrics)s)
ON CONFLICT (key) DO UPDATE
SET path = EXCLUDED.path, sha256 = EXCLUDED.sha256, status = 'complete', n_members = EXCLUDED.n_members,
    n_training = EXCLUDED.n_training, settings = EXCLUDED.settings, uncertainty = EXCLUDED.uncertainty,
    metrics = EXCLUDED.metrics
RETURNING ensemble_id
"""

_MEMBER = """
INSERT INTO production.ensemble_member
    (ensemble_id, member, split, initialisation, seed, attempt, failures, epochs, best_epoch, val_loss, val_mse,
     constant_mse, kept, verdict, backend, history, weights_sha256, wall_s)
VALUES (%(ensemble_id)s, %(member)s, %(split)s, %(initialisation)s, %(seed)s, %(attempt)s, %(failures)s, %(epochs)s,
        %(best_epoch)s, %(val_loss)s, %(val_mse)s, %(constant_mse)s, %(kept)s, %(verdict)s, %(backend)s, %(history)s,
        %(weights_sha256)s, %(wall_s)s)
"""


def begin_ensemble(connection: Connection, run: Run, key: str, folder: Path, settings: dict[str, Any]) -> None:
    """Record, committed, that an ensemble is being trained."""
    row = connection.execute(
        "SELECT count(*) FROM production.sample_star WHERE run_id = %s AND role = 'training'", (run.run_id,)
    ).fetchone()
    assert row is not None
    training = run.profile.training
    connection.execute(
        _BEGIN,
        {
            "key": key,
            "run_id": run.run_id,
            "release": run.release,
            "path": str(folder),
            "n_members": training.splits * training.initialisations,
            "n_training": row[0],
            "settings": Jsonb(settings),
        },
    )
    connection.commit()


def find_networks(connection: Connection, training_key: str, key: str) -> list[Path]:
    """Return folders of other ensembles whose networks were trained in the same way on the same stars."""
    rows = connection.execute(
        "SELECT path FROM production.ensemble "
        "WHERE settings ->> 'training_key' = %s AND key <> %s AND status = 'complete' ORDER BY ensemble_id DESC",
        (training_key, key),
    ).fetchall()
    return [Path(row[0]) for row in rows]


def register_ensemble(
    connection: Connection, run: Run | None, folder: Path, manifest: Manifest, settings: dict[str, Any]
) -> int:
    """Write an ensemble, its members and its out-of-fold residuals.

    Labels of `run` by another version of this ensemble are removed.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run or None
        Whose training sample it was trained on; None when it comes from elsewhere.
    folder : pathlib.Path
        Of the whole ensemble.
    manifest : Manifest
    settings : dict
        What ``production.ensemble.settings`` keeps.

    Returns
    -------
    int
        ``ensemble_id``.
    """
    sha256 = sha256_file(folder / CHECKSUMS)
    before = connection.execute(
        "SELECT ensemble_id, sha256 FROM production.ensemble WHERE key = %s", (manifest.key,)
    ).fetchone()
    if before is not None and before[1] == sha256:
        # The rows are there; only the folder may have moved, or a run has its training sample now.
        connection.execute(
            "UPDATE production.ensemble SET path = %s, status = 'complete', run_id = coalesce(run_id, %s) "
            "WHERE ensemble_id = %s",
            (str(folder), run.run_id if run else None, before[0]),
        )
        add_residuals(connection, int(before[0]), folder, manifest)
        return int(before[0])
    row = connection.execute(
        _REGISTER,
        {
            "key": manifest.key,
            "run_id": run.run_id if run else None,
            "release": manifest.release,
            "path": str(folder),
            "sha256": sha256,
            "n_members": len(manifest.members),
            "n_training": manifest.n_training,
            "settings": Jsonb({**settings, "versions": manifest.versions}),
            "uncertainty": Jsonb(manifest.uncertainty),
            # What it holds of the members has rows of its own.
            "metrics": Jsonb({name: value for name, value in manifest.metrics.items() if name != "members"}),
        },
    ).fetchone()
    assert row is not None
    ensemble_id = int(row[0])
    if run:
        connection.execute(
            "DELETE FROM production.label WHERE run_id = %s AND ensemble_id = %s", (run.run_id, ensemble_id)
        )
    connection.execute("DELETE FROM production.ensemble_member WHERE ensemble_id = %s", (ensemble_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            _MEMBER,
            [_member_row(ensemble_id, verdict) for verdict in verdicts_of(manifest)],
        )
    connection.execute("DELETE FROM production.training_residual WHERE ensemble_id = %s", (ensemble_id,))
    add_residuals(connection, ensemble_id, folder, manifest)
    return ensemble_id


def _member_row(ensemble_id: int, verdict: Verdict) -> dict[str, Any]:
    outcome = verdict.outcome
    kept_as_they_are = {"member", "split", "initialisation", "seed", "attempt", "epochs", "best_epoch", "val_loss"}
    kept_as_they_are |= {"val_mse", "constant_mse", "weights_sha256", "wall_s"}
    return {
        **outcome.model_dump(include=kept_as_they_are),
        "ensemble_id": ensemble_id,
        "failures": Jsonb([failure.model_dump() for failure in outcome.failures]),
        "kept": verdict.kept,
        "verdict": verdict.why,
        "backend": outcome.backend or None,
        "history": Jsonb(outcome.history),
    }


def known_ensemble(connection: Connection, key: str, folder: Path) -> tuple[int, Path]:
    """Find the complete ensemble of that key.

    Parameters
    ----------
    connection : psycopg.Connection
    key : str
    folder : pathlib.Path
        Where it should lie; the place that was recorded is the second choice.

    Returns
    -------
    ensemble_id : int
    path : pathlib.Path
        Existing folder, whose checksums are those that were recorded.

    Raises
    ------
    NotFoundError
        It has not been trained.
    ArtefactError
        Its folder is gone, or holds another ensemble than the one that was recorded.
    """
    row = connection.execute(
        "SELECT ensemble_id, path, sha256 FROM production.ensemble WHERE key = %s AND status = 'complete'", (key,)
    ).fetchone()
    if row is None:
        raise NotFoundError(
            "There is no trained ensemble for this run's training sample and settings.",
            "Train it first: `rvscat train`.",
        )
    ensemble_id, recorded, sha256 = row
    for path in (folder, Path(recorded)):
        if (path / CHECKSUMS).is_file():
            if sha256_file(path / CHECKSUMS) != sha256:
                raise ArtefactError(
                    f"{path / CHECKSUMS} is not the one that was recorded for ensemble {ensemble_id}.",
                    "Train the ensemble again: `rvscat train`.",
                )
            return ensemble_id, path
    raise ArtefactError(
        f"The folder of ensemble {ensemble_id} is gone: {folder}.", "Bring it back, or train again: `rvscat train`."
    )

"""Training and prediction that are stopped, and what they have left in folder and database."""

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.settings import Settings

COLUMNS = ", ".join(f"{n}, e{n}, sigma_{n}, sigma_{n}_oof" for n in (label.name for label in LABELS))


def stop_training(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    """Train, and stop when the first member is finished."""

    def stop(done: float, total: float, what: str = "") -> None:
        if "finished after" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(connection, run, settings, stop)
    connection.rollback()


def stop_labelling(connection: psycopg.Connection, run: Run, settings: Settings, after: int) -> None:
    """Label stars, and stop when more than `after` are done."""

    def stop(done: float, total: float, what: str = "") -> None:
        if after < done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_labels(connection, run, settings, stop)
    connection.rollback()


def ensemble_folder(settings: Settings) -> Path:
    found = [path for path in settings.ensembles.iterdir() if not path.name.startswith(".")]
    assert len(found) == 1
    return found[0]


def labels_of(connection: psycopg.Connection, run: Run) -> np.ndarray:
    rows = connection.execute(
        f"SELECT source_id, {COLUMNS} FROM production.label WHERE run_id = %s ORDER BY source_id", (run.run_id,)
    ).fetchall()
    return np.array(rows)


def residuals_of(connection: psycopg.Connection) -> np.ndarray:
    columns = ", ".join(f"{label.name}, residual_{label.name}, sigma_{label.name}_oof" for label in LABELS)
    rows = connection.execute(
        f"SELECT source_id, n_unseen, {columns} FROM production.training_residual ORDER BY source_id"
    ).fetchall()
    return np.array(rows, dtype=np.float64)


def with_training(profile: Profile, **changes: Any) -> Profile:
    return profile.model_copy(update={"training": profile.training.model_copy(update=changes)})

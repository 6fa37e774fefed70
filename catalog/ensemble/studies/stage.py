"""The stage that studies an ensemble: each study once for an ensemble and its settings."""

import time
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.types.json import Json, Jsonb

from catalog.database.ledger import Run, StageResult, fingerprint
from catalog.database.locks import alone
from catalog.database.queries import load
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.keys import ensemble_keys, folder_name
from catalog.ensemble.registry.records import known_ensemble
from catalog.ensemble.studies.registry import Study, find_study
from catalog.progress import Progress, silent
from catalog.settings import Settings

__all__ = ["study_ensemble", "study_key"]

# First half of the advisory lock's key; the second is the ensemble's number.
_LOCK = 20_240_350

_RECORD = """
INSERT INTO production.study (ensemble_id, name, settings, settings_key, counts, notes, wall_s)
VALUES (%(ensemble_id)s, %(name)s, %(settings)s, %(settings_key)s, %(counts)s, %(notes)s, %(wall_s)s)
ON CONFLICT (ensemble_id, name) DO UPDATE
SET settings = EXCLUDED.settings, settings_key = EXCLUDED.settings_key, counts = EXCLUDED.counts,
    notes = EXCLUDED.notes, wall_s = EXCLUDED.wall_s, created_at = clock_timestamp()
"""


def study_ensemble(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Make every study of the ensemble of `run` that ``profile.studies.names`` asks for.

    A study whose result for this ensemble and these settings is there is not made again. Each is committed when it is
    whole.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    settings : Settings
    progress : Progress

    Returns
    -------
    StageResult
        ``done`` and ``known``: studies made and studies whose result was there; ``<study>/<figure>`` of each.

    Raises
    ------
    NotFoundError
        The ensemble has not been trained, or there is no such study.
    ArtefactError
        The ensemble is damaged.
    DatabaseError
        Another process studies this ensemble.
    """
    names = run.profile.studies.names
    studies = [find_study(name) for name in names]
    progress(0, 1, "looking for the ensemble")
    key, _ = ensemble_keys(connection, run)
    ensemble_id, folder = known_ensemble(connection, key, settings.ensembles / folder_name(key))
    counts: dict[str, Any] = {"ensemble_id": ensemble_id, "done": 0, "known": 0}
    notes: list[str] = []
    # Several runs may share an ensemble.
    with alone(connection, (_LOCK, ensemble_id), f"Another process studies ensemble {ensemble_id}."):
        for i, (name, study) in enumerate(zip(names, studies, strict=True)):
            part = _part(progress, i, len(names), study.title)
            found, words, known = _study(connection, run, ensemble_id, folder, settings, name, study, part)
            counts["known" if known else "done"] += 1
            counts |= {f"{name}/{figure}": value for figure, value in found.items()}
            notes += words
            if known:
                notes.append(f"{study.title}: known for this ensemble and these settings.")
    progress(1, 1, "studied")
    return StageResult(counts, notes)


def study_key(run: Run, name: str, folder: Path) -> str:
    """Return what the result of a study depends on: its settings and version, and the files of the ensemble.

    Parameters
    ----------
    run : Run
    name : str
    folder : pathlib.Path
        Of the ensemble.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    return fingerprint(name, find_study(name).version, _settings_of(run, name), sha256_file(folder / CHECKSUMS))


def _study(
    connection: Connection,
    run: Run,
    ensemble_id: int,
    folder: Path,
    settings: Settings,
    name: str,
    study: Study,
    progress: Progress,
) -> tuple[dict[str, Any], list[str], bool]:
    """Make one study, unless it is known; return its figures, its notes, and whether it was known."""
    key = study_key(run, name, folder)
    row = connection.execute(
        load("ensemble/study").statement, {"ensemble_id": ensemble_id, "name": name, "settings_key": key}
    ).fetchone()
    connection.commit()
    if row is not None:
        return row[0], row[1], True
    begun = time.monotonic()
    figures = study.resolve()(connection, run, ensemble_id, folder, settings, progress)
    words = figures.pop("notes", [])
    connection.execute(
        _RECORD,
        {
            "ensemble_id": ensemble_id,
            "name": name,
            "settings": Jsonb(_settings_of(run, name)),
            "settings_key": key,
            "counts": Json(figures),
            "notes": Json(words),
            "wall_s": time.monotonic() - begun,
        },
    )
    connection.commit()
    return figures, words, False


def _settings_of(run: Run, name: str) -> dict[str, Any]:
    dumped: dict[str, Any] = getattr(run.profile.studies, name).model_dump(mode="json")
    return dumped


def _part(progress: Progress, number: int, n_parts: int, title: str) -> Progress:
    """Return what a study tells its progress to: it is one of several of the same weight."""

    def told(done: float, total: float, what: str = "") -> None:
        progress(number + done / max(total, 1), n_parts, f"{title}: {what}" if what else title)

    return told

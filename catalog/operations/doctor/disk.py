"""Room on disks against what a run needs, and folders that can be written."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from catalog.database import embedded
from catalog.operations.doctor.estimate import needed_room, spectra
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, gigabytes, warning

__all__ = ["examine_disk"]

_AREA = "disk"


def examine_disk(patient: Patient) -> Iterator[Finding]:
    """Compare free space with an estimate, and try whether folders can be written."""
    settings = patient.settings
    for folder in (settings.home, settings.surveys, settings.ensembles, settings.reports, settings.exports):
        existing = _existing(folder)
        if not os.access(existing, os.W_OK | os.X_OK):
            yield failure(
                _AREA, f"{existing} cannot be written by this account.", "Give it the folder, or set RVSCAT_HOME."
            )
            return
    files, rows = needed_room(patient)
    words = f"{spectra(patient) or 0:,} spectra of profile {patient.profile.name}"
    home = _existing(settings.home)
    free = shutil.disk_usage(home).free
    status = None if settings.database_url else embedded.server_status(settings)
    beside = status is not None and (status.data is None or _same_disk(status.data, home))
    need = files + (rows if beside else 0.0)
    yield _room(f"{gigabytes(free)} free in {settings.home}", free, need, words)
    if status is not None and not beside and status.free_bytes is not None:
        yield _room(f"{gigabytes(status.free_bytes)} free in {status.data}", status.free_bytes, rows, words)
    elif status is None:
        yield fine(
            _AREA, f"the database server needs about {gigabytes(rows)} more for {words}; it does not tell what is free"
        )


def _room(text: str, free: float, need: float, words: str) -> Finding:
    text = f"{text}; about {gigabytes(need)} still needed for {words}"
    if free < 0.5 * need:
        return failure(_AREA, f"{text}.", "Make room (`rvscat prune` shows what can go) or set RVSCAT_HOME elsewhere.")
    if free < 1.5 * need:
        return warning(_AREA, f"{text}.", "That is tight: `rvscat prune` shows what can go.")
    return fine(_AREA, text)


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _same_disk(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return False  # the server's folder belongs to another account

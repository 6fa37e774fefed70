"""What a run of a profile needs: memory, and room on disks.

Bytes of files and tables were measured; what is put together from them is an estimate, there to find a disk or a
memory that is several times too small, not one that is short by a tenth. Exports, figures and dead rows are not in it.
"""

from typing import Any

from psycopg import Connection

from catalog.database.queries import load
from catalog.operations.doctor.findings import Patient
from catalog.releases import load_release

__all__ = ["needed_memory", "needed_room", "spectra"]

_SURVEY_ROWS = 23_300
"""Bytes of database for a spectrum and all that the surveys tell of its star, indexes included: docs/scale.md."""
_RUN_ROWS = 1_900
"""Bytes of database that a run and its published version add for a star: docs/scale.md."""
_LOG_AHEAD = 4e9
"""Bytes that the write-ahead log may take before it is used again: ``max_wal_size`` of the embedded server."""
_FILES = 28_500
"""Bytes of survey files, compressed, for a spectrum of `rvscat mock`: measured with 2,000 and 6,000 stars."""
_NETWORK, _CHECKPOINT = 7e6, 24e6
"""Bytes of a member of the paper's network with its copy, and of a checkpoint with its successor."""
_TRAINING_STAR, _TRAINING_STARS = 10_100, 45_000
"""Bytes of a star's inputs and labels in the work folder, 2,520 values; and the stars of the paper's training sample,
taken for the most that any has, since it is not known before it is selected."""
_BASE_MEMORY, _WORKER_MEMORY = 1.9e9, 0.6e9
"""Bytes of this process, and of each that trains: the 600 stars of profile tiny took 1.9 GB, and 3.1 GB while two
processes trained."""
_MAP_MEMORY = 20_000.0
"""Bytes a star while joint likeness maps are made: docs/likeness.md has 2.0 GB with 100,000 stars; beyond, an
extrapolation."""


def spectra(patient: Patient) -> int | None:
    """Return how many spectra a run of the profile has, where that is known."""
    if patient.profile.mock is not None:
        return patient.profile.mock.n_stars
    if patient.connection is not None and (found := _in_database(patient.connection, patient.profile.data_release)):
        return found
    return load_release(patient.profile.release).expected.spectra


def needed_memory(patient: Patient) -> tuple[float, str]:
    """Return the memory that a run needs, bytes, and where the figure comes from."""
    if patient.connection is not None:
        values: dict[str, Any] = {"profile": patient.profile.name}
        row = _first(patient.connection, "operations/peak_memory", values)
        if row is not None and row[0]:
            return row[0] * 1e6, f"the most that stage {row[1]} of run {row[2]} took"
    n = spectra(patient) or 0
    return _BASE_MEMORY + _WORKER_MEMORY * patient.settings.workers + _MAP_MEMORY * n, f"estimated for {n:,} spectra"


def needed_room(patient: Patient) -> tuple[float, float]:
    """Return the room that a run still needs in the data folder and in the database, bytes."""
    n = spectra(patient) or 0
    there = 0
    if patient.connection is not None:
        there = _in_database(patient.connection, patient.profile.data_release)
    files = _FILES * n if there == 0 and patient.profile.mock is not None else 0
    networks = patient.profile.training.splits * patient.profile.training.initialisations
    ensemble = networks * _NETWORK + patient.settings.workers * _CHECKPOINT + min(n, _TRAINING_STARS) * _TRAINING_STAR
    rows = _SURVEY_ROWS * max(n - there, 0) + _RUN_ROWS * n
    # The log grows with what is written, and is used again from then on.
    return files + ensemble, rows + min(rows, _LOG_AHEAD)


def _in_database(connection: Connection, release: str) -> int:
    row = _first(connection, "operations/spectra", {"release": release})
    return int(row[0] or 0) if row is not None else 0


def _first(connection: Connection, name: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    return connection.execute(load(name).statement, values).fetchone()

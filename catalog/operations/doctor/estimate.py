"""What a run of a profile needs: memory, and room on disks.

Sizes a spectrum are those of files and tables measured on 10,000 to 100,000 spectra; they are there to
find a disk that is ten times too small, not one that is short by a tenth.
"""

from typing import Any

from psycopg import Connection

from catalog.database.queries import load
from catalog.operations.doctor.findings import Patient
from catalog.releases import load_release

__all__ = ["needed_memory", "needed_room", "spectra"]

_ROWS_PER_SPECTRUM = 30_000
"""Bytes of database: flux, errors, coefficients, parameters, samples, labels, likeness, indexes; and log ahead."""
_FILES_PER_SPECTRUM = 20_000
"""Bytes of survey files, compressed; `rvscat mock` writes them, `rvscat fetch` downloads them."""
_ENSEMBLE = 1.2e9
"""Bytes of 28 networks with their work folder; an upper bound for fewer."""
_BASE_MEMORY, _WORKER_MEMORY = 1.2e9, 0.25e9
_MAP_MEMORY = 20_000.0
"""Bytes a spectrum while likeness maps are made; see docs/likeness.md."""


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
    files = _FILES_PER_SPECTRUM * n if there == 0 and patient.profile.mock is not None else 0.0
    networks = patient.profile.training.splits * patient.profile.training.initialisations
    return files + _ENSEMBLE * min(1.0, networks / 28), float(_ROWS_PER_SPECTRUM * max(n - there, n // 4))


def _in_database(connection: Connection, release: str) -> int:
    row = _first(connection, "operations/spectra", {"release": release})
    return int(row[0] or 0) if row is not None else 0


def _first(connection: Connection, name: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    return connection.execute(load(name).statement, values).fetchone()

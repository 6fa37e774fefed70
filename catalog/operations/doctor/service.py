"""The TAP service: does one run on this data folder, and what has it kept."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

from catalog.operations.doctor.findings import Finding, Patient, fine, warning

__all__ = ["examine_service", "is_held"]

_AREA = "service"


def is_held(lock: Path) -> bool:
    """Return whether a living process holds the lock file `lock`; it is left as it is."""
    try:
        with lock.open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def examine_service(patient: Patient) -> Iterator[Finding]:
    """Look whether `rvscat serve` is at work, and for jobs that nobody clears."""
    folder = patient.settings.home / "service"
    if not folder.is_dir():
        yield fine(_AREA, "`rvscat serve` has not been used here")
        return
    held = is_held(folder / "lock")
    yield fine(_AREA, "`rvscat serve` is running on this data folder" if held else "`rvscat serve` is not running")
    if patient.connection is None or held:
        return
    row = patient.connection.execute(
        "SELECT count(*) FILTER (WHERE phase IN ('QUEUED', 'EXECUTING')), "
        "count(*) FILTER (WHERE destruction <= clock_timestamp()) FROM service.job"
    ).fetchone()
    assert row is not None
    if row[0]:
        yield warning(_AREA, f"{row[0]} asynchronous queries wait for the service.", "Start it: `rvscat serve`.")
    if row[1]:
        yield warning(_AREA, f"{row[1]} jobs are past their time.", "`rvscat serve` or `rvscat prune` removes them.")

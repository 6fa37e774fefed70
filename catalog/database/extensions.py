"""Runs that extend another one: which run new spectra are added to, and the run that adds them."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.types.json import Json, Jsonb

from catalog import __version__
from catalog.database.ledger import Run, StageResult, find_run, run_key
from catalog.database.queries import load
from catalog.database.usage import Usage
from catalog.errors import ConfigurationError, NotFoundError
from catalog.profiles import Profile

__all__ = ["begin_extension", "discard_extension", "find_base", "find_extension", "record_done", "record_files"]


def find_base(connection: Connection, profile: Profile) -> Run:
    """Return the run that new spectra are added to: the last published one of this profile by this version.

    Parameters
    ----------
    connection : psycopg.Connection
    profile : Profile
        Of which a catalogue has been published.

    Returns
    -------
    Run
        A full run, or one that extends another.

    Raises
    ------
    NotFoundError
        Nothing of this profile's name has been published yet.
    ConfigurationError
        What has been published was made with other settings, or by another version of the code.
    """
    row = connection.execute(load("update/base_run").statement, {"key": run_key(profile)}).fetchone()
    if row is not None:
        return find_run(connection, row[0])
    nearest = connection.execute(load("update/nearest_run").statement, {"name": profile.name}).fetchone()
    full = f"`rvscat run --profile {profile.name}` makes a full run."
    if nearest is None:
        raise NotFoundError(f"No catalogue of profile {profile.name} is published that could be extended.", full)
    run_id, version, before = nearest
    changed = sorted(_differences(before, profile.model_dump(mode="json")))
    if version != __version__:
        changed.insert(0, f"version of rvscat {version} -> {__version__}")
    raise ConfigurationError(
        f"Profile {profile.name} is not what run {run_id}, its last published one, was made with: "
        f"{'; '.join(changed) or 'defaults of this version'}. Labels of two settings are not put into one catalogue.",
        full,
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> list[str]:
    """Return the settings that differ, with both values."""
    found = []
    for name in before.keys() | now.keys():
        # Neither decides on the catalogue, nor is it part of a run's key.
        if not inside and name in ("description", "expected_seconds", "prediction", "studies"):
            continue
        old, new, where = before.get(name), now.get(name), f"{inside}{name}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{where}.")
        elif old != new and where not in ("training.kernels", "publish.accept_failed"):
            found.append(f"{where} {_said(old)} -> {_said(new)}")
    return found


def _said(value: Any) -> str:
    text = "default" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def find_extension(connection: Connection, base: Run) -> Run | None:
    """Return the run that extends `base`, whether finished or not, or None."""
    row = connection.execute(
        "SELECT run_id FROM production.run WHERE base_run_id = %s AND status <> 'superseded'", (base.run_id,)
    ).fetchone()
    return None if row is None else find_run(connection, row[0])


def begin_extension(connection: Connection, base: Run, profile: Profile) -> Run:
    """Begin a run that extends `base`; the caller commits.

    Unfinished runs of the same settings that extend another run, or this one, are superseded: there is one way on.

    Parameters
    ----------
    connection : psycopg.Connection
    base : Run
    profile : Profile
        That of `base`, but for what decides on no label.

    Returns
    -------
    Run
    """
    connection.execute(
        "UPDATE production.run SET status = 'superseded', finished_at = clock_timestamp() "
        "WHERE key = %s AND base_run_id IS NOT NULL AND run_id <> %s AND status = 'open'",
        (base.key, base.run_id),
    )
    row = connection.execute(
        "INSERT INTO production.run (key, release, profile, version, status, base_run_id) "
        "VALUES (%s, %s, %s, %s, 'open', %s) RETURNING run_id",
        (base.key, base.release, Jsonb(profile.model_dump(mode="json")), __version__, base.run_id),
    ).fetchone()
    assert row is not None
    return find_run(connection, row[0])


def discard_extension(connection: Connection, run: Run) -> None:
    """Remove a run that has nothing to add, with all its rows."""
    assert run.base_run_id is not None
    connection.execute("DELETE FROM production.run WHERE run_id = %s", (run.run_id,))
    connection.commit()


def record_files(connection: Connection, run: Run) -> None:
    """Record which survey files `run` selects its samples from, replacing what an earlier call recorded."""
    connection.execute("DELETE FROM production.run_file WHERE run_id = %s", (run.run_id,))
    connection.execute(
        "INSERT INTO production.run_file (run_id, file_id) "
        "SELECT %s, file_id FROM production.ingest_file WHERE release = %s AND status = 'complete'",
        (run.run_id, run.release),
    )


def record_done(connection: Connection, run: Run, name: str, key: str, result: StageResult, usage: Usage) -> None:
    """Record a stage that was done before its run was begun; the caller commits.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    name : str
    key : str
        Fingerprint of what the work left behind.
    result : StageResult
    usage : Usage
        What was measured of the work.
    """
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status, counts, notes, wall_s, cpu_s, peak_mb, started_at, "
        "finished_at) VALUES (%(run)s, %(name)s, %(key)s, 'complete', %(counts)s, %(notes)s, %(wall)s, %(cpu)s, "
        "%(peak)s, clock_timestamp() - make_interval(secs => %(wall)s), clock_timestamp())",
        {
            "run": run.run_id,
            "name": name,
            "key": key,
            "counts": Json(result.counts),
            "notes": Json(result.notes),
            "wall": usage.wall_s,
            "cpu": usage.cpu_s,
            "peak": usage.peak_mb,
        },
    )

"""The ledger: which run did which stage, with what, how long it took and what came out.

A run is found again by its key (profile and release), a stage by the key of all that it depends on. A
stage that is complete under the same key is not done again; a run whose inputs have changed is
superseded by a new one and its rows stay as they were.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Json, Jsonb

from catalog import __version__
from catalog.database.acting import is_lost
from catalog.database.locks import alone
from catalog.database.queries import load
from catalog.database.trouble import told_of_trouble
from catalog.database.usage import Usage
from catalog.errors import NotFoundError
from catalog.profiles import Profile

__all__ = [
    "RUN_LOCK",
    "Run",
    "StageRecord",
    "StageResult",
    "StaleStageError",
    "exclusive",
    "find_run",
    "fingerprint",
    "finish_run",
    "hold",
    "keep_profile",
    "open_run",
    "perform",
    "perform_always",
    "run_key",
    "run_lock",
    "stage_key",
    "stages",
    "supersede",
]

# First half of the advisory lock's key; the second comes from the run's key.
RUN_LOCK = 20_240_209


@dataclass(frozen=True)
class Run:
    """One production run."""

    run_id: int
    key: str
    release: str
    """Key of the survey rows: ``profile.data_release``."""
    profile: Profile
    status: str
    base_run_id: int | None = None
    """Run that this one extends by new stars; None for a full run."""


@dataclass
class StageResult:
    """What a stage tells about itself."""

    counts: dict[str, Any] = field(default_factory=dict)
    """Figures by name: numbers, or short texts such as paths."""
    notes: list[str] = field(default_factory=list)
    """Sentences that a person should read."""
    skipped: bool = False
    """True when the stage had been done before and was not done again."""


@dataclass(frozen=True)
class StageRecord:
    """One row of the ledger."""

    name: str
    status: str
    started_at: datetime
    wall_s: float | None
    cpu_s: float | None
    peak_mb: float | None
    counts: dict[str, Any]
    notes: list[str]
    message: str | None


class StaleStageError(Exception):
    """A stage is complete, but under other inputs: the caller supersedes the run and begins a new one."""


@contextmanager
def exclusive(connection: Connection, run: Run) -> Iterator[None]:
    """Keep every other process from working on `run`, or a successor of it, meanwhile.

    The lock belongs to `connection`'s session: it ends with it, even when the process is killed.

    Raises
    ------
    DatabaseError
        Another process is working on this run.
    """
    with alone(connection, run_lock(run.key), f"Another process is working on run {run.run_id}."):
        yield


def run_lock(key: str) -> tuple[int, int]:
    """Return the lock of the run `key`, for `catalog.database.locks.alone`."""
    return RUN_LOCK, int(key[:7], 16)


def hold(connection: Connection) -> None:
    """Make sure that the connection whose session has the lock of `exclusive` still stands.

    Raises
    ------
    DatabaseError
        It does not: another process may work on the run by now.
    """
    with told_of_trouble():
        connection.execute("SELECT 1")
        connection.commit()


def fingerprint(*parts: Any) -> str:
    """Return the SHA-256 of `parts` as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def run_key(profile: Profile) -> str:
    """Return what runs of these settings by this version of the code are found by."""
    return fingerprint(profile.key, __version__)


def open_run(connection: Connection, profile: Profile) -> Run:
    """Find the current full run of `profile`, or begin one.

    Parameters
    ----------
    connection : psycopg.Connection
    profile : Profile

    Returns
    -------
    Run
        Committed, whether new or found.
    """
    key = run_key(profile)
    current = (
        "SELECT run_id, release, status FROM production.run "
        "WHERE key = %s AND status <> 'superseded' AND base_run_id IS NULL"
    )
    row = connection.execute(current, (key,)).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO production.run (key, release, profile, version, status) VALUES (%s, %s, %s, %s, 'open') "
            "ON CONFLICT (key) WHERE status <> 'superseded' AND base_run_id IS NULL DO NOTHING",
            (key, profile.data_release, Jsonb(profile.model_dump(mode="json")), __version__),
        )
        row = connection.execute(current, (key,)).fetchone()
    assert row is not None
    keep_profile(connection, row[0], profile)
    connection.commit()
    return Run(row[0], key, row[1], profile, row[2])


def keep_profile(connection: Connection, run_id: int, profile: Profile) -> None:
    """Record what is left out of a run's key and may have changed: what is studied, how labels are computed."""
    connection.execute(
        "UPDATE production.run SET profile = %(profile)s WHERE run_id = %(run_id)s AND profile <> %(profile)s",
        {"profile": Jsonb(profile.model_dump(mode="json")), "run_id": run_id},
    )


def find_run(connection: Connection, run_id: int | None = None) -> Run:
    """Return the run of that number, or the latest one that is not superseded.

    Raises
    ------
    NotFoundError
        There is no such run.
    """
    row = connection.execute(
        "SELECT run_id, key, release, profile, status, base_run_id FROM production.run "
        "WHERE CASE WHEN %(run_id)s::bigint IS NULL THEN status <> 'superseded' ELSE run_id = %(run_id)s END "
        "ORDER BY run_id DESC LIMIT 1",
        {"run_id": run_id},
    ).fetchone()
    if row is None:
        what = "There is no run yet." if run_id is None else f"There is no run {run_id}."
        raise NotFoundError(what, "`rvscat run` makes one; `rvscat status` lists them.")
    return Run(row[0], row[1], row[2], Profile.model_validate(row[3]), row[4], row[5])


def supersede(connection: Connection, run: Run) -> Run:
    """Close the full run `run`, whose inputs have changed, and begin its successor."""
    connection.execute(
        "UPDATE production.run SET status = 'superseded', finished_at = clock_timestamp() WHERE run_id = %s",
        (run.run_id,),
    )
    connection.commit()
    return open_run(connection, run.profile)


def finish_run(connection: Connection, run: Run) -> None:
    """Mark `run` as complete."""
    connection.execute(
        "UPDATE production.run SET status = 'complete', finished_at = clock_timestamp() "
        "WHERE run_id = %s AND status = 'open'",
        (run.run_id,),
    )
    connection.commit()


def perform(connection: Connection, run: Run, name: str, key: str, work: Callable[[], StageResult]) -> StageResult:
    """Do the work of a stage once, and record it.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    name : str
        Name of the stage.
    key : str
        Fingerprint of everything the stage depends on.
    work : callable
        Does it and returns a `StageResult`.

    Returns
    -------
    StageResult
        Of the work, or as recorded when it was done before.

    Raises
    ------
    StaleStageError
        The stage is complete under another key: the run's inputs have changed.
    """
    done = _completed(connection, run, name)
    if done is not None:
        if done.key != key:
            raise StaleStageError(name)
        return StageResult(done.counts, done.notes, skipped=True)
    return _record(connection, run, name, work, lambda: key)


def perform_always(
    connection: Connection, run: Run, name: str, work: Callable[[], StageResult], state: Callable[[], str]
) -> StageResult:
    """Do work that decides by itself what there is to do, and record it when it changed something.

    Parameters
    ----------
    connection, run, name, work
        As in `perform`.
    state : callable
        Fingerprint of what the work leaves behind.

    Returns
    -------
    StageResult
        ``skipped`` when the state is the recorded one.

    Raises
    ------
    StaleStageError
        The state differs from the recorded one: the run's inputs have changed.
    """
    done = _completed(connection, run, name)
    if done is None:
        return _record(connection, run, name, work, state)
    work()
    connection.commit()
    if state() != done.key:
        raise StaleStageError(name)
    return StageResult(done.counts, done.notes, skipped=True)


@dataclass(frozen=True)
class _Done:
    key: str
    counts: dict[str, Any]
    notes: list[str]


def _completed(connection: Connection, run: Run, name: str) -> _Done | None:
    row = connection.execute(
        "SELECT key, counts, notes FROM production.stage WHERE run_id = %s AND name = %s AND status = 'complete'",
        (run.run_id, name),
    ).fetchone()
    return None if row is None else _Done(*row)


def stage_key(connection: Connection, run: Run, name: str) -> str | None:
    """Return the key under which `name` is complete in `run`, or None."""
    done = _completed(connection, run, name)
    return None if done is None else done.key


def _record(
    connection: Connection, run: Run, name: str, work: Callable[[], StageResult], key: Callable[[], str]
) -> StageResult:
    # Whatever is still 'running' here was killed: `exclusive` keeps two processes from one run.
    connection.execute(
        "UPDATE production.stage SET status = 'failed', message = 'interrupted', finished_at = clock_timestamp() "
        "WHERE run_id = %s AND name = %s AND status = 'running'",
        (run.run_id, name),
    )
    row = connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status) VALUES (%s, %s, %s, 'running') RETURNING stage_id",
        (run.run_id, name, fingerprint("running")),
    ).fetchone()
    connection.commit()
    assert row is not None
    with Usage() as usage:
        try:
            result = work()
        except BaseException as error:
            usage.update()
            message = f"{type(error).__name__}: {error}"
            # Without a connection, the next attempt finds the stage 'running', and closes it.
            if not is_lost(connection):
                _close(connection, row[0], fingerprint("failed"), "failed", StageResult(), usage, message)
            raise
    _close(connection, row[0], key(), "complete", result, usage, None)
    return result


def _close(
    connection: Connection,
    stage_id: int,
    key: str,
    status: str,
    result: StageResult,
    usage: Usage,
    message: str | None,
) -> None:
    connection.execute(
        "UPDATE production.stage SET key = %s, status = %s, counts = %s, notes = %s, message = %s, "
        "wall_s = %s, cpu_s = %s, peak_mb = %s, finished_at = clock_timestamp() WHERE stage_id = %s",
        (
            key,
            status,
            Json(result.counts),
            Json(result.notes),
            message,
            usage.wall_s,
            usage.cpu_s,
            usage.peak_mb,
            stage_id,
        ),
    )
    connection.commit()


def stages(connection: Connection, run: Run) -> list[StageRecord]:
    """Return all stage records of `run`, oldest first."""
    rows = connection.execute(load("status/stages").statement, {"run_id": run.run_id}).fetchall()
    return [StageRecord(*row) for row in rows]

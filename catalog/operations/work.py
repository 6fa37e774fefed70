"""Which runs a process is working on right now, by the locks of `catalog.database.ledger.exclusive`."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection

from catalog.database.ledger import RUN_LOCK
from catalog.database.queries import load
from catalog.errors import DatabaseError

__all__ = ["held", "lock_number", "pruning", "runs_at_work"]

_PRUNE_LOCK = RUN_LOCK + 1


def lock_number(key: str) -> int:
    """Return the second half of the lock's key of the run `key`."""
    return int(key[:7], 16)


def runs_at_work(connection: Connection, keys: dict[int, str]) -> set[int]:
    """Return those of the runs, given with their keys, that some process works on.

    Runs of the same profile share a lock: all of them are named.
    """
    rows = connection.execute(load("operations/work").statement, {"lock": RUN_LOCK}).fetchall()
    at_work = {row[0] for row in rows}
    return {run_id for run_id, key in keys.items() if lock_number(key) in at_work}


@contextmanager
def held(connection: Connection, run_id: int, key: str) -> Iterator[None]:
    """Keep every other process from working on a run.

    Raises
    ------
    DatabaseError
        One does.
    """
    with _locked(connection, RUN_LOCK, lock_number(key), f"A process is working on run {run_id}."):
        yield


@contextmanager
def pruning(connection: Connection) -> Iterator[None]:
    """Let one process at a time remove things.

    Raises
    ------
    DatabaseError
        Another one does.
    """
    with _locked(connection, _PRUNE_LOCK, 0, "Another `rvscat prune` is at work."):
        yield


@contextmanager
def _locked(connection: Connection, first: int, second: int, problem: str) -> Iterator[None]:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (first, second)).fetchone()
    connection.commit()
    if row is None or not row[0]:
        raise DatabaseError(problem, "Wait until it has ended: see `rvscat status`.")
    try:
        yield
    finally:
        connection.rollback()
        connection.execute("SELECT pg_advisory_unlock(%s, %s)", (first, second))
        connection.commit()

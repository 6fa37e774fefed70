"""Which runs a process is working on right now, by the locks of `catalog.database.ledger.exclusive`."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection

from catalog.database.ledger import RUN_LOCK, run_lock
from catalog.database.locks import alone
from catalog.database.queries import load

__all__ = ["held", "pruning", "runs_at_work"]

_PRUNE_LOCK = RUN_LOCK + 1


def runs_at_work(connection: Connection, keys: dict[int, str]) -> set[int]:
    """Return those of the runs, given with their keys, that some process works on.

    Runs of the same profile share a lock: all of them are named.
    """
    rows = connection.execute(load("operations/work").statement, {"lock": RUN_LOCK}).fetchall()
    at_work = {row[0] for row in rows}
    return {run_id for run_id, key in keys.items() if run_lock(key)[1] in at_work}


@contextmanager
def held(connection: Connection, run_id: int, key: str) -> Iterator[None]:
    """Keep every other process from working on a run.

    Raises
    ------
    DatabaseError
        One does.
    """
    with alone(connection, run_lock(key), f"A process is working on run {run_id}."):
        yield


@contextmanager
def pruning(connection: Connection) -> Iterator[None]:
    """Let one process at a time remove things.

    Raises
    ------
    DatabaseError
        Another one does.
    """
    with alone(connection, (_PRUNE_LOCK, 0), "Another `rvscat prune` is at work."):
        yield

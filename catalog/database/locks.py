"""What one process does at a time, by locks of the database: they end with their session, even when it is killed."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection

from catalog.database.acting import is_lost
from catalog.errors import DatabaseError

__all__ = ["alone"]


@contextmanager
def alone(connection: Connection, key: tuple[int, int], problem: str) -> Iterator[None]:
    """Keep every other process from what has this lock meanwhile; what is not committed at the end is rolled back.

    Parameters
    ----------
    connection : psycopg.Connection
        Its session holds the lock.
    key : (int, int)
        Of the lock: what kind of work, and on which thing.
    problem : str
        The sentence to say when another process has it.

    Raises
    ------
    DatabaseError
        Another process has it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()
    connection.commit()
    if not (row and row[0]):
        raise DatabaseError(problem, "Wait until it has ended: see `rvscat status`.")
    try:
        yield
    finally:
        # With its session, the lock has ended as well; what ended the session is told by whoever met it.
        if not is_lost(connection):
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", key)
            connection.commit()

"""Where the database server runs out of room."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from catalog.errors import DatabaseError

__all__ = ["told_of_full_server"]


@contextmanager
def told_of_full_server() -> Iterator[None]:
    """Turn what the server says of a full disk into words.

    Raises
    ------
    DatabaseError
        The server's disk is full. The transaction is lost; what was committed before is whole.
    """
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DatabaseError(
            f"The disk of the database server is full: {error.diag.message_primary}.",
            "Make room there (see `rvscat db url` for which server it is). What was committed before is whole: the "
            "same command goes on from there.",
        ) from error

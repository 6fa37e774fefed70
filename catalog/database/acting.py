"""Act as one of `catalog.database.roles`, whatever the account of the connection may do besides.

A role that is taken on inside a transaction is lost with it when the transaction is rolled back. So it is taken on, and
given back, in a transaction of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import Connection

from catalog.database.membership import grant
from catalog.errors import DatabaseError

__all__ = ["act_as", "acting", "current_role", "is_lost"]


def act_as(connection: Connection, role: str) -> None:
    """Take on a role from now on.

    Parameters
    ----------
    connection : psycopg.Connection
        Is committed.
    role : str
        Name of the role; ``none`` is the account of the connection itself.

    Raises
    ------
    DatabaseError
        There is no such role, or the account may not act as it.
    """
    try:
        connection.execute("SELECT set_config('role', %s, false)", (role,))
        connection.commit()
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue) as error:
        connection.rollback()
        if isinstance(error, psycopg.errors.InvalidParameterValue):
            raise DatabaseError(
                f"The server has no role {role}.", f"As superuser: CREATE ROLE {role} NOLOGIN;"
            ) from error
        statement = grant(role, connection.info.user, connection.info.server_version)
        raise DatabaseError(
            f"The account {connection.info.user} may not act as {role}.",
            f"As superuser, or as who made the role: {statement}",
        ) from error


@contextmanager
def acting(connection: Connection, role: str) -> Iterator[None]:
    """Take on a role meanwhile; afterwards the connection acts as it did before, also after an error.

    Parameters
    ----------
    connection : psycopg.Connection
        Is committed at both ends; rolled back when an error leaves.
    role : str
        See `act_as`.

    Raises
    ------
    DatabaseError
        See `act_as`.
    """
    before = current_role(connection)
    act_as(connection, role)
    try:
        yield
    except BaseException:
        # A connection that is gone acts as nobody; what ended it is told by whoever met it.
        with suppress(psycopg.OperationalError, psycopg.InterfaceError):
            if not is_lost(connection):
                act_as(connection, before)
        raise
    act_as(connection, before)


def current_role(connection: Connection) -> str:
    """Return the role that a connection acts as; ``none`` when it is its account."""
    row = connection.execute("SELECT current_setting('role')").fetchone()
    assert row is not None
    return str(row[0])


def is_lost(connection: Connection) -> bool:
    """Roll back, and tell whether the connection is gone."""
    try:
        connection.rollback()
    except (psycopg.OperationalError, psycopg.InterfaceError):
        return True
    return connection.closed

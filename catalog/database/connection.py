"""Connections: to the embedded server by default, to any other PostgreSQL by its URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from catalog.database import migrate
from catalog.database.acting import act_as
from catalog.errors import DatabaseError
from catalog.settings import Settings, mask_password

__all__ = ["DATABASE", "MINIMUM_SERVER_VERSION", "connect", "database_url"]

DATABASE = "rvscat"
"""Name of the database inside the embedded server."""

MINIMUM_SERVER_VERSION = 150_000

_ready: set[str] = set()


def database_url(settings: Settings) -> str:
    """Return the URL of a database whose schema is up to date, starting the embedded server if needed.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    str
        ``postgresql://`` URL; it may hold a password: mask it before showing it.

    Raises
    ------
    DatabaseError
        The server cannot be started or reached, is too old, its schema is newer than this rvscat, or older and the
        account may not bring it up.
    """
    if settings.database_url:
        url = settings.database_url
    else:
        from catalog.database.embedded import ensure_server

        url = _with_database(ensure_server(settings))
    if url not in _ready:
        _check_server(url)
        known, head = migrate.current_revision(url), migrate.head_revision()
        if known != head:
            _upgrade(url, known)
        _ready.add(url)
    return url


@contextmanager
def connect(settings: Settings, *, role: str | None = None, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """Open a connection to an up-to-date database; committed at the end, rolled back on an error.

    Parameters
    ----------
    settings : Settings
    role : str, optional
        Role to act as, see `catalog.database.roles`; by default the account of the connection.
    autocommit : bool
        Commit each statement by itself.

    Yields
    ------
    psycopg.Connection

    Raises
    ------
    DatabaseError
        See `database_url`; or the account may not act as the role.
    """
    url = database_url(settings)
    with psycopg.connect(url, autocommit=autocommit, application_name="rvscat") as connection:
        if role is not None:
            act_as(connection, role)
        yield connection


def _with_database(server_url: str) -> str:
    """Create the rvscat database in the embedded server when it is missing."""
    parts = urlsplit(server_url)
    try:
        with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                try:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    pass  # another process was faster
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"Cannot connect to the embedded server ({mask_password(server_url)}): {str(error).strip()}.",
            "See `rvscat db status`.",
        ) from error
    return urlunsplit(parts._replace(path=f"/{DATABASE}"))


def _check_server(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"Cannot connect to {mask_password(url)}: {str(error).strip()}.",
            "Is the server running, and are host, database, user and password right? (RVSCAT_DATABASE_URL)",
        ) from error
    if version < MINIMUM_SERVER_VERSION:
        raise DatabaseError(
            f"The server at {mask_password(url)} is PostgreSQL {version // 10_000}.",
            "PostgreSQL 15 or newer is needed.",
        )


def _upgrade(url: str, known: str | None) -> None:
    if known is not None and known not in migrate.known_revisions():
        raise DatabaseError(
            f"The database {mask_password(url)} is at revision {known}, which this rvscat does not know.",
            "It was made by a newer version: install that version.",
        )
    migrate.upgrade(url)

"""Accounts of the tests' own, without superuser, on a server that others may use at the same time."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = ["account", "name_in"]

_PASSWORD = "only for tests"


@contextmanager
def account(url: str, *statements: str) -> Iterator[str]:
    """Make an account, and give the URL at which it logs in to the database of `url`; it is dropped afterwards.

    Parameters
    ----------
    url : str
        Of a superuser.
    *statements : str
        Executed for it, with ``{}`` in the place of its name.
    """
    name = f"rvscat_account_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(url)
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(maintenance) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD {}").format(sql.Identifier(name), sql.Literal(_PASSWORD))
        )
    place = parts.netloc.rpartition("@")[2]
    try:
        for statement in statements:
            with psycopg.connect(url) as connection:
                connection.execute(statement.format(name))  # type: ignore[call-overload]
        yield urlunsplit(parts._replace(netloc=f"{name}:{_PASSWORD.replace(' ', '%20')}@{place}"))
    finally:
        with psycopg.connect(url) as connection:
            # What it owns or may do goes with the database; here is what would keep it from going.
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def name_in(url: str) -> str:
    """Return the name of the account of a URL."""
    return urlsplit(url).username or ""

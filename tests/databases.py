"""Databases of the tests' own, on a server that others may use at the same time."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = ["database"]


@contextmanager
def database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Make a database, empty or a copy of `template`, and give its URL; it is dropped afterwards."""
    name = f"rvscat_test_{uuid.uuid4().hex[:12]}"
    maintenance, url = (urlunsplit(urlsplit(server_url)._replace(path=f"/{path}")) for path in ("postgres", name))
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        create += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(create)
    try:
        yield url
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

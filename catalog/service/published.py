"""What is published: tables and columns as TAP_SCHEMA describes them."""

import re
from dataclasses import dataclass

import psycopg
from psycopg import Connection

from catalog.database.queries import load

__all__ = ["PublishedColumn", "ServedTable", "published_tables", "served_table"]

_VERSION = re.compile(r"_v(\d+)$")


@dataclass(frozen=True)
class PublishedColumn:
    """A column that anyone may query."""

    name: str
    datatype: str
    """VOTable type, such as ``float`` or ``char``."""
    arraysize: str | None
    unit: str | None
    """VOUnit."""
    ucd: str | None
    description: str | None
    xtype: str | None = None
    """VOTable xtype."""


def published_tables(connection: Connection) -> dict[str, dict[str, PublishedColumn]]:
    """Return the published tables: qualified name -> column name -> column, in TAP_SCHEMA's order.

    Parameters
    ----------
    connection : psycopg.Connection

    Returns
    -------
    dict
        Fit for `catalog.service.adql.translate`; empty when nothing is published.
    """
    tables: dict[str, dict[str, PublishedColumn]] = {}
    for table, name, *facts in connection.execute(load("service/published_columns").statement):
        # TAP_SCHEMA quotes names that are reserved words.
        plain = name.strip('"')
        tables.setdefault(table, {})[plain] = PublishedColumn(plain, *facts)
    return tables


@dataclass(frozen=True)
class ServedTable:
    """The table that the stable view of the extended catalogue shows at present."""

    identifier: int
    """Another one after each publication."""
    version: int | None
    release: str | None
    """As in the column ``release``."""


def served_table(connection: Connection) -> ServedTable | None:
    """Return which version readers see; None when there is none."""
    try:
        with connection.transaction():
            found = connection.execute(load("service/served_version").statement).fetchone()
    except psycopg.errors.UndefinedTable:
        return None  # retracted a moment ago
    if found is None:
        return None
    identifier, name, release = found
    match = _VERSION.search(name)
    return ServedTable(identifier, int(match[1]) if match else None, release)

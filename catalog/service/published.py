"""What is published: tables and columns as TAP_SCHEMA describes them."""

from dataclasses import dataclass

from psycopg import Connection

from catalog.database.queries import load

__all__ = ["PublishedColumn", "published_tables"]


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

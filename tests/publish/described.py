"""What the database says of a table."""

from typing import Any

import psycopg

__all__ = ["columns_of"]


def columns_of(connection: psycopg.Connection, table: str) -> list[Any]:
    """Return name, type, whether it is never null, and comment of each column of a table or view."""
    return connection.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum) "
        "FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum",
        (table,),
    ).fetchall()

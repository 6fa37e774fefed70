"""Queries kept as files: found by name, run with bound parameters, readable and runnable in psql.

A file holds one statement below a header of comments (``Purpose``, ``Parameters``, ``Returns``).
Parameters are written as psql variables, ``:name`` or ``:'name'``, so that
``psql -v release=dr3 -f sql/selection/observed.sql`` runs the very file that the stages run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
from psycopg import Connection

from catalog.database.resources import SQL
from catalog.errors import NotFoundError

__all__ = ["Query", "fetch_frame", "load", "names"]

# Strings and comments first: a colon inside them is no parameter; :'name' before plain strings.
_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*)"
    r"|(?P<quoted>(?<![:\w]):'(?P<quoted_name>[a-z_]\w*)')"
    r"|(?P<string>'(?:[^']|'')*')"
    r"|(?P<cast>::)"
    r"|(?P<plain>(?<![:\w]):(?P<plain_name>[a-z_]\w*))"
    r"|(?P<percent>%)"
)


@dataclass(frozen=True)
class Query:
    """One SQL file."""

    name: str
    purpose: str
    text: str
    """The file as it stands."""
    statement: str
    """The same with psycopg's named placeholders."""
    parameters: tuple[str, ...]


@cache
def load(name: str) -> Query:
    """Read the query ``sql/<name>.sql``.

    Raises
    ------
    NotFoundError
        There is no such file.
    """
    path = SQL / f"{name}.sql"
    if not path.is_file():
        raise NotFoundError(f"There is no query {name!r} ({path}).")
    text = path.read_text(encoding="utf-8")
    parameters: dict[str, None] = {}

    def translate(match: re.Match[str]) -> str:
        if match["comment"]:
            return ""
        if parameter := match["quoted_name"] or match["plain_name"]:
            parameters[parameter] = None
            return f"%({parameter})s"
        return match[0].replace("%", "%%")

    statement = _TOKEN.sub(translate, text).strip().rstrip(";")
    purpose = re.search(r"^-- Purpose:\s*(.*(?:\n--\s{2,}.*)*)", text, re.MULTILINE)
    words = " ".join(line.lstrip("- ") for line in purpose[1].splitlines()) if purpose else ""
    return Query(name, words, text, statement, tuple(parameters))


def names(folder: str = "") -> list[str]:
    """Return the names of all queries below `folder`."""
    return sorted(str(path.relative_to(SQL).with_suffix("")) for path in (SQL / folder).rglob("*.sql"))


def fetch_frame(connection: Connection, query: Query | str, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Run `query` and return its rows.

    Parameters
    ----------
    connection : psycopg.Connection
    query : Query or str
        A loaded query, or a statement with psycopg's named placeholders.
    params : mapping, optional

    Returns
    -------
    pandas.DataFrame
        One column each, in the query's order; SQL nulls are NaN in numeric columns, None elsewhere.
    """
    statement = query.statement if isinstance(query, Query) else query
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement, params)
        assert cursor.description is not None
        columns = [column.name for column in cursor.description]
        return pd.DataFrame.from_records(cursor.fetchall(), columns=columns, coerce_float=True)

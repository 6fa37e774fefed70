"""An ADQL query, answered: as the reading role, in a transaction that cannot write, for a limited time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection, sql

from catalog.errors import DatabaseError, NotFoundError, QueryError
from catalog.service.adql import Translation, prepare
from catalog.service.columns import OutputColumn
from catalog.service.published import PublishedColumn, published_tables

__all__ = [
    "DEFAULT_MAX_ROWS",
    "READER",
    "QueryResult",
    "ResultColumn",
    "explain_failure",
    "restrict",
    "result_columns",
    "run_query",
]

READER = "rvscat_reader"
"""Role that may read what is published, and nothing else."""

DEFAULT_MAX_ROWS = 10_000

DEFAULT_TIMEOUT = 60.0
"""Seconds."""

# PostgreSQL type -> VOTable type.
_VOTABLE_TYPES = {
    "bool": "boolean",
    "int2": "short",
    "int4": "int",
    "int8": "long",
    "float4": "float",
    "float8": "double",
    "numeric": "double",
}


@dataclass(frozen=True)
class ResultColumn:
    """One column of an answer."""

    name: str
    datatype: str
    """VOTable type."""
    arraysize: str | None = None
    unit: str | None = None
    ucd: str | None = None
    description: str | None = None
    xtype: str | None = None


@dataclass(frozen=True)
class QueryResult:
    """The answer to a query."""

    columns: tuple[ResultColumn, ...]
    rows: list[tuple[Any, ...]]
    """Python values: int, float, str, bool or None."""
    truncated: bool
    """True when there were more rows than were asked for."""
    sql: str
    """What PostgreSQL executed."""


def run_query(
    connection: Connection, adql: str, max_rows: int = DEFAULT_MAX_ROWS, timeout: float = DEFAULT_TIMEOUT
) -> QueryResult:
    """Answer an ADQL query on the published tables.

    Parameters
    ----------
    connection : psycopg.Connection
        Of a role that may act as `READER`. Its transaction is left as it was.
    adql : str
        One SELECT statement.
    max_rows : int
        Rows to return at most.
    timeout : float
        Seconds after which the query is stopped.

    Returns
    -------
    QueryResult

    Raises
    ------
    QueryError
        The query is malformed, not allowed, fails, or takes too long.
    NotFoundError
        Nothing is published yet.
    """
    if max_rows < 0:
        raise QueryError(f"The number of rows cannot be {max_rows}.", "Give 0 or more.")
    tables = published_tables(connection)
    if not tables:
        raise NotFoundError("No table is published yet.", "`rvscat run` or `rvscat publish` publishes a catalogue.")
    translation = prepare(adql, tables)
    # One row more than wanted tells whether there are more.
    statement = translation.sql(max_rows + 1)
    # Rolled back whatever happens: role, limits and read-only mode end with it, in an outer transaction too.
    with connection.transaction(force_rollback=True):
        restrict(connection, timeout)
        names, types, rows = _execute(connection, statement, timeout)
    truncated = len(rows) > max_rows
    columns = result_columns(translation, names, types, tables)
    exact = [i for i, kind in enumerate(types) if kind == "numeric"]
    return QueryResult(columns, [_plain(row, exact) for row in rows[:max_rows]], truncated, statement)


def restrict(connection: Connection, timeout: float) -> None:
    """Let the transaction read what is published and nothing else, for `timeout` seconds a statement."""
    connection.execute("SET TRANSACTION READ ONLY")
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)))
    # No name is looked up anywhere but where the statement says; strings end where they seem to.
    connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
    connection.execute("SET LOCAL standard_conforming_strings = on")
    connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(max(1, round(timeout * 1000)))))


def _execute(connection: Connection, statement: str, timeout: float) -> tuple[list[str], list[str], list[Any]]:
    with explain_failure(timeout):
        # Prepared: the server itself then refuses a second statement.
        cursor = connection.execute(statement, prepare=True)
        rows = cursor.fetchall()
    description = cursor.description
    assert description is not None
    return [column.name for column in description], [column.type_display.split("(")[0] for column in description], rows


@contextmanager
def explain_failure(timeout: float) -> Iterator[None]:
    """Turn what the database says of a query into words.

    Raises
    ------
    QueryError
        The query fails, or ran longer than `timeout` seconds.
    DatabaseError
        The database is not there, or not able to answer.
    """
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise QueryError(
            f"The query ran longer than {timeout:g} s and was stopped.", "Select fewer stars, or use indexed columns."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise QueryError(f"The query reads what is not public: {_words(error)}.") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseError(f"The database could not answer: {_words(error)}.") from error
    except psycopg.DatabaseError as error:
        raise QueryError(f"The query fails: {_words(error)}.", _hint(error)) from error


def _words(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().rstrip(".")


def _hint(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.UndefinedFunction):
        return "Do the types fit? Texts stand in quotes (sourceid = '1001'); CAST(x AS BIGINT) makes a number."
    return ""


def result_columns(
    translation: Translation,
    names: Sequence[str],
    types: Sequence[str],
    tables: Mapping[str, Mapping[str, PublishedColumn]],
) -> tuple[ResultColumn, ...]:
    """Return what is known of the columns of an answer.

    Parameters
    ----------
    translation : Translation
    names, types : sequence of str
        Of the columns, as PostgreSQL calls them.
    tables : mapping
        The tables that the query could read.

    Returns
    -------
    tuple of ResultColumn
    """
    # They can only differ in number when the translation is at fault: then the names of the database hold.
    outputs = (
        translation.columns if len(translation.columns) == len(names) else tuple(OutputColumn(name) for name in names)
    )
    return tuple(_column(output, kind, tables) for output, kind in zip(outputs, types, strict=True))


def _column(output: OutputColumn, kind: str, tables: Mapping[str, Mapping[str, PublishedColumn]]) -> ResultColumn:
    datatype = _VOTABLE_TYPES.get(kind, "char")
    arraysize = "*" if datatype == "char" else None
    xtype = "timestamp" if kind in ("timestamp", "date") else None
    if output.table is None or output.column is None:
        return ResultColumn(output.name, datatype, arraysize, xtype=xtype)
    published = tables[output.table][output.column]
    if datatype == "char" and published.datatype == "char":
        arraysize = published.arraysize
    name = published.name if output.name == output.column else output.name
    xtype = xtype or published.xtype
    return ResultColumn(name, datatype, arraysize, published.unit, published.ucd, published.description, xtype)


def _plain(row: tuple[Any, ...], exact: list[int]) -> tuple[Any, ...]:
    """Return `row` with exact numbers as floats, and dates as text."""
    values = list(row)
    for i in exact:
        if isinstance(values[i], Decimal):
            values[i] = float(values[i])
    return tuple(
        value if value is None or isinstance(value, bool | int | float | str) else str(value) for value in values
    )

"""Which tables and columns the names of a query mean; what is not published is refused."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from catalog.errors import QueryError
from catalog.service.dialect import ADQL

__all__ = [
    "MAX_COLUMNS",
    "UPLOADS",
    "Tables",
    "TemporaryTable",
    "explain_unresolved",
    "rename_uploads",
    "rename_with",
    "resolve_tables",
    "schema_of",
]

Tables = Mapping[str, Collection[str]]
"""Tables that a query may read: qualified name -> names of its columns, in order.

The published ones, and under ``tap_upload.<name>`` those that came with the query: temporary tables of the same name,
or of the name that `TemporaryTable` tells.
"""

UPLOADS = "tap_upload"
"""Schema of the tables that come with a query; they are found under their whole name only."""

MAX_COLUMNS = 1600
"""As many as PostgreSQL gives a query."""

# No object of PostgreSQL begins with it: a name that is no published table can only mean a WITH query.
_WITH_PREFIX = "with "


class TemporaryTable(dict[str, Any]):
    """Columns of a table that came with a query, by name, and where the database has it.

    Names are in lower case, as those of a query that are not in quotes. An entry of `Tables` such as
    ``{"tap_upload.stars": TemporaryTable({"ra": …, "dec": …}, physical="upload_7")}`` lets a query write
    ``FROM TAP_UPLOAD.stars``.

    Parameters
    ----------
    columns : mapping
        As the columns of a published table.
    physical : str
        Name of a temporary table, whose columns have the same names.
    """

    def __init__(self, columns: Mapping[str, Any], physical: str) -> None:
        super().__init__(columns)
        self.physical = physical


def schema_of(tables: Tables) -> MappingSchema:
    """Return `tables` as sqlglot wants to know them."""
    schema: dict[str, object] = {}
    for name, columns in tables.items():
        schema_name, _, table_name = name.partition(".")
        known = schema.setdefault(schema_name, {})
        assert isinstance(known, dict)
        # Types play no part in resolving names.
        known[table_name] = dict.fromkeys(columns, "text")
    return MappingSchema(schema, dialect=ADQL, normalize=False)


def resolve_tables(tree: exp.Query, tables: Tables) -> None:
    """Give every table its schema.

    Parameters
    ----------
    tree : sqlglot.exp.Query
        Changed in place.
    tables : mapping

    Raises
    ------
    QueryError
        A table is not published, or the query has more than `MAX_COLUMNS` columns.
    """
    resolved: set[int] = set()
    widths: dict[int, int] = {}
    for scope in traverse_scope(tree):
        for table in scope.tables:
            if table.db or table.name not in scope.cte_sources:
                schema_name, table_name = _published(table, tables).split(".", 1)
                table.set("db", exp.to_identifier(schema_name, quoted=True))
                table.set("this", exp.to_identifier(table_name, quoted=True))
            resolved.add(id(table))
        widths[id(scope)] = width = _width(scope, widths, tables)
        # Stars of stars of stars: a short query could ask for more columns than there is memory.
        if width > MAX_COLUMNS:
            raise QueryError(f"The query asks for {width} columns; at most {MAX_COLUMNS} are answered.")
    for table in tree.find_all(exp.Table):
        if id(table) not in resolved:
            raise QueryError(f"The table {table.name} stands where no table can be read.")


def _width(scope: Scope, widths: dict[int, int], tables: Tables) -> int:
    """Return the number of columns of `scope`, whose inner queries are in `widths`."""
    if scope.set_operation_scopes:
        return widths[id(scope.set_operation_scopes[0])]
    sources = {
        name: len(tables[f"{source.db}.{source.name}"]) if isinstance(source, exp.Table) else widths[id(source)]
        for name, (_, source) in scope.selected_sources.items()
    }
    if not isinstance(scope.expression, exp.Query):
        raise QueryError("Something other than a table or a query stands in FROM.", "Name a published table.")
    width = 0
    for projection in scope.expression.selects:
        if isinstance(projection, exp.Star):
            width += sum(sources.values())
        elif isinstance(projection, exp.Column) and projection.is_star:
            width += sources.get(projection.table, 0)
        else:
            width += 1
    return width


def _published(table: exp.Table, tables: Tables) -> str:
    name = f"{table.db}.{table.name}" if table.db else table.name
    if table.db and name in tables:
        return name
    matches = [full for full in tables if full.split(".", 1)[1] == name and not full.startswith(f"{UPLOADS}.")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise QueryError(f"The table name {name} is ambiguous.", f"Write {' or '.join(matches)}.")
    if table.db == UPLOADS:
        uploads = [full for full in tables if full.startswith(f"{UPLOADS}.")]
        came = f"These came: {', '.join(uploads)}." if uploads else "No table came with the query."
        raise QueryError(f"There is no uploaded table {name}.", came)
    known = list(tables)
    near = get_close_matches(name, [*known, *(full.split(".", 1)[1] for full in known)], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Tables are {', '.join(known)}."
    raise QueryError(f"There is no published table {name}.", hint)


def rename_with(tree: exp.Query) -> None:
    """Give WITH queries, whose tables have no schema, names that no table has."""
    for cte in tree.find_all(exp.CTE):
        cte.args["alias"].set("this", exp.to_identifier(_WITH_PREFIX + cte.alias, quoted=True))
    for table in tree.find_all(exp.Table):
        if not table.db:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
            table.set("this", exp.to_identifier(_WITH_PREFIX + table.name, quoted=True))


def rename_uploads(tree: exp.Query, tables: Tables) -> None:
    """Give uploaded tables, once all names are resolved, the names that they have in the database."""
    for table in tree.find_all(exp.Table):
        if table.db == UPLOADS:
            uploaded = tables[f"{table.db}.{table.name}"]
            physical = uploaded.physical if isinstance(uploaded, TemporaryTable) else table.name
            table.set("db", exp.to_identifier("pg_temp", quoted=True))
            table.set("this", exp.to_identifier(physical, quoted=True))


def explain_unresolved(error: OptimizeError, tables: Tables) -> QueryError:
    """Say in the user's terms what could not be resolved."""
    text = re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()[0]
    match = re.search(r"Column '([^']*)' could not be resolved(?: for table: '([^']*)')?", text)
    if text.startswith("Alias already used"):
        name = text.split(":", 1)[1].strip()
        return QueryError(f"Two tables in FROM have the name {name}.", f"Give one of them another: FROM {name} AS x.")
    if match is None:
        return QueryError(f"The query cannot be resolved: {text.rstrip('.')}.")
    column = match[1].replace('"', "").split(".")[-1]
    message = f"The column {column} is ambiguous, or its table is not in FROM."
    having = [name for name, columns in tables.items() if column in columns]
    if len(having) > 1:
        hint = f"{', '.join(having)} have one: put the table's name before the column."
    elif having:
        hint = f"{having[0]} has one: is it in FROM?"
    else:
        message = f"There is no column {column}."
        near = get_close_matches(column.lower(), {name for columns in tables.values() for name in columns}, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "tap_schema.columns lists all columns."
    return QueryError(message, hint)

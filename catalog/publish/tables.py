"""Tables of one catalogue version, and the stable views in front of them.

A version's tables are made from the column metadata, filled once and never changed again. Readers use the
views; switching all of them is one transaction, so a reader sees the old version or the new one, whole.
"""

import psycopg
from psycopg import Connection, sql

from catalog.database.queries import load
from catalog.metadata import FLAG_DIGITS
from catalog.metadata.columns import (
    BOUNDARY_LIMITS,
    FLAG_BOUNDARY_DECODED,
    FLAG_BOUNDARY_EXPLAINED,
    PUBLISHED_TABLES,
    RVS_CNN,
    RVS_CNN_EXTENDED,
    Column,
    TableInfo,
    decoded_name,
)

__all__ = [
    "READER",
    "create_tables",
    "drop_tables",
    "drop_views",
    "fill_tables",
    "revoke_tables",
    "switch_views",
    "table_name",
]

READER = "rvscat_reader"
"""Role that may read what is published, and nothing else."""

_TABLES = (RVS_CNN, RVS_CNN_EXTENDED, BOUNDARY_LIMITS)


def table_name(info: TableInfo, version: int) -> sql.Identifier:
    """Return the table that holds `version` of a published table."""
    return sql.Identifier(info.schema, f"{info.name}_v{version}")


def create_tables(connection: Connection, version: int) -> None:
    """Create the empty tables of `version` with their comments."""
    for info in _TABLES:
        columns: list[sql.Composable] = [_definition(column) for column in info.columns]
        columns.append(sql.SQL("PRIMARY KEY ({})").format(sql.Identifier(info.primary_key or "")))
        if "flag_boundary" in info.column_names:
            columns.append(sql.SQL("CHECK (flag_boundary ~ '^[01]{8}$')"))
        connection.execute(
            sql.SQL("CREATE TABLE {} ({})").format(table_name(info, version), sql.SQL(", ").join(columns))
        )
        _comment(connection, "TABLE", table_name(info, version), info, f"{info.description}; version {version}")


def fill_tables(connection: Connection, version: int, run_id: int) -> dict[str, int]:
    """Fill the tables of `version` with the rows of run `run_id`, then index them.

    Returns
    -------
    dict of str to int
        Rows of each table by its unversioned name.
    """
    wide, narrow = table_name(RVS_CNN_EXTENDED, version), table_name(RVS_CNN, version)
    # Sorted by source_id: neighbours on the sky lie together on disk.
    wide_query = sql.SQL(
        "INSERT INTO {} ({columns}) SELECT {columns} FROM ({query}) AS star ORDER BY source_id"
    ).format(wide, columns=_names(RVS_CNN_EXTENDED), query=sql.SQL(load("publish/rvs_cnn_extended").statement))
    narrow_query = sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM {} ORDER BY source_id").format(
        narrow, wide, columns=_names(RVS_CNN)
    )
    n_wide = connection.execute(wide_query, {"run_id": run_id}).rowcount
    n_narrow = connection.execute(narrow_query).rowcount
    limits_query = sql.SQL("INSERT INTO {} ({columns}) SELECT {columns} FROM ({query}) AS entry").format(
        table_name(BOUNDARY_LIMITS, version),
        columns=_names(BOUNDARY_LIMITS),
        query=sql.SQL(load("publish/boundary_limits").statement),
    )
    connection.execute(limits_query, {"run_id": run_id})
    connection.execute(sql.SQL("CREATE UNIQUE INDEX ON {} (sourceid)").format(wide))
    # Cones without extensions: boxes on this index, then the exact distance.
    connection.execute(sql.SQL('CREATE INDEX ON {} USING gist (point(ra, "dec"))').format(wide))
    for table in (wide, narrow):
        connection.execute(sql.SQL("ANALYZE {}").format(table))
    return {RVS_CNN_EXTENDED.name: n_wide, RVS_CNN.name: n_narrow}


def switch_views(connection: Connection, version: int) -> None:
    """Let the stable views show `version`, and let the reader's role read it."""
    for info in _TABLES:
        select = sql.SQL("SELECT {} FROM {}").format(_names(info), table_name(info, version))
        _replace_view(connection, info, select)
        _grant(connection, table_name(info, version))
    digits = [
        sql.SQL("CAST(substr(flag_boundary, {}, 1) AS smallint) AS {}").format(
            sql.Literal(digit.position), sql.Identifier(decoded_name(digit))
        )
        for digit in FLAG_DIGITS
    ]
    n_digits = sql.SQL("CAST(length(replace(flag_boundary, '0', '')) AS smallint) AS n_digits")
    select = sql.SQL("SELECT source_id, flag_boundary, {} FROM {}").format(
        sql.SQL(", ").join([*digits, n_digits]), table_name(RVS_CNN_EXTENDED, version)
    )
    _replace_view(connection, FLAG_BOUNDARY_DECODED, select)
    # The file names the stable views; this one stands on the tables themselves, as all of them do.
    query = load("publish/flag_boundary_explained").statement
    for info in (RVS_CNN_EXTENDED, BOUNDARY_LIMITS):
        query = query.replace(f"{info.qualified_name} ", f"{table_name(info, version).as_string(connection)} ")
    _replace_view(connection, FLAG_BOUNDARY_EXPLAINED, sql.Composed([sql.SQL(query)]))


def drop_views(connection: Connection) -> None:
    """Remove the stable views: nothing is published then."""
    for info in reversed(PUBLISHED_TABLES):
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(info.schema, info.name)))


def grant_tables(connection: Connection, version: int) -> None:
    """Let the reader's role read the tables of `version`."""
    for info in _TABLES:
        _grant(connection, table_name(info, version))


def revoke_tables(connection: Connection, version: int) -> None:
    """Take the tables of `version` from the reader's role."""
    for info in _TABLES:
        connection.execute(
            sql.SQL("REVOKE ALL ON {} FROM {}").format(table_name(info, version), sql.Identifier(READER))
        )


def drop_tables(connection: Connection, version: int) -> None:
    """Remove the tables of `version`, on which no view may stand."""
    for info in _TABLES:
        connection.execute(sql.SQL("DROP TABLE {}").format(table_name(info, version)))


def _replace_view(connection: Connection, info: TableInfo, select: sql.Composed) -> None:
    name = sql.Identifier(info.schema, info.name)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(name, select))
    except psycopg.errors.InvalidTableDefinition:
        # Another rvscat published other columns: the view cannot keep its shape.
        connection.execute(sql.SQL("DROP VIEW {}").format(name))
        connection.execute(sql.SQL("CREATE VIEW {} AS {}").format(name, select))
    _comment(connection, "VIEW", name, info, info.description)
    _grant(connection, name)


def _grant(connection: Connection, name: sql.Identifier) -> None:
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(READER)))


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}{}").format(
        sql.Identifier(column.name),
        sql.SQL(column.sql_type),
        sql.SQL("" if column.nullable else " NOT NULL"),
    )


def _names(info: TableInfo) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, info.column_names))


def _comment(connection: Connection, kind: str, name: sql.Identifier, info: TableInfo, text: str) -> None:
    statements = [
        sql.SQL("COMMENT ON {} {} IS {}").format(sql.SQL(kind), name, sql.Literal(text)),
        *(
            sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                name, sql.Identifier(column.name), sql.Literal(_words(column))
            )
            for column in info.columns
        ),
    ]
    for statement in statements:
        connection.execute(statement)


def _words(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description

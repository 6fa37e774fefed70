"""TAP_SCHEMA rows of everything that is published, TAP_SCHEMA itself included (TAP 1.1, section 4)."""

from psycopg import Connection

from catalog.metadata.columns import PUBLISHED_TABLES, TableInfo
from catalog.metadata.tap_schema import SCHEMAS, TAP_TABLES
from catalog.publish.reserved import adql_name

__all__ = ["clear_tap_schema", "write_tap_schema"]


def clear_tap_schema(connection: Connection) -> None:
    """Remove the rows of our schemas: nothing is published."""
    # Tables, columns and keys follow by their foreign keys.
    connection.execute("DELETE FROM tap_schema.schemas WHERE schema_name = ANY (%s)", (list(SCHEMAS),))


def write_tap_schema(connection: Connection) -> None:
    """Replace the rows of our schemas; rows of other schemas stay as they are."""
    clear_tap_schema(connection)
    tables = (*PUBLISHED_TABLES, *TAP_TABLES)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tap_schema.schemas (schema_name, description, schema_index) VALUES (%s, %s, %s)",
            [(name, description, index) for index, (name, description) in enumerate(SCHEMAS.items(), start=1)],
        )
        cursor.executemany(
            "INSERT INTO tap_schema.tables (schema_name, table_name, table_type, description, table_index) "
            "VALUES (%s, %s, %s, %s, %s)",
            [
                (info.schema, info.qualified_name, "table" if info.std else "view", info.description, index)
                for index, info in enumerate(tables, start=1)
            ],
        )
        cursor.executemany(
            'INSERT INTO tap_schema.columns (table_name, column_name, datatype, arraysize, "size", description, unit, '
            "ucd, indexed, principal, std, column_index) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [row for info in tables for row in _column_rows(info)],
        )
        keys = [(info.qualified_name, key) for info in tables for key in info.keys]
        cursor.executemany(
            "INSERT INTO tap_schema.keys (key_id, from_table, target_table, description) VALUES (%s, %s, %s, %s)",
            [(key.key_id, table, key.target_table, key.description) for table, key in keys],
        )
        cursor.executemany(
            "INSERT INTO tap_schema.key_columns (key_id, from_column, target_column) VALUES (%s, %s, %s)",
            [(key.key_id, key.column, key.target_column) for _, key in keys],
        )


def _column_rows(info: TableInfo) -> list[tuple[str | int | None, ...]]:
    return [
        (
            info.qualified_name,
            adql_name(column.name),
            column.datatype,
            column.arraysize,
            _size(column.arraysize),
            column.description,
            column.unit,
            column.ucd,
            int(column.indexed),
            int(column.principal),
            int(column.std),
            index,
        )
        for index, column in enumerate(info.columns, start=1)
    ]


def _size(arraysize: str | None) -> int | None:
    """Return the number that TAP_SCHEMA 1.0 had in the place of `arraysize`."""
    length = (arraysize or "").rstrip("*")
    return int(length) if length.isdigit() else None

"""TAP_SCHEMA's description of itself (TAP 1.1, section 4).

Only what a client needs to know of its columns; the tables are made by a migration.
"""

from catalog.metadata.columns import Column, Key, TableInfo

__all__ = ["SCHEMAS", "TAP_TABLES"]

SCHEMAS: dict[str, str] = {
    "catalogue": "Stellar labels of Gaia RVS spectra: the published catalogue",
    "tap_schema": "Descriptions of all schemas, tables, columns and keys of this service (TAP_SCHEMA)",
}
"""Published schemas and their descriptions, in order."""


def _text(name: str, length: int, description: str, nullable: bool = True) -> Column:
    return Column(name, f"varchar({length})", "char", f"{length}*", None, "meta.note", description, nullable, std=True)


def _number(name: str, description: str, nullable: bool = False) -> Column:
    return Column(name, "integer", "int", None, None, "meta.number", description, nullable, std=True)


def _table(name: str, description: str, *columns: Column, keys: tuple[Key, ...] = ()) -> TableInfo:
    return TableInfo("tap_schema", name, description, description, columns, columns[0].name, keys, std=True)


TAP_TABLES: tuple[TableInfo, ...] = (
    _table(
        "schemas",
        "Schemas of this service",
        _text("schema_name", 64, "Name of the schema", nullable=False),
        _text("utype", 512, "Link to a data model"),
        _text("description", 4096, "What the schema holds"),
        _number("schema_index", "Recommended order of schemas", nullable=True),
    ),
    _table(
        "tables",
        "Tables and views of this service",
        _text("schema_name", 64, "Schema that the table belongs to", nullable=False),
        _text("table_name", 128, "Name of the table as queries write it", nullable=False),
        _text("table_type", 8, "table or view", nullable=False),
        _text("utype", 512, "Link to a data model"),
        _text("description", 4096, "What the table holds"),
        _number("table_index", "Recommended order of tables", nullable=True),
        keys=(Key("tables_schemas", "schema_name", "tap_schema.schemas", "schema_name", "Schema of a table"),),
    ),
    _table(
        "columns",
        "Columns of all tables",
        _text("table_name", 128, "Table that the column belongs to", nullable=False),
        _text("column_name", 64, "Name of the column as queries write it", nullable=False),
        _text("datatype", 64, "VOTable type", nullable=False),
        _text("arraysize", 16, "VOTable arraysize"),
        _text("xtype", 64, "VOTable xtype"),
        _number('"size"', "Length of the column; use arraysize", nullable=True),
        _text("description", 4096, "What the column holds"),
        _text("utype", 512, "Link to a data model"),
        _text("unit", 64, "VOUnit"),
        _text("ucd", 64, "UCD1+"),
        _number("indexed", "1 when the column is indexed, else 0"),
        _number("principal", "1 when the column is worth showing by default, else 0"),
        _number("std", "1 when a standard defines the column, else 0"),
        _number("column_index", "Recommended order of columns"),
        keys=(Key("columns_tables", "table_name", "tap_schema.tables", "table_name", "Table of a column"),),
    ),
    _table(
        "keys",
        "Foreign keys by which tables can be joined",
        _text("key_id", 64, "Identifier of the key", nullable=False),
        _text("from_table", 128, "Table that refers", nullable=False),
        _text("target_table", 128, "Table that is referred to", nullable=False),
        _text("description", 4096, "What the key relates"),
        _text("utype", 512, "Link to a data model"),
        keys=(
            Key("keys_from_table", "from_table", "tap_schema.tables", "table_name", "Table that refers"),
            Key("keys_target_table", "target_table", "tap_schema.tables", "table_name", "Table that is referred to"),
        ),
    ),
    _table(
        "key_columns",
        "Columns that foreign keys consist of",
        _text("key_id", 64, "Key that the columns belong to", nullable=False),
        _text("from_column", 64, "Column of the table that refers", nullable=False),
        _text("target_column", 64, "Column of the table that is referred to", nullable=False),
        keys=(Key("key_columns_keys", "key_id", "tap_schema.keys", "key_id", "Key of a pair of columns"),),
    ),
)

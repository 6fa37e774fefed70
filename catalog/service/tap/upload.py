"""TAP_UPLOAD: tables that come with a query, as temporary tables of its connection and transaction."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection, sql

from catalog.service.published import PublishedColumn
from catalog.service.query import READER
from catalog.service.resolve import UPLOADS
from catalog.service.tap.errors import ServiceError
from catalog.service.tap.limits import Limits
from catalog.service.tap.votable_reader import UploadedColumn, UploadedTable, read_votable

__all__ = ["Upload", "create_tables", "parse_upload_parameter"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)

_SQL_TYPES = {
    "boolean": "boolean",
    "unsignedByte": "smallint",
    "short": "smallint",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "char": "text",
    "unicodeChar": "text",
}


@dataclass(frozen=True)
class Upload:
    """An uploaded table that is not yet read."""

    name: str
    """Lower case: the query calls it ``tap_upload.<name>``."""
    path: Path


def parse_upload_parameter(values: Sequence[str], limits: Limits) -> dict[str, str]:
    """Read UPLOAD: ``name,param:part`` or ``name,http://…`` pairs, separated by semicolons.

    Returns
    -------
    dict of str to str
        Table name in lower case -> ``param:`` and the name of the part of the request that holds it, or a URL.

    Raises
    ------
    ServiceError
        A name is no ADQL name or comes twice, or a table lies where it is not fetched from.
    """
    tables: dict[str, str] = {}
    for pair in (piece for value in values for piece in value.split(";") if piece.strip()):
        name, comma, location = pair.strip().partition(",")
        if not comma or not _NAME.fullmatch(name):
            raise ServiceError(
                f"UPLOAD holds {pair[:100]!r}.", "Write UPLOAD=mytable,param:part for a part of the form."
            )
        scheme, colon, part = location.partition(":")
        known = ("param", "http", "https") if limits.fetch_uploads else ("param",)
        if scheme.lower() not in known or not colon or not part:
            raise ServiceError(
                f"The table {name} is not part of the request, and is not fetched from elsewhere.",
                "Send it along: UPLOAD=mytable,param:part.",
            )
        if name.lower() in tables:
            raise ServiceError(f"UPLOAD names the table {name} twice.")
        tables[name.lower()] = f"{scheme.lower()}:{part}"
    if len(tables) > limits.uploads:
        raise ServiceError(f"At most {limits.uploads} tables can be uploaded at once.")
    return tables


def create_tables(
    connection: Connection, uploads: Sequence[Upload], limits: Limits
) -> Mapping[str, Mapping[str, PublishedColumn]]:
    """Read `uploads` into temporary tables that end with the present transaction.

    Returns
    -------
    mapping
        ``tap_upload.name`` -> columns, as `catalog.service.answer.open_answer` takes them.

    Raises
    ------
    ServiceError
        A table cannot be read: see `read_votable`.
    """
    described: dict[str, dict[str, PublishedColumn]] = {}
    for upload in uploads:
        with upload.path.open("rb") as stream:
            table = read_votable(stream, upload.name, limits.upload_rows, limits.upload_columns)
        names = _column_names(upload.name, table.columns)
        _create(connection, upload.name, names, table)
        described[f"{UPLOADS}.{upload.name}"] = {
            name: PublishedColumn(
                column.name,
                "char" if column.datatype in ("char", "unicodeChar") else column.datatype,
                "*" if column.datatype in ("char", "unicodeChar") else None,
                column.unit,
                column.ucd,
                column.description,
                column.xtype,
            )
            for name, column in zip(names, table.columns, strict=True)
        }
    return described


def _column_names(table: str, columns: Sequence[UploadedColumn]) -> list[str]:
    """Return names by which a query finds the columns: without quotes, case does not matter."""
    names = [column.name.lower() if _PLAIN.fullmatch(column.name) else column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ServiceError(f"The uploaded table {table} has more than one column {twice[0]}.", "Rename one of them.")
    return names


def _create(connection: Connection, name: str, names: list[str], table: UploadedTable) -> None:
    target = sql.Identifier("pg_temp", name)
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(each), sql.SQL(_SQL_TYPES[column.datatype]))
        for each, column in zip(names, table.columns, strict=True)
    ]
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(target, sql.SQL(", ").join(columns))
    )
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(target)) as copy:
        for row in table.rows:
            copy.write_row(row)
    connection.execute(sql.SQL("ANALYZE {}").format(target))
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(target, sql.Identifier(READER)))

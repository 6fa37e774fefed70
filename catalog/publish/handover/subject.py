"""What is handed over: a published version as it is in the database, with a few of its rows."""

from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.rows import dict_row

from catalog import __version__
from catalog.database.queries import load
from catalog.errors import ArtefactError
from catalog.metadata.columns import (
    BOUNDARY_LIMITS,
    FLAG_BOUNDARY_EXPLAINED,
    PUBLISHED_TABLES,
    RVS_CNN,
    RVS_CNN_EXTENDED,
    TableInfo,
)
from catalog.publish.gate import PublicationError
from catalog.publish.handover.producer import Producer
from catalog.publish.publications import Publication, find_publication
from catalog.publish.tables import table_name

__all__ = ["Adopted", "Subject", "read_subject"]

_WITH_TABLES = (RVS_CNN, RVS_CNN_EXTENDED, BOUNDARY_LIMITS)
"""Those that have a table in each version; the others are views of the current one."""


@dataclass(frozen=True)
class Adopted:
    """One table or view that the archive serves."""

    info: TableInfo
    name: str
    """In the database, without its schema."""
    kind: Literal["table", "view"]
    n_rows: int
    n_bytes: int
    """With its indexes; of a view, those of the table behind it, where it is one's own."""


@dataclass(frozen=True)
class Subject:
    """A version and what is known of it."""

    publication: Publication
    producer: Producer
    tables: tuple[Adopted, ...]
    stars: tuple[dict[str, Any], ...]
    """A few rows of ``rvs_cnn_extended``: examples for tests."""
    functions: tuple[tuple[str, str], ...] = ()
    """Schema and definition of each function that the views call."""
    software: str = f"rvscat {__version__}"

    @property
    def title(self) -> str:
        """Title of the catalogue."""
        return self.producer.title or RVS_CNN.title

    @property
    def schema(self) -> str:
        """Schema of all tables."""
        return RVS_CNN.schema

    def adopted(self, info: TableInfo) -> Adopted:
        """Return how `info` is handed over."""
        return next(each for each in self.tables if each.info is info)

    def base_table(self, info: TableInfo) -> str:
        """Return the name of the table that holds the rows of `info`."""
        return f"{info.name}_v{self.publication.version}"


def read_subject(connection: Connection, producer: Producer, version: int | None = None) -> Subject:
    """Read what there is to hand over.

    Without `version`, the stable views are handed over: they show later versions without a change at the archive.
    With it, the tables of that version, which never change.

    Parameters
    ----------
    connection : psycopg.Connection
    producer : Producer
    version : int, optional

    Returns
    -------
    Subject

    Raises
    ------
    NotFoundError
        There is no such publication.
    PublicationError
        It was retracted.
    ArtefactError
        The version has other columns than this rvscat describes.
    """
    publication = find_publication(connection, version)
    if publication.retracted:
        raise PublicationError(
            f"Version {publication.version} was retracted: {publication.retracted.reason}.",
            "Hand over another version: `rvscat publish --list`.",
        )
    tables = []
    for info in PUBLISHED_TABLES if version is None else _WITH_TABLES:
        name = info.name if version is None else f"{info.name}_v{version}"
        _check_columns(connection, info, name, publication.version)
        n_bytes = _size(connection, info, publication.version) if info in _WITH_TABLES else 0
        n_rows = publication.n_rows * (8 if info is FLAG_BOUNDARY_EXPLAINED else 1)
        if info is BOUNDARY_LIMITS:
            n_rows = _count(connection, info, name)
        tables.append(Adopted(info, name, "view" if version is None else "table", n_rows, n_bytes))
    functions = _functions(connection, [f"{each.info.schema}.{each.name}" for each in tables])
    return Subject(publication, producer, tuple(tables), _stars(connection, publication.version), functions)


def _check_columns(connection: Connection, info: TableInfo, name: str, version: int) -> None:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum",
        (f"{info.schema}.{name}",),
    ).fetchall()
    if tuple(column for (column,) in found) != info.column_names:
        raise ArtefactError(
            f"{info.schema}.{name} of version {version} has other columns than this rvscat describes: "
            f"{len(found)} instead of {len(info.columns)}, or of other names.",
            "Hand it over with the rvscat that published it, or publish its run again: `rvscat publish`.",
        )


def _functions(connection: Connection, names: list[str]) -> tuple[tuple[str, str], ...]:
    statement = load("publish/functions_of_views").statement
    found = [row for name in names for row in connection.execute(statement, {"view": name}).fetchall()]
    return tuple(dict.fromkeys(found))


def _size(connection: Connection, info: TableInfo, version: int) -> int:
    row = connection.execute(
        "SELECT pg_total_relation_size(to_regclass(%s))", (table_name(info, version).as_string(connection),)
    ).fetchone()
    assert row is not None
    return int(row[0])


def _count(connection: Connection, info: TableInfo, name: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(info.schema, name))).fetchone()
    assert row is not None
    return int(row[0])


def _stars(connection: Connection, version: int) -> tuple[dict[str, Any], ...]:
    table = table_name(RVS_CNN_EXTENDED, version)
    # The first and the last by source_id: both ends of the primary key's index.
    parts = [sql.SQL("(SELECT * FROM {} ORDER BY source_id {} LIMIT 1)").format(table, sql.SQL(order))
             for order in ("ASC", "DESC")]  # fmt: skip
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(cursor.execute(sql.SQL(" UNION ").join(parts) + sql.SQL(" ORDER BY source_id")).fetchall())

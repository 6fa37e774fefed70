"""A query's answer as it comes: columns first, then rows in blocks, while the database still looks for the rest.

Values stay the bytes that PostgreSQL sends, which are big-endian as VOTable and FITS want them: no Python number
is made of any of them.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.datetime import DateBinaryLoader, TimestampBinaryLoader, TimestamptzBinaryLoader
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from catalog.errors import NotFoundError, QueryError
from catalog.service.adql import prepare
from catalog.service.published import PublishedColumn, published_tables
from catalog.service.query import ResultColumn, explain_failure, restrict, result_columns
from catalog.service.resolve import UPLOADS

__all__ = ["MAX_TEXT", "Answer", "Block", "open_answer"]

Block = list[tuple[bytes | None, ...]]
"""Rows; each value as PostgreSQL's binary format has it, None for null. Text is UTF-8."""

# So many values are in memory at once; the first rows come at once.
_VALUES = 150_000
_FIRST_ROWS = 500

MAX_TEXT = 4096
"""Longest text, in characters, that is computed by a query or comes from an uploaded table."""

_TEXT_VALUES = 5_000
_TEXTS = ("text", "varchar", "bpchar")

_AS_THEY_ARE = (
    *("bool", "int2", "int4", "int8", "float4", "float8"),
    *("text", "varchar", "bpchar", '"char"', "name", "json"),
)


# psycopg passes on whatever a loader returns; its base classes promise Python objects, and writers want bytes.
class _Number(NumericBinaryLoader):
    def load(self, data: bytes) -> bytes:  # type: ignore[override]
        return struct.pack(">d", float(super().load(data)))


class _Date(DateBinaryLoader):
    def load(self, data: bytes) -> bytes:  # type: ignore[override]
        return super().load(data).isoformat().encode()


class _Timestamp(TimestampBinaryLoader):
    def load(self, data: bytes) -> bytes:  # type: ignore[override]
        return super().load(data).isoformat().encode()


class _TimestampWithZone(TimestamptzBinaryLoader):
    def load(self, data: bytes) -> bytes:  # type: ignore[override]
        return super().load(data).isoformat().encode()


_CONVERTED: dict[str, type[Loader]] = {
    "numeric": _Number,
    "date": _Date,
    "timestamp": _Timestamp,
    "timestamptz": _TimestampWithZone,
}


@dataclass
class Answer:
    """The answer to a query."""

    columns: tuple[ResultColumn, ...]
    blocks: Iterator[Block]
    sql: str
    """What PostgreSQL executes."""
    n_rows: int = field(default=0, init=False)
    """Rows that have come so far."""
    overflow: bool = field(default=False, init=False)
    """True when there were more rows than were asked for; known after the last block."""


@contextmanager
def open_answer(
    connection: Connection,
    adql: str,
    max_rows: int,
    timeout: float,
    uploads: Mapping[str, Mapping[str, PublishedColumn]] | None = None,
) -> Iterator[Answer]:
    """Begin to answer an ADQL query.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside of a transaction, or in the one that holds the tables of `uploads`; of a role that may act as reader.
    adql : str
        One SELECT statement.
    max_rows : int
        Rows to return at most.
    timeout : float
        Seconds after which the database stops.
    uploads : mapping, optional
        Temporary tables of this connection that the query may read as well: ``tap_upload.name`` -> columns.

    Yields
    ------
    Answer
        Its first rows are there already: what fails at once has failed.

    Raises
    ------
    QueryError
        The query is malformed, not allowed, fails, or takes too long; also while blocks are read.
    NotFoundError
        Nothing is published yet.
    """
    tables = published_tables(connection)
    if not tables:
        raise NotFoundError("No table is published yet.", "`rvscat run` or `rvscat publish` publishes a catalogue.")
    # Columns of both are only read: a Mapping stands here where mypy sees a dict.
    tables = {**tables, **(uploads or {})}  # type: ignore[dict-item]
    # One row more than wanted tells whether there are more.
    translation = prepare(adql, tables)
    statement = translation.sql(max_rows + 1)
    with connection.transaction(force_rollback=True):
        restrict(connection, timeout)
        # Declared by the extended protocol: the server itself refuses a second statement.
        with connection.cursor("answer", scrollable=False) as cursor, explain_failure(timeout):
            _register(cursor)
            cursor.execute(statement, binary=True)
            description = cursor.description or []
            kinds = [each.type_display.split("(")[0] for each in description]
            if strange := [kind for kind in kinds if kind not in _AS_THEY_ARE and kind not in _CONVERTED]:
                raise QueryError(f"A column of type {strange[0]} cannot be sent.", "CAST it to a number or text.")
            columns = result_columns(translation, [each.name for each in description], kinds, tables)
            size = max(1, _VALUES // max(1, len(columns)))
            unbounded = [
                kind in _TEXTS and (output.table or UPLOADS).startswith(UPLOADS)
                for kind, output in zip(kinds, translation.columns, strict=True)
            ]
            if any(unbounded):
                statement = _bounded(statement, unbounded)
                size = max(1, min(size, _TEXT_VALUES // sum(unbounded)))
                cursor.execute(statement, binary=True)
            answer = Answer(columns, iter(()), statement)
            rows = cursor.fetchmany(min(size, _FIRST_ROWS))
            answer.blocks = _blocks(cursor, answer, rows, size, max_rows, timeout)
            yield answer


def _bounded(statement: str, unbounded: Sequence[bool]) -> str:
    """Return `statement` with texts cut that nothing else bounds: doubled a few times, one would fill all memory."""
    names = [f"c{i}" for i in range(len(unbounded))]
    values = [f"left({name}, {MAX_TEXT})" if cut else name for name, cut in zip(names, unbounded, strict=True)]
    return f"SELECT {', '.join(values)} FROM ({statement}) AS answer ({', '.join(names)})"


def _register(cursor: psycopg.ServerCursor) -> None:
    for name in _AS_THEY_ARE:
        cursor.adapters.register_loader(name, ByteaBinaryLoader)
    for name, loader in _CONVERTED.items():
        assert loader.format == Format.BINARY
        cursor.adapters.register_loader(name, loader)


def _blocks(
    cursor: psycopg.ServerCursor, answer: Answer, rows: Block, size: int, max_rows: int, timeout: float
) -> Iterator[Block]:
    while rows:
        if answer.n_rows + len(rows) > max_rows:
            answer.overflow = True
            rows = rows[: max_rows - answer.n_rows]
        answer.n_rows += len(rows)
        if rows:
            yield rows
        if answer.overflow:
            return
        with explain_failure(timeout):
            rows = cursor.fetchmany(size)

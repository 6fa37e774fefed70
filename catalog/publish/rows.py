"""Rows of a published table as arrays: binary COPY, taken apart column by column, nulls kept apart."""

from collections.abc import Iterator, Sequence

import numpy as np
from psycopg import Connection, sql

from catalog.errors import DatabaseError
from catalog.metadata.columns import Column, TableInfo
from catalog.publish.formats.layout import row_type

__all__ = ["Block", "stream_rows"]

_HEADER_BYTES = 19
_TRAILER = b"\xff\xff"

Block = tuple[np.ndarray, dict[str, np.ndarray]]
"""Rows, and where they are null (`catalog.publish.formats.Nulls`)."""


def stream_rows(
    connection: Connection, select: sql.Composable, info: TableInfo, block: int = 25_000
) -> Iterator[Block]:
    """Run a SELECT of the columns of `info` and yield its rows.

    Parameters
    ----------
    connection : psycopg.Connection
    select : psycopg.sql.Composable
    info : TableInfo
        Its columns, in the order of the SELECT.
    block : int
        Rows at a time: memory is bounded by them.

    Yields
    ------
    rows : numpy.ndarray, shape (n,)
        Structured, with the fields of `row_type`; text is as wide as the longest value of the block needs (UTF-8). Null
        is NaN, 0 or empty here.
    nulls : dict of str to numpy.ndarray of bool
        Columns that have nulls in this block.

    Raises
    ------
    DatabaseError
        The server's answer is broken off or has other columns.
    """
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(select)
    pieces: list[bytes] = []
    first = True
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for data in copy:
            # One message a row; the first has the file's header before it.
            pieces.append(bytes(data)[_HEADER_BYTES:] if first else bytes(data))
            first = False
            if len(pieces) > block:
                yield _decode(pieces[:block], info)
                del pieces[:block]
    if not pieces or pieces[-1] != _TRAILER:
        raise DatabaseError("The database ended a binary COPY early.", "Run the command again.")
    if len(pieces) > 1:
        yield _decode(pieces[:-1], info)


def _decode(pieces: Sequence[bytes], info: TableInfo) -> Block:
    kind = row_type(info)
    starts = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=starts[1:])
    # No value at the end is read beyond the buffer.
    buffer = b"".join(pieces) + bytes(64 + 4 * max(kind[name].itemsize for name in info.column_names))
    at = starts[:-1].copy()
    ok = bool((_gather(buffer, ">i2", at) == len(info.columns)).all())
    at += 2
    columns: dict[str, np.ndarray] = {}
    nulls: dict[str, np.ndarray] = {}
    for column in info.columns:
        lengths = _gather(buffer, ">i4", at).astype(np.int64)
        at += 4
        null = lengths < 0
        lengths[null] = 0
        columns[column.name], fits = _column(buffer, at, lengths, null, kind[column.name], column)
        ok = ok and fits
        if null.any():
            nulls[column.name] = null
        at += lengths
        if not ok or at.max() > starts[-1]:
            break
    if not ok or not np.array_equal(at, starts[1:]):
        raise DatabaseError(
            f"The table of {info.qualified_name} does not have the columns that it should have.",
            "It was published by another version of rvscat, or changed by hand: publish the run again.",
        )
    rows = np.empty(len(pieces), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows, nulls


def _column(
    buffer: bytes, at: np.ndarray, lengths: np.ndarray, null: np.ndarray, kind: np.dtype, column: Column
) -> tuple[np.ndarray, bool]:
    """Return the values of a column, and whether they have its type."""
    if kind.kind == "S":
        width = max(kind.itemsize, int(lengths.max()))
        if width > 4 * kind.itemsize:
            return np.zeros(len(at), dtype=kind), False
        texts = _gather(buffer, f"S{width}", at)
        characters = texts.view(np.uint8).reshape(len(at), width)
        characters[np.arange(width) >= lengths[:, np.newaxis]] = 0
        return texts, True
    values = _gather(buffer, kind.newbyteorder(">"), at).astype(kind)
    if column.nullable:
        values[null] = np.nan if kind.kind == "f" else 0
    return values, bool(((lengths == kind.itemsize) | (null & column.nullable)).all())


def _gather(buffer: bytes, kind: np.dtype | str, at: np.ndarray) -> np.ndarray:
    """Return the values of `kind` that begin at the bytes `at`."""
    kind = np.dtype(kind)
    every = np.ndarray((len(buffer) - kind.itemsize + 1,), dtype=kind, buffer=buffer, strides=(1,))
    return every[at]

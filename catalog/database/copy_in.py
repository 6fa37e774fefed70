"""Binary COPY into a table from whole columns, without a Python object a value.

The wire format (PostgreSQL manual, chapter COPY, "Binary Format") gives each field a 32-bit length and
its bytes in network order. Here the positions of all fields of a batch are computed at once and each
column is scattered into one buffer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg import Connection, sql

from catalog.errors import DatabaseError

__all__ = ["copy_in"]

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = np.array([0xFF] * 4, dtype=np.uint8)

_FIXED = {
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
    "bool": "u1",
}
_TEXT = {"text", "varchar", "bpchar", "json"}

# Rows whose buffer is built at once: keeps the memory of index arrays small.
_BATCH_BYTES = 8 << 20


def copy_in(connection: Connection, table: str, columns: Mapping[str, Any]) -> int:
    """Append rows to `table`.

    Parameters
    ----------
    connection : psycopg.Connection
    table : str
        ``schema.table``.
    columns : mapping of str to array-like
        Equally long columns. Numbers and booleans: 1-D arrays; masked elements, and NaN in ``real`` and
        ``double precision`` columns, become null. Text: sequences of str or None. ``bytea``: 2-D float
        arrays, one row a value, written little-endian (rows masked throughout become null), or sequences of
        bytes or None.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    ValueError
        Columns of different lengths, or a value that the column's type cannot hold.
    DatabaseError
        The table or a column does not exist.
    """
    types = _column_types(connection, table)
    unknown = [name for name in columns if name not in types]
    if unknown:
        raise DatabaseError(f"Table {table} has no column {', '.join(unknown)}.")
    lengths = {name: len(values) for name, values in columns.items()}
    n_rows = next(iter(lengths.values()))
    if set(lengths.values()) != {n_rows}:
        raise ValueError(f"Columns of {table} differ in length: {lengths}.")
    if n_rows == 0:
        return 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        start, step = 0, 256
        while start < n_rows:
            stop = min(start + step, n_rows)
            try:
                buffer = _encode({name: (types[name], values[start:stop]) for name, values in columns.items()})
            except (TypeError, OverflowError, UnicodeError) as error:
                raise ValueError(f"Rows {start} to {stop} of {table}: {error}") from error
            copy.write(buffer)
            step = max(1, min(1 << 16, _BATCH_BYTES * (stop - start) // len(buffer)))
            start = stop
        copy.write(_TRAILER)
    return n_rows


def _column_types(connection: Connection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped",
        (table,),
    ).fetchall()
    if not rows:
        raise DatabaseError(f"Table {table} does not exist.")
    return dict(rows)


def _encode(columns: Mapping[str, tuple[str, Any]]) -> memoryview:
    """Return the rows of `columns` (type and values each) as COPY's bytes."""
    fields: list[tuple[np.ndarray, np.ndarray | list[bytes]]] = []
    for name, (kind, values) in columns.items():
        if kind in _FIXED:
            fields.append(_fixed_field(name, kind, values))
        elif kind == "bytea" and not _is_sequence_of_bytes(values):
            fields.append(_matrix_field(values))
        elif kind in _TEXT or kind in ("bytea", "jsonb"):
            fields.append(_variable_field(kind, values))
        else:
            raise TypeError(f"column {name} has type {kind}, which binary COPY does not write here")
    n_rows = len(fields[0][0])
    widths = np.column_stack(
        [np.full(n_rows, 2, dtype=np.int64)] + [4 + np.maximum(lengths, 0) for lengths, _ in fields]
    )
    offsets = np.zeros(widths.size + 1, dtype=np.int64)
    np.cumsum(widths.ravel(), out=offsets[1:])
    starts = offsets[:-1].reshape(widths.shape)
    buffer = np.empty(offsets[-1], dtype=np.uint8)
    _scatter(
        buffer, starts[:, 0], np.broadcast_to(np.frombuffer(len(fields).to_bytes(2, "big"), np.uint8), (n_rows, 2))
    )
    for (lengths, data), start in zip(fields, starts.T[1:], strict=True):
        _scatter(buffer, start, lengths.astype(">i4").view(np.uint8).reshape(-1, 4))
        present = lengths >= 0
        if isinstance(data, np.ndarray):
            _scatter(buffer, start[present] + 4, data[present])
        else:
            _scatter_joined(buffer, start[present] + 4, lengths[present], b"".join(data))
    return buffer.data


def _scatter(buffer: np.ndarray, start: np.ndarray, rows: np.ndarray) -> None:
    if rows.shape[1] > 64:
        # Long fields: one slice copy each beats an index a byte.
        for position, row in zip(start.tolist(), rows, strict=True):
            buffer[position : position + rows.shape[1]] = row
        return
    for i in range(rows.shape[1]):
        buffer[start + i] = rows[:, i]


def _scatter_joined(buffer: np.ndarray, start: np.ndarray, lengths: np.ndarray, joined: bytes) -> None:
    ends = np.cumsum(lengths)
    inside = np.arange(len(joined), dtype=np.int64) - np.repeat(ends - lengths, lengths)
    buffer[np.repeat(start, lengths) + inside] = np.frombuffer(joined, dtype=np.uint8)


def _fixed_field(name: str, kind: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    array = np.asarray(np.ma.getdata(values))
    if array.dtype == object:
        masked = np.array([value is None for value in array]) | (False if masked is None else masked)
        array = np.array([0 if value is None else value for value in array])
    target = np.dtype(_FIXED[kind])
    null = np.zeros(len(array), dtype=bool) if masked is None else masked.copy()
    if target.kind == "f":
        null |= np.isnan(array.astype(np.float64, copy=False))
    elif array.dtype.kind == "f":
        whole = null | (array == np.trunc(array))
        if not whole.all():
            raise TypeError(f"column {name} takes whole numbers, not {array[~whole][0]}")
    if target.kind == "i":
        info = np.iinfo(target)
        checked = array[~null]
        if checked.size and (checked.min() < info.min or checked.max() > info.max):
            raise OverflowError(f"column {name}: {checked.min()} or {checked.max()} does not fit {kind}")
    filled = np.where(null, array.dtype.type(0), array) if null.any() else array
    data = np.ascontiguousarray(filled.astype(target)).view(np.uint8).reshape(len(array), target.itemsize)
    return np.where(null, -1, target.itemsize).astype(np.int64), data


def _matrix_field(values: Any) -> tuple[np.ndarray, np.ndarray]:
    array = np.ma.getdata(values)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise TypeError("a bytea column takes a 2-D float array or a sequence of bytes")
    data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).view(np.uint8)
    null = (
        np.ma.getmaskarray(values).all(axis=1) if isinstance(values, np.ma.MaskedArray) else np.zeros(len(array), bool)
    )
    return np.where(null, -1, data.shape[1]).astype(np.int64), data


def _variable_field(kind: str, values: Sequence[Any]) -> tuple[np.ndarray, list[bytes]]:
    if kind in _TEXT and not isinstance(values, np.ma.MaskedArray):
        try:
            return _text_field(pa.array(values, type=pa.string(), from_pandas=False))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # not all of them are str
    prefix = b"\x01" if kind == "jsonb" else b""
    data: list[bytes] = []
    lengths = np.full(len(values), -1, dtype=np.int64)
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    for i, value in enumerate(np.ma.getdata(values) if masked is not None else values):
        if value is None or (masked is not None and masked[i]):
            continue
        raw = prefix + (bytes(value) if kind == "bytea" else str(value).encode("utf-8"))
        if kind != "bytea" and b"\x00" in raw:
            raise TypeError("text must not contain a null character")
        lengths[i] = len(raw)
        data.append(raw)
    return lengths, data


def _text_field(texts: pa.StringArray) -> tuple[np.ndarray, list[bytes]]:
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = b"" if data_buffer is None else memoryview(data_buffer)[offsets[0] : offsets[-1]].tobytes()
    if b"\x00" in data:
        raise TypeError("text must not contain a null character")
    lengths = np.diff(offsets).astype(np.int64)
    lengths[np.asarray(texts.is_null())] = -1
    return lengths, [data]


def _is_sequence_of_bytes(values: Any) -> bool:
    return not (isinstance(values, np.ndarray) and values.ndim == 2)

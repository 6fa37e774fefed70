"""Binary COPY out of the database straight into arrays: no Python object a value or a row.

Every row of the result must have the same bytes: fixed-width types and ``bytea`` of one length, no nulls.
A chunk of rows is then one numpy record array over the received buffer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from psycopg import ClientCursor, Connection

from catalog.errors import DatabaseError

__all__ = ["stream_arrays"]

_HEADER_BYTES = 19
_TYPES = {
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float4": ">f4",
    "float8": ">f8",
    "bool": "?",
    "float4_bytes": "<f4",
    "float8_bytes": "<f8",
}

Field = tuple[str, int | None]


def stream_arrays(
    connection: Connection,
    statement: str,
    params: Mapping[str, Any] | None,
    fields: Mapping[str, Field],
    chunk: int = 256,
) -> Iterator[dict[str, np.ndarray]]:
    """Run a SELECT and yield its rows as arrays, `chunk` rows at a time.

    Parameters
    ----------
    connection : psycopg.Connection
    statement : str
        SELECT with psycopg's named placeholders.
    params : mapping, optional
        Values of the placeholders; they are quoted by psycopg, since COPY itself takes none.
    fields : mapping of str to (type, length)
        The columns of the result, in order: ``("int8", None)``, ``("float4", None)``, … for numbers, and
        ``("float4_bytes", n)`` or ``("float8_bytes", n)`` for ``bytea`` columns of n little-endian floats.
    chunk : int
        Rows per yielded block; the last one may be shorter.

    Yields
    ------
    dict of str to numpy.ndarray
        Shape (rows,) or (rows, n), in native byte order.

    Raises
    ------
    DatabaseError
        A row has a null or an array of another length.
    """
    record = np.dtype([("n_fields", ">i2"), *_record_fields(fields)])
    with ClientCursor(connection) as quoting:
        select = quoting.mogrify(statement, params) if params else statement
    pending = bytearray()
    started = False
    size = chunk * record.itemsize
    with connection.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT binary)") as copy:
        for data in copy:
            pending += data
            if not started and len(pending) >= _HEADER_BYTES:
                del pending[:_HEADER_BYTES]
                started = True
            while len(pending) >= size:
                block = bytes(pending[:size])
                del pending[:size]
                yield _decode(block, record, fields)
    if pending[-2:] != b"\xff\xff":
        raise DatabaseError("The database ended a binary COPY early.", "Run the command again.")
    rest = bytes(pending[:-2])
    if rest:
        yield _decode(rest, record, fields)


def _record_fields(fields: Mapping[str, Field]) -> list[Any]:
    parts: list[Any] = []
    for name, (kind, length) in fields.items():
        parts.append((f"{name}__length", ">i4"))
        parts.append((name, _TYPES[kind]) if length is None else (name, _TYPES[kind], (length,)))
    return parts


def _decode(block: bytes, record: np.dtype, fields: Mapping[str, Field]) -> dict[str, np.ndarray]:
    if len(block) % record.itemsize:
        raise DatabaseError(f"A row of the result has a null or an array of another length than {_describe(fields)}.")
    rows = np.frombuffer(block, dtype=record)
    for name in fields:
        expected = record[name].itemsize
        if (rows[f"{name}__length"] != expected).any() or (rows["n_fields"] != len(fields)).any():
            raise DatabaseError(
                f"A row of the result has a null or an array of another length than {_describe(fields)}."
            )
    return {name: rows[name].astype(rows[name].dtype.newbyteorder("=")) for name in fields}


def _describe(fields: Mapping[str, Field]) -> str:
    return ", ".join(name if length is None else f"{name}[{length}]" for name, (_, length) in fields.items())

"""VOTable files: BINARY2 and TABLEDATA, fields by name (not by ID), PARAMs as metadata.

astropy reads them all. It decodes BINARY2 value by value, so the usual case of DataLink's single products, one
table of fixed-size columns, is decoded here at once and astropy reads only the document around it.
"""

import base64
import binascii
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from astropy.io.votable import parse
from astropy.io.votable.exceptions import VOTableSpecError
from astropy.io.votable.tree import Field, TableElement, VOTableFile

from catalog.errors import FormatError
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["open_votable"]

_GZIP = b"\x1f\x8b"

# The data of a table in BINARY2; the backreference is the quote.
_STREAM = re.compile(rb"<BINARY2>\s*<STREAM\s+encoding\s*=\s*(['\"])base64\1\s*>([^<]*)</STREAM>")

_NUMBERS = {"short": ">i2", "int": ">i4", "long": ">i8", "float": ">f4", "double": ">f8", "unsignedByte": "u1"}


def open_votable(path: Path) -> list[RawTable]:
    """Return the tables of a VOTable, also those of nested resources. The file is parsed at once.

    Raises
    ------
    FormatError
        The file is not valid XML, is cut short, or holds no table.
    """
    try:
        tables = _decoded_at_once(path) or [
            _table(path, element, {} if element.array is None else _columns(element))
            for element in _parsed(path).iter_tables()
            if element.fields
        ]
    except (OSError, EOFError, zlib.error, ValueError, IndexError, ExpatError, VOTableSpecError) as error:
        raise FormatError(f"{path} is a truncated or damaged VOTable: {error}.", "Download the file again.") from error
    if not tables:
        raise FormatError(f"{path} is a VOTable without any table.", "Was the query that made it refused?")
    return tables


def _parsed(source: Path | io.BytesIO) -> VOTableFile:
    return parse(source, verify="ignore")


def _decoded_at_once(path: Path) -> list[RawTable]:
    """Read one table of fixed-size columns; return nothing if the file holds anything else."""
    data = path.read_bytes()
    if data.startswith(_GZIP):
        data = gzip.decompress(data)
    streams = list(_STREAM.finditer(data))
    if len(streams) != 1 or data.count(b"<TABLE") != 1 + data.count(b"<TABLEDATA"):
        return []
    begin, end = streams[0].span(2)
    [element] = _parsed(io.BytesIO(data[:begin] + data[end:])).iter_tables()
    types = [_fixed_type(field) for field in element.fields]
    if None in types:
        return []
    try:
        decoded = base64.b64decode(data[begin:end].translate(None, b" \t\r\n"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"its data are not base64: {error}") from error
    # A row begins with one bit a field that says whether it is null, the first field in the highest.
    names = [str(i) for i in range(len(types))]
    record = np.dtype([("nulls", "u1", ((len(types) + 7) // 8,)), *zip(names, types, strict=True)])
    if len(decoded) % record.itemsize:
        raise ValueError(f"its last row ends after {len(decoded) % record.itemsize} of {record.itemsize} bytes")
    rows = np.frombuffer(decoded, dtype=record)
    nulls = np.unpackbits(rows["nulls"], axis=1).astype(bool)
    columns = {
        field.name: _masked(rows[name], nulls[:, i], field.datatype)
        for i, (name, field) in reversed(list(enumerate(zip(names, element.fields, strict=True))))
    }
    return [_table(path, element, columns)]


def _fixed_type(field: Field) -> str | None:
    if field.values.null is not None:
        return None
    if field.datatype in _NUMBERS and field.arraysize in (None, "1"):
        return _NUMBERS[field.datatype]
    if field.datatype == "boolean" and field.arraysize in (None, "1"):
        return "S1"
    if field.datatype == "char" and (field.arraysize or "1").isdecimal():
        return f"S{field.arraysize or 1}"
    return None


def _masked(values: np.ndarray, null: np.ndarray, datatype: str) -> np.ndarray:
    values = values.copy()
    if datatype == "boolean":
        # T, t, 1 or F, f, 0; a question mark, a blank or nothing for null.
        null = null | np.isin(values, [b"?", b" ", b""])
        values = np.isin(values, [b"T", b"t", b"1"])
    elif datatype == "char":
        values = np.char.decode(values, "ascii")
    return np.ma.MaskedArray(values, mask=null) if null.any() else values


def _columns(element: TableElement) -> dict[str, np.ndarray]:
    keys = element.array.dtype.names or ()
    # The first of equal names counts.
    return {field.name: element.array[key] for field, key in reversed(list(zip(element.fields, keys, strict=True)))}


def _table(path: Path, element: TableElement, columns: Mapping[str, np.ndarray]) -> RawTable:
    names = tuple(field.name for field in element.fields)
    meta: dict[str, Any] = {param.name: param.value for param in element.params}

    def read(wanted: Sequence[str]) -> Iterator[RawBlock]:
        n_rows = len(next(iter(columns.values())))
        if n_rows:
            yield RawBlock({name: columns[name] for name in wanted}, np.arange(1, n_rows + 1, dtype=np.int64))

    return RawTable(path, "VOTable", names, meta, read)

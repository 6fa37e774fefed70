"""Writes the ECSV dialect of the Gaia archive's bulk folders, gzip-compressed.

Its peculiarities, seen in a published file: an ``!!omap`` block of metadata, entries that begin with a dash and a
blank, blanks behind ``string`` and behind subtypes, arrays as quoted lists in square brackets with ``NaN`` for
missing elements, text in double quotes, and the word ``null`` for everything else that is missing.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.mock.layouts import BulkColumn

__all__ = ["BulkFile", "arrays_as_text", "as_text", "text_header"]

NULL = "null"
COMPRESSION_LEVEL = 1
"""Digits of noise hardly compress: higher levels cost much time and gain little."""


def text_header(release: str, table: str, description: str, columns: Sequence[BulkColumn]) -> str:
    """Return the comment block of a bulk file and the line of column names.

    Parameters
    ----------
    release : str
        Title of the data release.
    table : str
        Name of the archive table.
    description : str
        One line.
    columns : sequence of BulkColumn

    Returns
    -------
    str
        Ends with a line end.
    """
    lines = [
        "%ECSV 1.0",
        "---",
        "delimiter: ','",
        "meta: !!omap",
        f"- RELEASE: {release}",
        f"- TABLE: {table}",
        "- DESCRIPTION: >",
        f"    {description}",
        "    ",
        "datatype:",
    ]
    for column in columns:
        lines += ["- ", f"  name: {column.name}"]
        if column.array:
            lines += ["  datatype: string ", f"  subtype: '{column.datatype}[null]' "]
        else:
            lines.append("  datatype: string " if column.datatype == "string" else f"  datatype: {column.datatype}")
        if column.unit:
            lines.append(f'  unit: "{column.unit}"' if "'" in column.unit else f"  unit: {column.unit}")
        if column.ucd:
            lines += ["  meta:", f"    ucd: {column.ucd}"]
    return "".join(f"# {line}\n" for line in lines) + ",".join(column.name for column in columns) + "\n"


def as_text(values: object, length: int) -> pa.Array:
    """Format scalars as the bulk files print them.

    Parameters
    ----------
    values : array_like
        Numbers, booleans or texts, shape (n,), or one value for all rows. NaN, None and masked values are nulls.
    length : int
        n.

    Returns
    -------
    pyarrow.StringArray, shape (n,)
    """
    if values is None:
        return pa.repeat(pa.scalar(NULL), length)
    array: np.ma.MaskedArray[Any, Any] = np.ma.asanyarray(values)
    if array.ndim == 0:
        array = np.ma.asanyarray(np.repeat(np.asarray(values)[None], length, axis=0))
    mask = np.ma.getmaskarray(array)
    data = np.asarray(array.data)
    if data.dtype.kind in "OU":
        # A missing text is None, or NaN where pandas had it.
        known = [isinstance(value, str) and not m for value, m in zip(data, mask, strict=True)]
        texts = [f'"{value}"' if ok else None for value, ok in zip(data, known, strict=True)]
        return pc.fill_null(pa.array(texts, pa.string()), NULL)
    if data.dtype.kind == "b":
        return pc.fill_null(pa.array(np.where(data, "True", "False"), mask=mask), NULL)
    if data.dtype.kind != "f":
        return pc.fill_null(_digits(data, mask), NULL)
    mask = mask | ~np.isfinite(data)
    texts = _digits(data, mask)
    if (data[~mask] == np.round(data[~mask])).any():
        texts = pc.replace_substring_regex(texts, r"^(-?\d+)(E.*)?$", r"\1.0\2")
    return pc.fill_null(texts, NULL)


def arrays_as_text(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Format one array a row as a quoted list; rows that are `missing` become nulls.

    Parameters
    ----------
    values : numpy.ndarray, shape (n, m)
    missing : numpy.ndarray of bool, shape (n,), optional

    Returns
    -------
    pyarrow.StringArray, shape (n,)
    """
    width = values.shape[1]
    flat = np.ascontiguousarray(values).ravel()
    digits = pc.fill_null(_digits(flat, ~np.isfinite(flat)), "NaN")
    offsets = pa.array(np.arange(0, flat.size + 1, width, dtype=np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, digits), ",")
    quoted = pc.binary_join_element_wise('"[', joined, ']"', "")
    return quoted if missing is None else pc.if_else(pa.array(missing), NULL, quoted)


def _digits(data: np.ndarray, mask: np.ndarray) -> pa.Array:
    """Print numbers in the shortest form that reads back to the same number; exponents in capitals."""
    texts = pa.array(data, mask=mask).cast(pa.string())
    size = np.abs(data[~mask]) if data.dtype.kind == "f" else np.zeros(0)
    if ((size < 1e-5) & (size > 0)).any() or (size >= 1e9).any():
        texts = pc.replace_substring(texts, "e", "E")
    return texts


class BulkFile:
    """One gzip-compressed bulk file that is being written.

    The bytes depend on the content alone: the gzip header carries neither name nor time.

    Parameters
    ----------
    path : Path
    header : str
        From `text_header`.
    """

    def __init__(self, path: Path, header: str) -> None:
        self.path = path
        self.rows = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._zlib = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        self._file = path.open("wb")
        self._write(header.encode())

    def close(self) -> None:
        """Finish the file."""
        self._store(self._zlib.flush())
        self._file.close()

    @property
    def md5(self) -> str:
        """Checksum of the compressed bytes, once the file is closed."""
        return self._md5.hexdigest()

    def write(self, columns: Sequence[BulkColumn], texts: Mapping[str, pa.Array], length: int) -> None:
        """Write rows; columns without texts are null.

        Parameters
        ----------
        columns : sequence of BulkColumn
        texts : mapping of str to pyarrow.StringArray, shape (length,)
        length : int
        """
        if length == 0:
            return
        nulls = pa.repeat(pa.scalar(NULL), length)
        lines = pc.binary_join_element_wise(*(texts.get(column.name, nulls) for column in columns), ",")
        offsets = pa.array([0, length], pa.int32())
        block = pc.binary_join(pa.ListArray.from_arrays(offsets, lines), "\n")[0].as_buffer()
        self._write(block)
        self._write(b"\n")
        self.rows += length

    def _write(self, data: bytes | pa.Buffer) -> None:
        self._store(self._zlib.compress(data))

    def _store(self, data: bytes) -> None:
        self._md5.update(data)
        self._file.write(data)

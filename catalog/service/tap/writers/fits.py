"""FITS binary table.

Its header holds the number of rows and the length of every text: rows wait in a temporary file until both are known.
"""

import tempfile
from collections.abc import Iterator, Sequence

import numpy as np
from astropy.io import fits

from catalog.errors import QueryError
from catalog.service.answer import Block
from catalog.service.query import ResultColumn
from catalog.service.tap.writers.columns import NUMBERS, number_array, width

__all__ = ["FitsAnswer"]

_FORMATS = {"short": "I", "int": "J", "long": "K", "float": "E", "double": "D", "boolean": "L"}
_FITS_BLOCK = 2880
_MAX_BYTES = 20_000_000_000
_MAX_COLUMNS = 999
_TRUTH = np.array([ord("F"), ord("T")], dtype="u1")


class FitsAnswer:
    """One table; null is TNULLn in whole numbers, NaN in others, nothing in text."""

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:
        if len(columns) > _MAX_COLUMNS:
            raise QueryError(f"FITS tables have at most {_MAX_COLUMNS} columns.", "Ask for another format.")
        self._columns = columns
        self._facts = facts
        self._widths = [width(column) or 1 for column in columns]
        self._n_rows = 0
        # Unnamed: gone with the writer, whatever happens.
        self._spool = tempfile.TemporaryFile(prefix="rvscat-fits-")  # noqa: SIM115  closed by end and fail

    def begin(self) -> bytes:
        """Return nothing yet."""
        return b""

    def write(self, block: Block) -> bytes:
        """Put the rows of `block` aside."""
        columns = []
        for i, (values, column) in enumerate(zip(zip(*block, strict=True), self._columns, strict=True)):
            packed = _packed(values, column)
            if column.datatype == "char":
                self._widths[i] = max(self._widths[i], packed.dtype.itemsize)
            columns.append(packed)
        self._n_rows += len(block)
        if self._n_rows * sum(self._widths) > _MAX_BYTES:
            raise QueryError("The answer is too large for a FITS table.", "Ask for another format.")
        for packed in columns:
            np.save(self._spool, packed, allow_pickle=False)
        return b""

    def end(self, overflow: bool) -> Iterator[bytes]:
        """Yield header and rows."""
        kinds = [
            np.dtype(f"S{size}") if column.datatype == "char" else np.dtype(NUMBERS.get(column.datatype, "u1"))
            for column, size in zip(self._columns, self._widths, strict=True)
        ]
        rows = np.dtype([(f"f{i}", kind) for i, kind in enumerate(kinds)])
        yield fits.PrimaryHDU().header.tostring().encode("ascii")
        yield self._header(rows, overflow).tostring().encode("ascii")
        n_bytes = 0
        self._spool.seek(0)
        while n_bytes < self._n_rows * rows.itemsize:
            columns = [np.load(self._spool, allow_pickle=False) for _ in self._columns]
            data = np.empty(len(columns[0]), dtype=rows)
            for i, values in enumerate(columns):
                data[f"f{i}"] = values
            n_bytes += data.nbytes
            yield data.tobytes()
        self._spool.close()
        yield bytes(-n_bytes % _FITS_BLOCK)

    def fail(self, message: str) -> bytes | None:  # noqa: ARG002  other formats use it
        """Return None: nothing has been sent yet, or the file is broken off."""
        self._spool.close()
        return None

    def _header(self, rows: np.dtype, overflow: bool) -> fits.Header:
        header = fits.Header()
        header["XTENSION"] = "BINTABLE"
        header["BITPIX"] = 8
        header["NAXIS"] = 2
        header["NAXIS1"] = rows.itemsize
        header["NAXIS2"] = self._n_rows
        header["PCOUNT"] = 0
        header["GCOUNT"] = 1
        header["TFIELDS"] = len(self._columns)
        for i, (column, size) in enumerate(zip(self._columns, self._widths, strict=True), start=1):
            header[f"TTYPE{i}"] = _ascii(column.name)
            header[f"TFORM{i}"] = f"{size}A" if column.datatype == "char" else _FORMATS[column.datatype]
            if column.unit:
                # FITS has no quoted units: what VOUnits writes as 'dex' is dex here.
                header[f"TUNIT{i}"] = _ascii(column.unit.strip("'"))
            if column.datatype in ("short", "int", "long"):
                header[f"TNULL{i}"] = int(np.iinfo(NUMBERS[column.datatype]).min)
            if column.ucd:
                header[f"TUCD{i}"] = _ascii(column.ucd)
            if column.description:
                header[f"TCOMM{i}"] = _ascii(column.description)
        header["QSTATUS"] = ("OVERFLOW" if overflow else "OK", "OVERFLOW: there were more rows")
        for name, value in self._facts:
            header.add_history(_ascii(" ".join(f"{name}: {value}".splitlines())))
        return header


def _packed(values: tuple[bytes | None, ...], column: ResultColumn) -> np.ndarray:
    """Return a column as FITS writes it."""
    if column.datatype == "char":
        # FITS is ASCII.
        return np.array([value.decode().encode("ascii", "replace") if value else b"" for value in values], dtype="S")
    numbers, missing = number_array(values, column.datatype)
    if column.datatype == "boolean":
        return np.where(missing, 0, _TRUTH[numbers]).astype("u1")
    if missing.any():
        numbers = numbers.copy()
        numbers[missing] = np.nan if numbers.dtype.kind == "f" else np.iinfo(numbers.dtype).min
    return numbers


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)

"""CSV for every tool there is, and ECSV (astropy's APE 6), which keeps types, units and descriptions."""

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from astropy.table import Table
from pyarrow import csv

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.layout import Facts, Nulls, fits_unit, refuse, row_type
from catalog.publish.formats.parquet import arrow_batch

__all__ = ["CsvWriter", "EcsvWriter"]


class CsvWriter:
    """Writes comma-separated values with one line of names; every number reads back to the same bits, null is nothing.

    An empty text is ``""``: PostgreSQL's own ``COPY … (FORMAT csv, HEADER)`` reads both back as they were.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
    """

    extension: ClassVar[str] = "csv"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        self._text = [name for name in info.column_names if rows[name].kind == "S"]
        self._schema = pa.schema(
            [
                (name, pa.string() if name in self._text else pa.from_numpy_dtype(rows[name]))
                for name in info.column_names
            ]
        )
        self._file = path.open("wb")
        self._file.write(self.header(info, facts).encode("utf-8"))
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        self._writer = csv.CSVWriter(self._file, self._schema, write_options=options)

    def header(self, info: TableInfo, facts: Facts) -> str:  # noqa: ARG002  that of ECSV, which extends this, tells facts
        """Return everything before the first row."""
        return ",".join(info.column_names) + "\n"

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows."""
        self._writer.write_batch(arrow_batch(rows, self._schema, nulls))

    def close(self) -> None:
        """Finish the file."""
        if not self._file.closed:
            self._writer.close()
            self._file.close()


class EcsvWriter(CsvWriter):
    """Writes the same rows below a header that astropy reads types, units and descriptions from."""

    extension: ClassVar[str] = "ecsv"

    def header(self, info: TableInfo, facts: Facts) -> str:
        """Return the ECSV header and the line of names."""
        rows = row_type(info)
        # Text is str in ECSV: flag_boundary must not turn into a number.
        types = [(name, "U1" if rows[name].kind == "S" else rows[name]) for name in info.column_names]
        table = Table(np.empty(0, dtype=types), meta=facts.as_text())
        for column in info.columns:
            target = table[column.name]
            target.description = column.description
            target.meta["ucd"] = column.ucd
            if column.unit:
                target.unit = fits_unit(column.unit)
        buffer = io.StringIO()
        table.write(buffer, format="ascii.ecsv", delimiter=",")
        return buffer.getvalue()

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows.

        Raises
        ------
        DatabaseError
            A text has line breaks or blanks at an end, or is empty: astropy reads them as something else.
        """
        nulls = nulls or {}
        for name in self._text:
            texts = rows[name]
            bad = (
                (np.char.strip(texts) != texts) | (np.char.find(texts, b"\n") >= 0) | (np.char.find(texts, b"\r") >= 0)
            )
            bad |= np.char.str_len(texts) == 0
            refuse(rows, bad & ~nulls[name] if name in nulls else bad, name, "ECSV")
        super().write(rows, nulls)

"""VOTable with BINARY2 data (VOTable 1.4), written block by block."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from catalog.metadata.columns import Column, TableInfo
from catalog.publish.formats.layout import Facts, Nulls, plain_rows, row_type
from catalog.publish.formats.votable_document import (
    Base64Lines,
    field_element,
    info_element,
    table_head,
    votable_head,
)

__all__ = ["VOTableWriter", "votable_header"]

_TABLE_END = "  </TABLE>\n </RESOURCE>\n</VOTABLE>\n"


def _field(column: Column, fits: bool) -> str:
    # Files hold text of one width, padded.
    padded = replace(column, arraysize=column.arraysize and column.arraysize.rstrip("*"))
    text = field_element(padded, identifier=column.name)
    if fits and column.nullable and column.datatype in ("short", "int", "long"):
        lowest = np.iinfo(row_type(TableInfo("", "", "", "", (column,)))[column.name]).min
        # Elsewhere a bit of each row says what is null.
        text = text.replace("</FIELD>", f'<VALUES null="{lowest}"/></FIELD>')
    return text


def _head(info: TableInfo, facts: Facts, fits: bool = False) -> str:
    head = votable_head(facts.title, (info_element(name, value) for name, value in facts.as_text().items()))
    fields = (_field(column, fits) for column in info.columns)
    attributes = {"ID": info.name, "name": info.qualified_name, "nrows": str(facts.n_rows)}
    return head + table_head(fields, attributes, info.description)


def votable_header(info: TableInfo, facts: Facts, fits_extension: int | None = None) -> str:
    """Return a VOTable document that describes `info` and holds no data.

    Parameters
    ----------
    info : TableInfo
    facts : Facts
    fits_extension : int, optional
        The data are in this extension of a FITS file: whole numbers have a null value then.

    Returns
    -------
    str
    """
    return _head(info, facts, fits_extension is not None) + _TABLE_END


class VOTableWriter:
    """Writes the header of `votable_header` with a BINARY2 stream in it.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
    """

    extension: ClassVar[str] = "vot"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        self._names = info.column_names
        # A row begins with one bit a column that says whether it is null.
        null_flags = ("null_flags", "u1", ((len(info.columns) + 7) // 8,))
        self._plain = rows.newbyteorder(">")
        self._type = np.dtype([null_flags, *((name, self._plain[name]) for name in self._names)])
        self._lines = Base64Lines()
        self._file = path.open("wb")
        self._write(f'{_head(info, facts)}   <DATA>\n    <BINARY2>\n     <STREAM encoding="base64">\n')

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows.

        Raises
        ------
        DatabaseError
            A text is not plain: readers do not agree on anything but ASCII.
        """
        nulls = nulls or {}
        plain = plain_rows(rows, nulls, self._plain, "VOTable")
        records = np.zeros(len(rows), dtype=self._type)
        for name in self._names:
            records[name] = plain[name]
        if nulls:
            missing = np.zeros((len(rows), len(self._names)), dtype=bool)
            for i, name in enumerate(self._names):
                if name in nulls:
                    missing[:, i] = nulls[name]
            records["null_flags"] = np.packbits(missing, axis=1)
        self._file.write(self._lines.encode(records.tobytes()))

    def close(self) -> None:
        """Finish the file."""
        if not self._file.closed:
            self._file.write(self._lines.finish())
            self._write(f"     </STREAM>\n    </BINARY2>\n   </DATA>\n{_TABLE_END}")
            self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))

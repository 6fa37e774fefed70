"""VOTable with BINARY2 data (VOTable 1.4), written block by block."""

from pathlib import Path

import numpy as np

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.layout import Facts, row_type
from catalog.publish.formats.votable_document import (
    Base64Lines,
    field_element,
    info_element,
    table_head,
    votable_head,
)

__all__ = ["VOTableWriter", "votable_header"]

_TABLE_END = "  </TABLE>\n </RESOURCE>\n</VOTABLE>\n"


def _head(info: TableInfo, facts: Facts) -> str:
    head = votable_head(facts.title, (info_element(name, value) for name, value in facts.as_text().items()))
    fields = (field_element(column, identifier=column.name) for column in info.columns)
    attributes = {"ID": info.name, "name": info.qualified_name, "nrows": str(facts.n_rows)}
    return head + table_head(fields, attributes, info.description)


def votable_header(info: TableInfo, facts: Facts) -> str:
    """Return a VOTable document that describes `info` and holds no data."""
    return _head(info, facts) + _TABLE_END


class VOTableWriter:
    """Writes the header of `votable_header` with a BINARY2 stream in it.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
    """

    extension = "vot"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        # A row begins with one bit a column that says whether it is null; here none is.
        nulls = ("null_flags", "u1", ((len(info.columns) + 7) // 8,))
        self._type = np.dtype([nulls, *((name, rows[name].newbyteorder(">")) for name in rows.names or ())])
        self._lines = Base64Lines()
        self._file = path.open("wb")
        self._write(f'{_head(info, facts)}   <DATA>\n    <BINARY2>\n     <STREAM encoding="base64">\n')

    def write(self, rows: np.ndarray) -> None:
        """Append rows."""
        records = np.zeros(len(rows), dtype=self._type)
        for name in rows.dtype.names or ():
            records[name] = rows[name]
        self._file.write(self._lines.encode(records.tobytes()))

    def close(self) -> None:
        """Finish the file."""
        if not self._file.closed:
            self._file.write(self._lines.finish())
            self._write(f"     </STREAM>\n    </BINARY2>\n   </DATA>\n{_TABLE_END}")
            self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8"))

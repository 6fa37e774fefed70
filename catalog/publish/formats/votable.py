"""VOTable with BINARY2 data (VOTable 1.4), written block by block."""

import base64
import io
import warnings
from pathlib import Path

import numpy as np
from astropy.io.votable import exceptions
from astropy.io.votable.tree import Field, Info, Resource, TableElement, VOTableFile

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.layout import Facts, row_type

__all__ = ["VOTableWriter", "votable_header"]

# Bytes that become one line of 76 characters.
_LINE = 57


def votable_header(info: TableInfo, facts: Facts) -> str:
    """Return a VOTable document that describes `info` and holds no data."""
    with warnings.catch_warnings():
        # log(cm.s**-2) is how Gaia's own tables give log g; astropy does not know the function.
        warnings.simplefilter("ignore", exceptions.W50)
        document = VOTableFile(version="1.4")
        resource = Resource(type="results")
        document.resources.append(resource)
        table = TableElement(document, ID=info.name, name=info.qualified_name, nrows=str(facts.n_rows))
        resource.tables.append(table)
        resource.description = facts.title
        for name, value in facts.as_text().items():
            resource.infos.append(Info(name=name, value=value))
        table.description = info.description
        for column in info.columns:
            field = Field(
                document,
                ID=column.name,
                name=column.name,
                datatype=column.datatype,
                arraysize=column.arraysize,
                unit=column.unit,
                ucd=column.ucd,
            )
            field.description = column.description
            table.fields.append(field)
        table.create_arrays(0)
        buffer = io.BytesIO()
        document.to_xml(buffer)
    return buffer.getvalue().decode("utf-8")


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
        before, end, after = votable_header(info, facts).rpartition("</TABLE>")
        self._tail = f"     </STREAM>\n    </BINARY2>\n   </DATA>\n  {end}{after}"
        self._rest = b""
        self._file = path.open("w", encoding="utf-8")
        self._file.write(f'{before.rstrip()}\n   <DATA>\n    <BINARY2>\n     <STREAM encoding="base64">\n')

    def write(self, rows: np.ndarray) -> None:
        """Append rows."""
        records = np.zeros(len(rows), dtype=self._type)
        for name in rows.dtype.names or ():
            records[name] = rows[name]
        data = self._rest + records.tobytes()
        whole = len(data) - len(data) % _LINE
        self._file.write(base64.encodebytes(data[:whole]).decode("ascii"))
        self._rest = data[whole:]

    def close(self) -> None:
        """Finish the file."""
        if not self._file.closed:
            self._file.write(base64.encodebytes(self._rest).decode("ascii"))
            self._file.write(self._tail)
            self._file.close()

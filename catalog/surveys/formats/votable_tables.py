"""VOTable files: BINARY2 and TABLEDATA, fields by name (not by ID), PARAMs as metadata."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from astropy.io.votable import parse
from astropy.io.votable.exceptions import VOTableSpecError
from astropy.io.votable.tree import TableElement

from catalog.errors import FormatError
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["open_votable"]


def open_votable(path: Path) -> list[RawTable]:
    """Return the tables of a VOTable, also those of nested resources. The file is parsed at once.

    Raises
    ------
    FormatError
        The file is not valid XML, is cut short, or holds no table.
    """
    try:
        document = parse(path, verify="ignore")
    except (OSError, ValueError, IndexError, ExpatError, VOTableSpecError) as error:
        raise FormatError(f"{path} is a truncated or damaged VOTable: {error}.", "Download the file again.") from error
    tables = [_table(path, element) for element in document.iter_tables() if element.fields]
    if not tables:
        raise FormatError(f"{path} is a VOTable without any table.", "Was the query that made it refused?")
    return tables


def _table(path: Path, element: TableElement) -> RawTable:
    names = tuple(field.name for field in element.fields)
    meta: dict[str, Any] = {param.name: param.value for param in element.params}

    def read(wanted: Sequence[str]) -> Iterator[RawBlock]:
        array = element.array
        n_rows = len(array)
        if n_rows:
            columns = {name: array[array.dtype.names[names.index(name)]] for name in wanted}
            yield RawBlock(columns, np.arange(1, n_rows + 1, dtype=np.int64))

    return RawTable(path, "VOTable", names, meta, read)

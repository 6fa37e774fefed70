"""AAS machine-readable tables, and blank-separated text below a commented header. Small files, read at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.io import ascii as astropy_ascii
from astropy.table import MaskedColumn, Table

from catalog.errors import FormatError
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["open_commented_header", "open_mrt"]


def open_mrt(path: Path) -> RawTable:
    """Read a machine-readable table of the AAS journals: fixed width, byte-by-byte header.

    Raises
    ------
    FormatError
        Header or rows cannot be read.
    """
    return _open(path, "mrt", "AAS machine-readable table")


def open_commented_header(path: Path) -> RawTable:
    """Read blank-separated text whose names stand in a line that begins with ``#``; ``""`` is null.

    Raises
    ------
    FormatError
        Header or rows cannot be read.
    """
    return _open(path, "commented_header", "text with a commented header")


def _open(path: Path, astropy_format: str, form: str) -> RawTable:
    try:
        table = astropy_ascii.read(path, format=astropy_format, guess=False)
    except (astropy_ascii.InconsistentTableError, ValueError, IndexError, OSError) as error:
        raise FormatError(f"{path} cannot be read as {form}: {error}.", "Download the file again.") from error

    def read(names: Sequence[str]) -> Iterator[RawBlock]:
        if len(table):
            columns = {name: _column(table, name) for name in names}
            yield RawBlock(columns, np.arange(1, len(table) + 1, dtype=np.int64))

    return RawTable(path, form, tuple(table.colnames), {}, read)


def _column(table: Table, name: str) -> np.ndarray:
    column = table[name]
    if isinstance(column, MaskedColumn):
        return np.ma.MaskedArray(column.data.data, mask=column.mask)
    return np.asarray(column)

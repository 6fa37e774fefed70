"""ASCII tables: AAS machine-readable, CDS fixed-width, and blank-separated text below a commented header.

The CDS describes its ``.dat`` files in a ``ReadMe`` beside them; they are read in blocks, the others at once.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.io import ascii as astropy_ascii
from astropy.table import MaskedColumn, Table

from catalog.errors import FormatError
from catalog.surveys.formats.text import read_stream
from catalog.surveys.tables import RawBlock, RawTable

__all__ = ["README", "is_fixed_width", "open_cds", "open_commented_header", "open_mrt"]

README = "ReadMe"
"""Name of the file in which the CDS describes the tables of a catalogue."""


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


def is_fixed_width(path: Path) -> bool:
    """Tell whether a file is a fixed-width table of the CDS: only its name says so."""
    return path.name.removesuffix(".gz").endswith(".dat")


def open_cds(path: Path) -> RawTable:
    """Read the columns of a fixed-width table from the ``ReadMe`` beside it.

    Raises
    ------
    FormatError
        There is no ``ReadMe``, or it does not describe the file.
    """
    form = "fixed-width CDS table"
    readme = path.with_name(README)
    if not readme.is_file():
        raise FormatError(
            f"{path} is a {form}, and no {README} beside it says where its columns are.",
            f"Put the catalogue's {README} into the same folder, or give the table as FITS, VOTable or CSV.",
        )
    reader = astropy_ascii.Cds(str(readme))
    reader.data.table_name = path.name
    try:
        with warnings.catch_warnings():
            # Units that astropy does not know are no concern here.
            warnings.simplefilter("ignore")
            reader.header.get_cols([])
    except (astropy_ascii.InconsistentTableError, ValueError) as error:
        raise FormatError(f"{readme} does not describe {path}: {error}.", "Is it of another catalogue?") from error
    places = {column.name: (column.start, column.end) for column in reader.header.cols}
    nulls: dict[str, list[bytes]] = {}
    # Entries for all columns name none.
    for value, _, *columns_here in reader.data.fill_values:
        for name in columns_here:
            nulls.setdefault(name, []).append(value.encode())

    def read(names: Sequence[str]) -> Iterator[RawBlock]:
        n_before = 0
        for lines, fraction in _lines(path):
            table = np.array(lines, dtype=f"S{max(end for _, end in places.values())}")
            numbers = np.arange(n_before + 1, n_before + len(lines) + 1, dtype=np.int64)
            n_before += len(lines)
            columns = {name: _slice(table, *places[name], nulls.get(name, [])) for name in names}
            yield RawBlock(columns, numbers, fraction=fraction)

    return RawTable(path, form, tuple(places), {}, read)


def _lines(path: Path) -> Iterator[tuple[list[bytes], float]]:
    """Yield lines that are not blank, many at a time, and the part of the file read so far."""
    size = max(path.stat().st_size, 1)
    rest, done = b"", 0
    for data in read_stream(path):
        if not data.isascii():
            raise FormatError(f"{path} holds bytes that are no ASCII.", "Download the file again.")
        done += len(data)
        *lines, rest = (rest + data).split(b"\n")
        if lines := [line for line in lines if line.strip()]:
            yield lines, min(done / size, 1.0)
    if rest.strip():
        yield [rest], 1.0


def _slice(table: np.ndarray, start: int, end: int, nulls: list[bytes]) -> np.ndarray:
    letters = table.view(np.uint8).reshape(len(table), -1)[:, start:end]
    cells = np.char.strip(np.ascontiguousarray(letters).view(f"S{end - start}").ravel())
    return np.ma.MaskedArray(cells, mask=np.isin(cells, nulls)) if nulls else cells


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

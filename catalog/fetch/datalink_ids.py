"""Whose products a download holds: identifiers in tables, and in the members of an archive.

INDIVIDUAL archives have a file a source, whose name ends in the identifier (seen in real downloads); RAW and COMBINED
ones a file for all sources (from the archive's documentation), with a column ``source_id``, or tables with it as PARAM.
"""

import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from catalog.errors import FormatError
from catalog.surveys import convert
from catalog.surveys.formats import ZipArchive, open_tables
from catalog.surveys.tables import RawTable

__all__ = ["check_archive", "delivered_ids", "source_ids_of"]

_NAMED = re.compile(r".*\D(\d{4,19})\.\w+(?:\.gz)?", re.S)
_KEYWORD = "SOURCEID"
"""Of FITS products with a file a source."""


def source_ids_of(table: RawTable, key: str = "source_id") -> list[int]:
    """Return the identifiers in a table: of its column, else of its metadata.

    Parameters
    ----------
    table : RawTable
    key : str
        Name of the column, in any case.

    Raises
    ------
    FormatError
        It has none, or one that is no number.
    """
    name = next((each for each in table.names if each.lower() == key.lower()), None)
    if name is None:
        words = (key.lower(), _KEYWORD.lower())
        value = next((each for word, each in table.meta.items() if word.lower() in words), None)
        if value is None or not re.fullmatch(r"\d+", str(value)):
            raise FormatError(f"{table.path} ({table.form}) does not say whose it is.", f"It lacks {key}.")
        return [int(value)]
    ids: list[int] = []
    for block in table.blocks([name]):
        values, bad = convert.to_ints(block.columns[name], 64)
        wrong = bad | np.ma.getmaskarray(values)
        if wrong.any():
            row = int(block.row_number[wrong][0])
            raise FormatError(f"{table.path}, row {row}: {name} is no identifier.", "Download the file again.")
        ids += np.ma.getdata(values).tolist()
    return ids


def check_archive(file: Path) -> int:
    """Read a zip archive to its end and return its number of members.

    Raises
    ------
    FormatError
        It is no archive, is cut short, or a member's checksum is wrong.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if (damaged := archive.testzip()) is not None:
                raise FormatError(f"{file}: the checksum of its member {damaged!r} is wrong.", "Download it again.")
            return len(archive.infolist())
    # Damaged headers look like encryption (RuntimeError) or unknown compression (NotImplementedError).
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{file} is a truncated or damaged archive: {error}.", "Download it again.") from error


def delivered_ids(file: Path, data_structure: str) -> np.ndarray:
    """Return the identifiers whose products an archive holds: int64, sorted, each once.

    Parameters
    ----------
    file : Path
        Checked with `check_archive`, and not empty.
    data_structure : str
        ``INDIVIDUAL``: names of members are believed, if each has an identifier. Others are read.

    Raises
    ------
    FormatError
        A member is of no known format, or does not say whose it is.
    """
    archive = ZipArchive(file, open_tables)
    named = [_NAMED.fullmatch(member) for member in archive.members]
    if data_structure.upper() == "INDIVIDUAL" and all(named):
        return np.unique(np.array([int(match[1]) for match in named if match], dtype=np.int64))
    ids: list[int] = []
    for part in archive.parts(lambda _: True):
        with part.open() as tables:
            for table in tables:
                ids += source_ids_of(table)
    return np.unique(np.array(ids, dtype=np.int64))

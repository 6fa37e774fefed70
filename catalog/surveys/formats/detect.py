"""Which format a file has, told from its first bytes; a name counts only where nothing else can tell (``.dat``)."""

import gzip
import zlib
from pathlib import Path

from catalog.errors import FormatError
from catalog.surveys.formats import ascii_tables, fits_tables, parquet_tables, text, votable_tables, zip_archives
from catalog.surveys.formats.zip_archives import ZipArchive
from catalog.surveys.tables import RawTable

__all__ = ["open_file", "open_tables"]

_GZIP = b"\x1f\x8b"
_HEAD = 1 << 16


def open_file(path: Path) -> list[RawTable] | ZipArchive:
    """Return the tables of a file, or a zip archive whose members hold tables.

    Raises
    ------
    FormatError
        The file is missing, empty, damaged or of no known format.
    """
    if _head(path).startswith(zip_archives.MAGIC):
        return ZipArchive(path, open_tables)
    return open_tables(path)


def open_tables(path: Path) -> list[RawTable]:
    """Return the tables of a file; their rows are read only when asked for.

    Parameters
    ----------
    path : Path
        CSV or ECSV, plain or gzip; FITS; VOTable; Parquet; AAS machine-readable table; ASCII with a commented
        header; fixed-width CDS table beside its ReadMe.

    Returns
    -------
    list of RawTable
        At least one.

    Raises
    ------
    FormatError
        The file is missing, empty, damaged or of no known format.
    """
    head = _head(path)
    if head.startswith(b"SIMPLE  ="):
        return fits_tables.open_fits(path)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<?xml", b"<VOTABLE")):
        return votable_tables.open_votable(path)
    if head.startswith(parquet_tables.MAGIC):
        return [parquet_tables.open_parquet(path)]
    if head.startswith(zip_archives.MAGIC):
        raise FormatError(f"{path} is an archive inside an archive.", "Unpack the outer one.")
    if b"Byte-by-byte Description" in head:
        return [ascii_tables.open_mrt(path)]
    if _has_commented_header(head):
        return [ascii_tables.open_commented_header(path)]
    if ascii_tables.is_fixed_width(path):
        return [ascii_tables.open_cds(path)]
    return [text.open_text(path)]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == _GZIP:
            with gzip.open(path, "rb") as file:
                head = file.read(_HEAD)
        else:
            with path.open("rb") as file:
                head = file.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        # A gzip file cut within its first block ends here.
        raise FormatError(f"{path} cannot be read: {error}.", "Download the file again.") from error
    if not head.strip():
        raise FormatError(f"{path} is empty.", "Download the file again.")
    return head


def _has_commented_header(head: bytes) -> bool:
    """Tell whether the names stand in a ``#`` line and the rows are separated by blanks."""
    if not head.startswith(b"#") or head.startswith(b"# %ECSV"):
        return False
    rows = [line for line in head.splitlines() if line.strip() and not line.startswith(b"#")]
    return bool(rows) and b"," not in rows[0]

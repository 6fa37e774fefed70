"""Binary and ASCII tables in FITS files.

Files saved by TOPCAT ("fits-plus") hold a byte image in their first HDU, so tables are looked for by
their kind; EXTNAME is arbitrary. Keywords of DataLink products occur more than once and are all strings.

Rows of plain numbers, text and booleans are read from the file in blocks, and only the columns that are asked
for are kept: astropy maps the whole file and copies every column of a table when it lets it go. It still reads
arrays of varying length, scaled columns, ASCII tables and compressed files.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from catalog.errors import FormatError
from catalog.surveys.tables import IMAGE, RawBlock, RawTable

__all__ = ["BLOCK_ROWS", "open_fits"]

BLOCK_ROWS = 4096

_GZIP = b"\x1f\x8b"

# Codes of TFORM: text, numbers and booleans.
_PLAIN = frozenset("ABIJKEDL")

_TABLES = (fits.BinTableHDU, fits.TableHDU)


def open_fits(path: Path) -> list[RawTable]:
    """Return the tables of a FITS file, in order; a file without any gives one of the form `IMAGE`.

    Raises
    ------
    FormatError
        The file is truncated or damaged.
    """
    tables = []
    shapes = []
    with _reading(path), fits.open(path, memmap=True) as hdus:
        for index, hdu in enumerate(hdus):
            if isinstance(hdu, _TABLES):
                names = tuple(hdu.columns.names)
                meta = {key: hdu.header[key] for key in hdu.header if key and key not in ("COMMENT", "HISTORY")}
                tables.append(RawTable(path, "FITS", names, meta, _reader(path, index)))
            elif hdu.header.get("NAXIS"):
                shapes.append(" x ".join(map(str, hdu.shape)))
    if not tables:
        tables.append(RawTable(path, IMAGE, (), {"shape": ", ".join(shapes) or "no data"}, _reader(path, 0)))
    return tables


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever astropy finds wrong with the file into a `FormatError`."""
    with warnings.catch_warnings():
        # Column names such as [Fe/H], units and nulls of VizieR are no concern here; a truncated file is.
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="File may have been truncated.*", category=AstropyUserWarning)
        try:
            yield
        except (OSError, EOFError, ValueError, IndexError, TypeError, AstropyUserWarning, fits.VerifyError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                f"{path} is a truncated or damaged FITS file: {error}.", "Download the file again."
            ) from error


def _reader(path: Path, index: int) -> Callable[[Sequence[str]], Iterator[RawBlock]]:
    def read(names: Sequence[str]) -> Iterator[RawBlock]:
        with _reading(path):
            # Else astropy decodes whole columns of text.
            hdus = fits.open(path, memmap=True, character_as_bytes=True)
        with hdus:
            with _reading(path):
                hdu = hdus[index]
                # By index: two names may differ by case only, which astropy does not tell apart.
                chosen = {name: hdu.columns[hdu.columns.names.index(name)] for name in names}
                n_rows = hdu.header["NAXIS2"]
                is_plain = not _is_compressed(path) and all(_is_plain(column) for column in chosen.values())
                rows = _plain_rows(path, hdu) if is_plain else _converted_rows(hdu)
            for start in range(0, n_rows, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, n_rows)
                with _reading(path):
                    values = rows(start, stop, list(names))
                    columns = {name: _column(column, values[name]) for name, column in chosen.items()}
                yield RawBlock(columns, np.arange(start + 1, stop + 1, dtype=np.int64), fraction=stop / n_rows)

    return read


_Rows = Callable[[int, int, list[str]], dict[str, np.ndarray]]


def _plain_rows(path: Path, hdu: Any) -> _Rows:
    record = hdu.columns.dtype.newbyteorder(">")
    first = hdu.fileinfo()["datLoc"]

    def rows(start: int, stop: int, names: list[str]) -> dict[str, np.ndarray]:
        table = np.fromfile(path, dtype=record, count=stop - start, offset=first + start * record.itemsize)
        if len(table) < stop - start:
            raise EOFError(f"it ends within row {start + len(table) + 1}")
        # Copies: a view of one column would hold all of them.
        return {name: table[name].copy() for name in names}

    return rows


def _converted_rows(hdu: Any) -> _Rows:
    places = {name: i for i, name in reversed(list(enumerate(hdu.columns.names)))}

    def rows(start: int, stop: int, names: list[str]) -> dict[str, np.ndarray]:
        # Cut first, so that only these rows are converted.
        table = hdu.data[start:stop]
        return {name: np.array(table.field(places[name])) for name in names}

    return rows


def _column(column: fits.Column, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if _code(column) == "L" and values.dtype == np.int8:
        return np.ma.MaskedArray(values == ord("T"), mask=values == 0)
    if column.null is not None and values.dtype.kind in "iu":
        return np.ma.MaskedArray(values, mask=values == int(column.null))
    return values


def _is_plain(column: fits.Column) -> bool:
    is_scaled = column.bscale not in ("", None, 1) or column.bzero not in ("", None, 0)
    return _code(column) in _PLAIN and not is_scaled


def _code(column: fits.Column) -> str:
    # "27E" is 27 numbers; ASCII tables have the letter first, "E15.7".
    digits = str(column.format)
    code = digits.lstrip("0123456789")
    return code[:1] if len(code) == 1 else ""


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP

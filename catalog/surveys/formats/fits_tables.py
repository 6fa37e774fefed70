"""Binary and ASCII tables in FITS files.

Files saved by TOPCAT ("fits-plus") hold a byte image in their first HDU, so tables are looked for by
their kind; EXTNAME is arbitrary. Keywords of DataLink products occur more than once and are all strings.
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
            hdus = fits.open(path, memmap=True)
        with hdus:
            with _reading(path):
                n_rows = len(hdus[index].data)
            for start in range(0, n_rows, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, n_rows)
                with _reading(path):
                    columns = {name: _column(hdus[index], name, start, stop) for name in names}
                yield RawBlock(columns, np.arange(start + 1, stop + 1, dtype=np.int64), fraction=stop / n_rows)

    return read


def _column(hdu: Any, name: str, start: int, stop: int) -> np.ndarray:
    # By index: two names may differ by case only, which astropy does not tell apart.
    index = hdu.columns.names.index(name)
    values = np.asarray(hdu.data.field(index)[start:stop])
    null = hdu.columns[index].null
    if null is not None and values.dtype.kind in "iu":
        return np.ma.MaskedArray(values, mask=values == int(null))
    return values

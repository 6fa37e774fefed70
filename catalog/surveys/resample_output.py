"""A FITS table of spectra that grows while it is written, one row a star."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from astropy.io import fits

__all__ = ["SpectrumTable"]

_BLOCK = 2880
_NULL = -32768


class SpectrumTable:
    """Columns of DataLink RAW: source_id, counters, flux and flux_error as arrays.

    The file gets its name when the context ends without an error; its number of rows is written last.

    Parameters
    ----------
    path : Path
    n_pixels : int
        Length of the arrays.
    counters : sequence of str
        Names of the columns with small whole numbers.
    cards : iterable of (str, object, str)
        Keyword, value and comment of further header cards.
    """

    def __init__(
        self, path: Path, n_pixels: int, counters: Sequence[str], cards: Iterable[tuple[str, object, str]]
    ) -> None:
        self.n_rows = 0
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._table = fits.BinTableHDU.from_columns(
            [
                fits.Column("source_id", "K"),
                *(fits.Column(name, "I", null=_NULL) for name in counters),
                fits.Column("flux", f"{n_pixels}E"),
                fits.Column("flux_error", f"{n_pixels}E"),
            ],
            nrows=0,
        )
        for keyword, value, comment in cards:
            self._table.header[keyword] = (value, comment)
        self._dtype = self._table.columns.dtype.newbyteorder(">")

    def __enter__(self) -> "SpectrumTable":
        self._file = self._part.open("wb")
        self._file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        self._start = self._file.tell()
        self._write_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._file.close()
            self._part.unlink()
            return
        self._file.write(b"\0" * (-self._file.tell() % _BLOCK))
        self._file.seek(self._start)
        self._write_header()
        self._file.close()
        self._part.replace(self._path)

    def write(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append rows.

        Parameters
        ----------
        columns : mapping of str to numpy.ndarray
            All columns, each with one row a star; masked where a counter is missing.
        """
        rows = np.empty(len(columns["source_id"]), dtype=self._dtype)
        for name in self._dtype.names or ():
            rows[name] = np.ma.filled(columns[name], _NULL)
        self._file.write(rows.tobytes())
        self.n_rows += len(rows)

    def _write_header(self) -> None:
        header = self._table.header.copy()
        header["NAXIS2"] = self.n_rows
        self._file.write(header.tostring().encode("ascii"))

"""FITS binary table, written block by block."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.layout import Facts, row_type

__all__ = ["FitsWriter"]

_FORMATS = {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}


class FitsWriter:
    """Writes one binary table with TUNIT, TUCD and TCOMM of every column.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
        Its number of rows goes into the header before the rows come.
    """

    extension = "fits"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        self._type = rows.newbyteorder(">")
        self._stream = fits.StreamingHDU(path, _header(info, facts, rows))

    def write(self, rows: np.ndarray) -> None:
        """Append rows."""
        # StreamingHDU checks against BITPIX, which is that of bytes for tables.
        self._stream.write(rows.astype(self._type).view(np.uint8))

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


def _header(info: TableInfo, facts: Facts, rows: np.dtype) -> fits.Header:
    columns = [
        fits.Column(name=column.name, format=_format(rows[column.name]), unit=_unit(column.unit))
        for column in info.columns
    ]
    header = fits.BinTableHDU.from_columns(columns, nrows=0, name=info.name).header
    header["NAXIS2"] = facts.n_rows
    for i, column in enumerate(info.columns, start=1):
        header.set(f"TUCD{i}", column.ucd, after=f"TUNIT{i}" if column.unit else f"TFORM{i}")
        header.set(f"TCOMM{i}", column.description, after=f"TUCD{i}")
    header["TITLE"] = facts.title
    header["CATVERS"] = (facts.version, "version of the catalogue")
    header["RUN_ID"] = (facts.run_id, "production run")
    header["CONTENT"] = facts.sha256
    header["DATE"] = (facts.published_at, "when it was published")
    header["CREATOR"] = facts.software
    header["REFERENC"] = facts.reference
    # Text that people wrote; headers hold printable ASCII.
    header["VALIDAT"] = "".join(c if " " <= c <= "~" else "?" for c in facts.validation)
    return header


def _format(kind: np.dtype) -> str:
    return f"{kind.itemsize}A" if kind.kind == "S" else _FORMATS[kind.str[1:]]


def _unit(unit: str | None) -> str | None:
    # FITS has no quoted units: what VOUnits writes as 'dex' is dex here.
    return unit.strip("'") if unit else None

"""Writes survey tables as FITS files with the columns of the official ones."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

__all__ = ["NULL_INTEGER", "binary_table", "write_fits"]

NULL_INTEGER = -9223372036854775808
"""What catalogues write for a missing 64-bit integer."""

_KINDS = {"D": "f8", "E": "f4", "K": "i8", "J": "i4", "I": "i2", "A": "S"}


def binary_table(
    columns: Sequence[tuple[str, str, str]],
    values: Mapping[str, object],
    length: int,
    name: str = "",
    nulls: Mapping[str, int] | None = None,
) -> fits.BinTableHDU:
    """Make a table; columns without values are NaN, null or blank.

    Parameters
    ----------
    columns : sequence of (str, str, str)
        Name, TFORM and unit of each column, in order.
    values : mapping of str to array_like
        Values by column name.
    length : int
        Number of rows.
    name : str
        EXTNAME.
    nulls : mapping of str to int, optional
        TNULL of integer columns.

    Returns
    -------
    astropy.io.fits.BinTableHDU

    Raises
    ------
    KeyError
        `values` names a column that the table does not have.
    """
    nulls = nulls or {}
    known = {column for column, _, _ in columns}
    if unknown := set(values) - known:
        raise KeyError(f"The table has no column {', '.join(sorted(unknown))}.")
    made = []
    for column, tform, unit in columns:
        match = re.fullmatch(r"(\d*)([DEKJIA])", tform)
        assert match is not None
        repeat, kind = int(match[1] or 1), match[2]
        if column in values:
            data = values[column]
        elif kind == "A":
            data = ""
        elif kind in "DE":
            data = np.nan
        else:
            data = nulls.get(column, 0)
        shape = (length,) if repeat == 1 or kind == "A" else (length, repeat)
        dtype = f"S{repeat}" if kind == "A" else _KINDS[kind]
        filled = np.broadcast_to(np.asarray(data, dtype=dtype), shape)
        made.append(fits.Column(column, tform, unit or None, array=filled, null=nulls.get(column)))
    table = fits.BinTableHDU.from_columns(made, nrows=length)
    if name:
        table.header["EXTNAME"] = name  # the constructor would write it in capitals
    return table


def write_fits(path: Path, extensions: Sequence[fits.hdu.base.ExtensionHDU], primary: bytes = b"") -> None:
    """Write a FITS file whose bytes follow from its content alone: no date, no checksum.

    Parameters
    ----------
    path : Path
    extensions : sequence of HDU
    primary : bytes
        Data of the primary HDU, as some table editors put a header of their own there.
    """
    head = fits.PrimaryHDU(np.frombuffer(primary, dtype=np.uint8) if primary else None)
    fits.HDUList([head, *extensions]).writeto(path)

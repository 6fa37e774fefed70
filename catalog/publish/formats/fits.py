"""FITS binary table behind a VOTable that describes it: FITS-plus, which TOPCAT reads with all metadata.

The primary HDU holds the VOTable as bytes and says ``VOTMETA = T``; other readers skip it and find an ordinary table
with TUNIT, TNULL, TUCD and TCOMM.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from astropy.io import fits

from catalog.metadata.columns import TableInfo
from catalog.publish.formats.layout import Facts, Nulls, fits_unit, plain_rows, refuse, row_type
from catalog.publish.formats.votable import votable_header

__all__ = ["FitsWriter"]

_FORMATS = {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
_BLOCK = 2880


class FitsWriter:
    """Writes one binary table; null is TNULL in whole numbers, NaN in others, blank in text.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
        Its number of rows goes into the header before the rows come.
    """

    extension: ClassVar[str] = "fits"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        self._type = rows.newbyteorder(">")
        self._nullable = [column.name for column in info.columns if column.nullable]
        self._n_bytes = 0
        self._file = path.open("wb")
        self._file.write(_primary(info, facts))
        self._file.write(_header(info, facts, rows).tostring().encode("ascii"))

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows.

        Raises
        ------
        DatabaseError
            A NaN that is not null, or a text that is not plain: it would come back as something else.
        """
        nulls = nulls or {}
        records = plain_rows(rows, nulls, self._type, "FITS")
        for name in self._nullable:
            null = nulls.get(name)
            if records[name].dtype.kind == "f":
                bad = np.isnan(rows[name])
                refuse(rows, bad if null is None else bad & ~null, name, "FITS")
            elif records[name].dtype.kind == "i":
                filler = np.iinfo(rows[name].dtype).min
                refuse(rows, rows[name] == filler, name, "FITS")
                if null is not None:
                    records[name][null] = filler
        data = records.tobytes()
        self._n_bytes += len(data)
        self._file.write(data)

    def close(self) -> None:
        """Finish the file."""
        if not self._file.closed:
            self._file.write(bytes(-self._n_bytes % _BLOCK))
            self._file.close()


def _primary(info: TableInfo, facts: Facts) -> bytes:
    text = votable_header(info, facts, fits_extension=1).encode("utf-8")
    header = fits.Header()
    # The first five cards in this order are how readers know it.
    header["SIMPLE"] = (True, "FITS")
    header["BITPIX"] = (8, "bytes of a VOTable")
    header["NAXIS"] = 1
    header["NAXIS1"] = len(text)
    header["VOTMETA"] = (True, "metadata in VOTable format")
    header["NTABLE"] = (1, "tables that follow")
    header["EXTEND"] = True
    header["COMMENT"] = "The table is in the first extension. The VOTable here describes it for"
    header["COMMENT"] = "readers of FITS-plus, such as TOPCAT."
    return header.tostring().encode("ascii") + text + bytes(-len(text) % _BLOCK)


def _header(info: TableInfo, facts: Facts, rows: np.dtype) -> fits.Header:
    columns = [
        fits.Column(
            name=column.name,
            format=_format(rows[column.name]),
            unit=fits_unit(column.unit),
            null=np.iinfo(rows[column.name]).min if column.nullable and rows[column.name].kind == "i" else None,
        )
        for column in info.columns
    ]
    header = fits.BinTableHDU.from_columns(columns, nrows=0, name=info.name).header
    header["NAXIS2"] = facts.n_rows
    for i, column in enumerate(info.columns, start=1):
        last = next(key for key in (f"TNULL{i}", f"TUNIT{i}", f"TFORM{i}") if key in header)
        header.set(f"TUCD{i}", column.ucd, after=last)
        header.set(f"TCOMM{i}", column.description, after=f"TUCD{i}")
    header["TITLE"] = _ascii(facts.title)
    header["AUTHOR"] = _ascii(facts.author)
    for key, value, words in (
        ("PUBLISHR", facts.publisher, "publisher"),
        ("CITATION", facts.citation, "by which it is cited"),
        ("RIGHTS", facts.rights, "licence"),
    ):
        if value:
            header[key] = (_ascii(value), words)
    header["CATVERS"] = (facts.version, "version of the catalogue")
    header["RUN_ID"] = (facts.run_id, "production run")
    header["CONTENT"] = facts.sha256
    header["DATE"] = (facts.published_at, "when it was published")
    header["CREATOR"] = facts.software
    header["REFERENC"] = facts.reference
    header["VALIDAT"] = _ascii(facts.validation)
    return header


def _ascii(text: str) -> str:
    # Text that people wrote; headers hold printable ASCII.
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _format(kind: np.dtype) -> str:
    return f"{kind.itemsize}A" if kind.kind == "S" else _FORMATS[kind.str[1:]]

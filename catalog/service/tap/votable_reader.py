"""Reads tables that strangers upload: VOTable with TABLEDATA, BINARY or BINARY2 inside, numbers and text.

Nothing is fetched, no entity is expanded, and nothing is believed of what the document says of its own size.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

# defusedxml publishes no types.
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]

from catalog.service.tap.errors import ServiceError

__all__ = ["UploadedColumn", "UploadedTable", "read_votable"]

_NUMBERS = {
    "unsignedByte": "B",
    "short": "h",
    "int": "i",
    "long": "q",
    "float": "f",
    "double": "d",
}
_TEXTS = {"char": 1, "unicodeChar": 2}
_TRUE, _FALSE = {"t", "true", "1"}, {"f", "false", "0"}
_MAX_DEPTH = 40


@dataclass(frozen=True)
class UploadedColumn:
    """One FIELD."""

    name: str
    datatype: str
    arraysize: str | None
    unit: str | None
    ucd: str | None
    description: str | None
    null: str | None = None
    """What stands for null, as VALUES tells."""
    xtype: str | None = None


@dataclass
class UploadedTable:
    """The first table of a document."""

    columns: list[UploadedColumn] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """Values: int, float, str, bool or None."""


def read_votable(stream: BinaryIO, name: str, max_rows: int, max_columns: int) -> UploadedTable:
    """Read the first table of a VOTable.

    Parameters
    ----------
    stream : binary file
    name : str
        What messages call it.
    max_rows, max_columns : int

    Returns
    -------
    UploadedTable

    Raises
    ------
    ServiceError
        It is no VOTable, refers to what lies elsewhere, holds what cannot be taken, or is too large.
    """
    try:
        return _Reader(name, max_rows, max_columns).read(stream)
    except DefusedXmlException as error:
        raise _refusal(name, "declares a document type or entities, which is not allowed") from error
    except (ParseError, UnicodeDecodeError, LookupError) as error:
        raise _refusal(name, f"is not well-formed XML ({error})") from error
    except (ValueError, OverflowError, struct.error, binascii.Error) as error:
        if isinstance(error, ServiceError):
            raise
        raise _refusal(name, f"holds a value that does not fit its FIELD ({str(error)[:100]})") from error


def _refusal(name: str, why: str) -> ServiceError:
    return ServiceError(
        f"The uploaded table {name} {why}.",
        "Upload a VOTable with numbers and text in TABLEDATA, BINARY or BINARY2 (base64).",
    )


class _Reader:
    def __init__(self, name: str, max_rows: int, max_columns: int) -> None:
        self._name = name
        self._max_rows = max_rows
        self._max_columns = max_columns
        self._table = UploadedTable()
        self._null: str | None = None
        self._description: str | None = None

    def read(self, stream: BinaryIO) -> UploadedTable:
        path: list[str] = []
        parents: list[Element] = []
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            tag = str(element.tag).rpartition("}")[2]
            if event == "start":
                path.append(tag)
                parents.append(element)
                if len(path) > _MAX_DEPTH:
                    raise _refusal(self._name, "is nested too deeply")
                if len(path) == 1 and tag != "VOTABLE":
                    raise _refusal(self._name, f"is no VOTable: it begins with {tag[:50]}")
                if tag in ("STREAM", "FITS") and (tag == "FITS" or element.get("href")):
                    raise _refusal(self._name, "keeps its rows elsewhere or as FITS")
                continue
            self._element(tag, path[-2] if len(path) > 1 else "", element)
            if tag == "TABLE":
                break
            path.pop()
            parents.pop()
            # What has been read is of no more use; parts of a row are needed until it ends.
            if tag not in ("TD", "VALUES", "DESCRIPTION") and parents:
                parents[-1].remove(element)
        if not self._table.columns:
            raise _refusal(self._name, "has no columns")
        return self._table

    def _element(self, tag: str, parent: str, element: Element) -> None:
        if tag == "FIELD":
            self._field(element)
        elif tag == "TR":
            self._row(element)
        elif tag == "STREAM":
            if (element.get("encoding") or "").lower() != "base64":
                raise _refusal(self._name, "has a STREAM that is not base64")
            data = base64.b64decode("".join((element.text or "").split()), validate=True)
            for row in self._binary(data, parent == "BINARY2"):
                self._append(row)

    def _field(self, element: Element) -> None:
        values = next((child for child in element if str(child.tag).endswith("VALUES")), None)
        about = next((child for child in element if str(child.tag).endswith("DESCRIPTION")), None)
        datatype, arraysize = element.get("datatype") or "", element.get("arraysize")
        name = (element.get("name") or element.get("ID") or "").strip()
        if not name or len(name.encode()) > 63 or not name.isprintable():
            raise _refusal(self._name, f"has a column without a usable name ({name[:80]!r})")
        if datatype not in _NUMBERS and datatype not in _TEXTS and datatype != "boolean":
            raise _refusal(self._name, f"has a column {name} of the type {datatype[:50]!r}")
        if arraysize not in (None, "", "1") and datatype not in _TEXTS:
            raise _refusal(self._name, f"has a column {name} of arrays")
        if arraysize and datatype in _TEXTS and not re.fullmatch(r"[0-9]{1,9}\*?|\*", arraysize, re.ASCII):
            raise _refusal(self._name, f"has a column {name} with the arraysize {arraysize[:50]!r}")
        if len(self._table.columns) >= self._max_columns:
            raise _refusal(self._name, f"has more than {self._max_columns} columns")
        self._table.columns.append(
            UploadedColumn(
                name,
                datatype,
                arraysize or None,
                _short(element.get("unit")),
                _short(element.get("ucd")),
                _short(about.text if about is not None else None, 1000),
                values.get("null") if values is not None else None,
                _short(element.get("xtype")),
            )
        )

    def _row(self, element: Element) -> None:
        cells = [child.text or "" for child in element if str(child.tag).endswith("TD")]
        columns = self._table.columns
        if len(cells) != len(columns):
            raise _refusal(self._name, f"has a row of {len(cells)} values for {len(columns)} columns")
        self._append(tuple(_parse(cell, column) for cell, column in zip(cells, columns, strict=True)))

    def _append(self, row: tuple[Any, ...]) -> None:
        if len(self._table.rows) >= self._max_rows:
            raise _refusal(self._name, f"has more than {self._max_rows} rows")
        self._table.rows.append(row)

    def _binary(self, data: bytes, flagged: bool) -> Iterator[tuple[Any, ...]]:
        columns = self._table.columns
        n_flags = (len(columns) + 7) // 8 if flagged else 0
        position = 0
        if not columns:
            raise _refusal(self._name, "has rows before its columns")
        while position < len(data):
            flags = data[position : position + n_flags]
            position += n_flags
            row: list[Any] = []
            for i, column in enumerate(columns):
                value, position = _unpack(data, position, column)
                missing = flagged and flags[i // 8] & (0x80 >> i % 8)
                if not missing and column.null is not None and str(value) == column.null:
                    missing = 1
                row.append(None if missing else value)
            yield tuple(row)


def _short(text: str | None, length: int = 200) -> str | None:
    return text.strip()[:length] or None if text else None


def _parse(cell: str, column: UploadedColumn) -> Any:
    if column.datatype in _TEXTS:
        return _text(cell) or None
    text = cell.strip()
    if not text or text == column.null:
        return None
    if column.datatype == "boolean":
        return _boolean(text)
    if column.datatype in ("float", "double"):
        return float(text)
    number = int(text, 16) if text.lower().startswith("0x") else int(text)
    struct.pack(f">{_NUMBERS[column.datatype]}", number)  # is it in range?
    return number


def _unpack(data: bytes, position: int, column: UploadedColumn) -> tuple[Any, int]:
    if column.datatype in _NUMBERS:
        code = f">{_NUMBERS[column.datatype]}"
        return struct.unpack_from(code, data, position)[0], position + struct.calcsize(code)
    if column.datatype == "boolean":
        return _boolean(_slice(data, position, 1).decode("latin-1")), position + 1
    size = _TEXTS[column.datatype]
    arraysize = column.arraysize or "1"
    if arraysize.endswith("*"):
        (length,) = struct.unpack_from(">I", data, position)
        position += 4
    else:
        length = int(arraysize)
    raw = _slice(data, position, length * size)
    text = raw.decode("utf-8" if size == 1 else "utf-16-be")
    return _text(text.partition("\0")[0]) or None, position + length * size


def _slice(data: bytes, position: int, length: int) -> bytes:
    piece = data[position : position + length]
    if len(piece) != length:
        raise ValueError("the rows end in the middle of a value")
    return piece


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds NUL")
    return text


def _boolean(text: str) -> bool | None:
    plain = text.strip().lower()
    return True if plain in _TRUE else False if plain in _FALSE else None

"""What a downloaded VOTable says of itself: its status, its columns, and how many rows it really holds.

The file is read once, in pieces, whatever its size. Serialisations BINARY2, BINARY and TABLEDATA (VOTable 1.4,
section 5) are counted row by row; rare array shapes are left to astropy, which reads the whole file.
"""

import binascii
import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.parsers import expat

from astropy.io.votable import parse

from catalog.errors import FormatError

__all__ = ["VotableSummary", "summarise_votable"]

_PIECE = 1 << 20
_DAMAGED = "Download the file again."
# VOTable 1.4, section 2.1; bits are packed.
_SIZES = {
    "boolean": 1,
    "unsignedByte": 1,
    "short": 2,
    "int": 4,
    "long": 8,
    "char": 1,
    "unicodeChar": 2,
    "float": 4,
    "double": 8,
    "floatComplex": 8,
    "doubleComplex": 16,
}


@dataclass(frozen=True)
class VotableSummary:
    """A VOTable document in few words."""

    status: str
    """Last ``QUERY_STATUS``: ``OK``, ``OVERFLOW``, ``ERROR``, or nothing."""
    message: str
    """What the service says to it."""
    names: tuple[str, ...]
    """Columns of the first table."""
    n_rows: int
    """Rows of the first table."""


def summarise_votable(path: Path) -> VotableSummary:
    """Read a VOTable to its end.

    Parameters
    ----------
    path : Path
        Plain or gzip, whatever its name.

    Returns
    -------
    VotableSummary

    Raises
    ------
    FormatError
        The file is no VOTable, is cut short, or ends within a row.
    """
    document = _Document()
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file
            while piece := stream.read(_PIECE):
                document.parser.Parse(piece, False)
            document.parser.Parse(b"", True)
    except (expat.ExpatError, EOFError, OSError, binascii.Error, zlib.error, _RowError) as error:
        raise FormatError(f"{path} is a truncated or damaged VOTable: {error}.", _DAMAGED) from error
    if not document.is_votable:
        raise FormatError(f"{path} is no VOTable.", _DAMAGED)
    n_rows = _count_with_astropy(path) if document.is_unusual else document.n_rows
    return VotableSummary(document.status, document.message.strip(), tuple(document.names), n_rows)


def _count_with_astropy(path: Path) -> int:
    return len(parse(path, verify="ignore").get_first_table().array)


class _RowError(ValueError):
    """The bytes of a table do not end where a row ends."""


@dataclass
class _Rows:
    """Counts the rows in the bytes of BINARY or BINARY2: runs of fixed length, each followed by an array or the end."""

    runs: list[tuple[int, int]]
    """Bytes of fixed length, and bytes of one item of the array after them; 0 for no array."""
    n_rows: int = 0
    rest: bytes = b""

    def feed(self, data: bytes) -> None:
        data = self.rest + data
        end = len(data)
        done = at = 0
        if all(item == 0 for _, item in self.runs):
            width = max(1, sum(fixed for fixed, _ in self.runs))
            self.n_rows += end // width
            self.rest = data[end - end % width :]
            return
        while True:
            for fixed, item in self.runs:
                at += fixed
                if item:
                    if at + 4 > end:
                        break
                    n_items = struct.unpack_from(">i", data, at)[0]
                    if n_items < 0:
                        raise _RowError(f"row {self.n_rows + 1} holds an array of {n_items} items")
                    at += 4 + n_items * item
            else:
                if at <= end:
                    self.n_rows += 1
                    done = at
                    continue
            break
        self.rest = data[done:]

    def close(self) -> None:
        if self.rest:
            raise _RowError(f"its data end within row {self.n_rows + 1}")


@dataclass
class _Document:
    """Hears the document's elements."""

    status: str = ""
    message: str = ""
    names: list[str] = field(default_factory=list)
    n_rows: int = 0
    is_votable: bool = False
    is_unusual: bool = False
    """Whether the rows are left to astropy."""

    def __post_init__(self) -> None:
        self._lengths: list[tuple[int, bool] | None] = []
        self._n_tables = 0
        self._in_status = False
        self._is_binary2 = False
        self._rows: _Rows | None = None
        self._text: list[bytes] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = _PIECE
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _start(self, name: str, attributes: dict[str, Any]) -> None:
        name = name.rpartition(":")[2]
        if name == "VOTABLE":
            self.is_votable = True
        elif name == "INFO" and attributes.get("name", "").upper() == "QUERY_STATUS":
            self.status, self.message, self._in_status = attributes.get("value", "").upper(), "", True
        elif name == "TABLE":
            self._n_tables += 1
        elif self._n_tables != 1:
            return
        elif name == "FIELD":
            self.names.append(attributes.get("name", ""))
            self._lengths.append(_length(attributes))
        elif name == "TR":
            self.n_rows += 1
        elif name in ("BINARY", "BINARY2"):
            self._is_binary2 = name == "BINARY2"
        elif name == "STREAM" and "href" in attributes:
            raise _RowError("its data lie in another file")
        elif name == "STREAM" and attributes.get("encoding") == "base64" and None not in self._lengths:
            self._rows = _Rows(self._runs())
        elif name in ("STREAM", "FITS"):
            self.is_unusual = True

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == "INFO":
            self._in_status = False
        elif name == "STREAM" and self._rows is not None:
            self._decode(final=True)
            self._rows.close()
            self.n_rows, self._rows = self._rows.n_rows, None

    def _characters(self, text: str) -> None:
        if self._in_status:
            self.message += text
        elif self._rows is not None:
            self._text.append(text.encode())
            self._decode(final=False)

    def _decode(self, *, final: bool) -> None:
        assert self._rows is not None
        text = b"".join(self._text).translate(None, b" \t\r\n")
        # Four characters are three bytes: the odd ones wait.
        whole = len(text) if final else len(text) // 4 * 4
        self._text = [text[whole:]]
        self._rows.feed(binascii.a2b_base64(text[:whole]))

    def _runs(self) -> list[tuple[int, int]]:
        """Return the layout of a row: see `_Rows`."""
        # BINARY2 begins each row with one bit a column that marks nulls.
        fixed = (len(self._lengths) + 7) // 8 if self._is_binary2 else 0
        runs = []
        for length in self._lengths:
            assert length is not None
            size, is_variable = length
            if is_variable:
                runs.append((fixed, size))
                fixed = 0
            else:
                fixed += size
        return [*runs, (fixed, 0)]


def _length(attributes: dict[str, Any]) -> tuple[int, bool] | None:
    """Return the bytes of a column, or of one of its items and that it has any number; None for rare shapes."""
    kind = attributes.get("datatype", "")
    shape = attributes.get("arraysize") or "1"
    if re.fullmatch(r"\d+(x\d+)*", shape):
        n_items = math.prod(map(int, shape.split("x")))
        if kind == "bit":
            return (n_items + 7) // 8, False
        return (n_items * _SIZES[kind], False) if kind in _SIZES else None
    if re.fullmatch(r"\d*\*", shape) and kind in _SIZES:
        return _SIZES[kind], True
    return None

"""VOTable 1.4 with BINARY2 or TABLEDATA; overflow and late errors are told after the table (DALI 1.1, section 4.4)."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from catalog.publish.formats.votable_document import (
    Base64Lines,
    field_element,
    info_element,
    table_head,
    votable_head,
)
from catalog.service.answer import Block
from catalog.service.query import ResultColumn
from catalog.service.tap.writers.columns import NUMBERS, number_texts, width

__all__ = ["Binary2Answer", "TableDataAnswer"]

_BOOLEANS = {b"\x01": b"T", b"\x00": b"F", None: b"?"}

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{chr(code): "?" for code in range(32) if chr(code) not in "\t\n\r"}}
)

# Arrow's words for what is no number -> VOTable's.
_NOT_FINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


class _VOTableAnswer:
    opening = ""
    closing = ""

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._facts = facts

    def begin(self) -> bytes:
        """Return the head of the document."""
        infos = [info_element("QUERY_STATUS", "OK"), *(info_element(name, value) for name, value in self._facts)]
        head = votable_head(None, infos) + table_head(map(field_element, self._columns), {"name": "result"})
        return (head + self.opening).encode()

    def end(self, overflow: bool) -> Iterator[bytes]:
        """Yield the end of the document."""
        yield self._end([info_element("QUERY_STATUS", "OVERFLOW")] if overflow else [])

    def fail(self, message: str) -> bytes:
        """Return an end that tells of an error."""
        return self._end([info_element("QUERY_STATUS", "ERROR", message)])

    def _rest(self) -> bytes:
        return b""

    def _end(self, infos: list[str]) -> bytes:
        told = "".join(f"  {info}\n" for info in infos)
        return self._rest() + f"{self.closing}  </TABLE>\n{told} </RESOURCE>\n</VOTABLE>\n".encode()


class TableDataAnswer(_VOTableAnswer):
    """Numbers as text, one element a value."""

    opening = "   <DATA>\n    <TABLEDATA>\n"
    closing = "    </TABLEDATA>\n   </DATA>\n"

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        columns = [
            _cells(values, column) for values, column in zip(zip(*block, strict=True), self._columns, strict=True)
        ]
        rows = ("</TD><TD>".join(row) for row in zip(*columns, strict=True))
        return "".join(f"<TR><TD>{row}</TD></TR>\n" for row in rows).encode()


def _cells(values: tuple[bytes | None, ...], column: ResultColumn) -> list[str]:
    if column.datatype == "char":
        return ["" if value is None else value.decode().translate(_ESCAPES) for value in values]
    texts = number_texts(values, column)
    if column.datatype in ("float", "double"):
        return ["" if text is None else _NOT_FINITE.get(text, text) for text in texts]
    return ["" if text is None else text for text in texts]


class Binary2Answer(_VOTableAnswer):
    """Rows in binary, as lines of base64."""

    opening = '   <DATA>\n    <BINARY2>\n     <STREAM encoding="base64">\n'
    closing = "     </STREAM>\n    </BINARY2>\n   </DATA>\n"

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:
        super().__init__(columns, facts)
        self._lines = Base64Lines()

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        columns = list(zip(*block, strict=True))
        missing = np.zeros((len(block), len(columns)), dtype=bool)
        cells: list[Sequence[bytes]] = []
        for i, (values, column) in enumerate(zip(columns, self._columns, strict=True)):
            if None in values:
                missing[:, i] = [value is None for value in values]
            cells.append(_binary(values, column))
        # A row begins with one bit a column that says whether it is null.
        flags = np.packbits(missing, axis=1)
        size = flags.shape[1]
        every = flags.tobytes()
        starts = [every[i : i + size] for i in range(0, len(every), size)]
        return self._lines.encode(b"".join(chain.from_iterable(zip(starts, *cells, strict=True))))

    def _rest(self) -> bytes:
        return self._lines.finish()


def _binary(values: tuple[bytes | None, ...], column: ResultColumn) -> Sequence[bytes]:
    if column.datatype == "boolean":
        return [_BOOLEANS[value] for value in values]
    size = width(column)
    if column.datatype in NUMBERS:
        assert size is not None
        filler = (b"\x7f\xc0" if column.datatype == "float" else b"\x7f\xf8").ljust(size, b"\0")
        if column.datatype not in ("float", "double"):
            filler = bytes(size)
        if None not in values:
            # mypy does not take the test for a proof.
            return values  # type: ignore[return-value]
        return [filler if value is None else value for value in values]
    texts = [_ascii(value) for value in values]
    if size is not None:
        return [text[:size].ljust(size, b"\0") for text in texts]
    return [len(text).to_bytes(4, "big") + text for text in texts]


def _ascii(value: bytes | None) -> bytes:
    # What else char may hold is not agreed on between versions of VOTable, and readers fail on it.
    if value is None or value.isascii():
        return value or b""
    return value.decode().encode("ascii", "replace")

"""CSV (RFC 4180), TSV (IANA) and JSON."""

import io
import json
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import csv

from catalog.service.answer import Block
from catalog.service.query import ResultColumn
from catalog.service.tap.writers.columns import arrow_array, number_texts

__all__ = ["CsvAnswer", "JsonAnswer", "TsvAnswer"]

_NO_JSON = (None, "nan", "inf", "-inf")
_FRACTION = re.compile("[.e]")
_FORBIDDEN_IN_TSV = re.compile(r"[\t\r\n]+")


class CsvAnswer:
    """Comma-separated values below one line of names; null is nothing."""

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:  # noqa: ARG002  other formats use it
        self._columns = columns

    def begin(self) -> bytes:
        """Return the line of names."""
        return (",".join(_quoted(column.name) for column in self._columns) + "\n").encode()

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        arrays = [arrow_array(values, column) for values, column in _columns(block, self._columns)]
        # Numbered: names may come twice.
        batch = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
        buffer = io.BytesIO()
        csv.write_csv(batch, buffer, csv.WriteOptions(include_header=False, quoting_style="needed"))
        return buffer.getvalue()

    def end(self, overflow: bool) -> Iterator[bytes]:  # noqa: ARG002  other formats use it
        """Yield nothing: the format has no place for what is left to say."""
        yield from ()

    def fail(self, message: str) -> bytes | None:  # noqa: ARG002  other formats use it
        """Return None: an error can only be told by breaking off."""
        return None


class TsvAnswer(CsvAnswer):
    """Values between tabs; tabs and line ends inside of text become blanks."""

    def begin(self) -> bytes:
        """Return the line of names."""
        return ("\t".join(_FORBIDDEN_IN_TSV.sub(" ", column.name) for column in self._columns) + "\n").encode()

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        columns = [_tsv_cells(values, column) for values, column in _columns(block, self._columns)]
        return "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True)).encode()


class JsonAnswer:
    """One object: ``metadata`` of the columns, ``data`` as a list of rows, ``overflow``; what is no number is null."""

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:  # noqa: ARG002  other formats use it
        self._columns = columns
        self._comma = ""

    def begin(self) -> bytes:
        """Return the metadata."""
        metadata = [
            {
                "name": column.name,
                "datatype": column.datatype,
                "arraysize": column.arraysize,
                "unit": column.unit,
                "ucd": column.ucd,
                "description": column.description,
            }
            for column in self._columns
        ]
        return f'{{"metadata": {json.dumps(metadata, ensure_ascii=False)},\n"data": ['.encode()

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        columns = [_json_cells(values, column) for values, column in _columns(block, self._columns)]
        rows = ",\n".join(f"[{', '.join(row)}]" for row in zip(*columns, strict=True))
        comma, self._comma = self._comma, ",\n"
        return f"{comma}{rows}".encode()

    def end(self, overflow: bool) -> Iterator[bytes]:
        """Yield the end."""
        yield f'],\n"overflow": {json.dumps(overflow)}}}\n'.encode()

    def fail(self, message: str) -> bytes | None:
        """Return an end that tells of an error."""
        return f'],\n"overflow": true, "error": {json.dumps(message, ensure_ascii=False)}}}\n'.encode()


def _columns(block: Block, columns: Sequence[ResultColumn]) -> Iterator[tuple[tuple[bytes | None, ...], ResultColumn]]:
    return zip(zip(*block, strict=True), columns, strict=True)


def _quoted(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if re.search(r'[",\r\n]', name) else name


def _tsv_cells(values: tuple[bytes | None, ...], column: ResultColumn) -> list[str]:
    if column.datatype == "char":
        return [_FORBIDDEN_IN_TSV.sub(" ", (value or b"").decode()) for value in values]
    return [text or "" for text in number_texts(values, column)]


def _json_cells(values: tuple[bytes | None, ...], column: ResultColumn) -> list[str]:
    if column.datatype == "char":
        return ["null" if value is None else json.dumps(value.decode(), ensure_ascii=False) for value in values]
    texts = number_texts(values, column)
    if column.datatype not in ("float", "double"):
        return [text or "null" for text in texts]
    # JSON's whole numbers are whole numbers: 3 would be one, and -0 would lose its sign.
    return ["null" if text in _NO_JSON else text if _FRACTION.search(text) else f"{text}.0" for text in texts]

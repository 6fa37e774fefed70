"""Parquet with a VOTable header in its footer (IVOA note VOParquet 1.0), one row group a block."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.publish.formats.votable_document import field_element, info_element, table_head, votable_head
from catalog.service.answer import Block
from catalog.service.query import ResultColumn
from catalog.service.tap.writers.columns import arrow_array

__all__ = ["ParquetAnswer"]

_ARROW = {
    "boolean": pa.bool_(),
    "short": pa.int16(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}


class _Pipe:
    """A file that only gives away what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self._size += len(data)
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        self.closed = True


class ParquetAnswer:
    """Columns of Arrow's types; null is null."""

    def __init__(self, columns: Sequence[ResultColumn], facts: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._facts = facts
        self._pipe = _Pipe()
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> bytes:
        """Return nothing yet: the footer of an answer without rows tells more."""
        return b""

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`."""
        writer = self._open(self._known_lengths(None))
        arrays = [
            arrow_array(values, column) for values, column in zip(zip(*block, strict=True), self._columns, strict=True)
        ]
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=writer.schema))
        return self._pipe.take()

    def end(self, overflow: bool) -> Iterator[bytes]:
        """Yield the footer."""
        writer = self._open(self._known_lengths(1))
        writer.add_key_value_metadata({"overflow": str(overflow).lower()})
        writer.close()
        yield self._pipe.take()

    def fail(self, message: str) -> bytes | None:  # noqa: ARG002  other formats use it
        """Return None: a file without its footer cannot be read, and so tells of the error."""
        return None

    def _known_lengths(self, unknown: int | None) -> dict[str, str]:
        """Return what astropy asks for: without it, it measures every text before it reads."""
        lengths: dict[str, str] = {}
        for column in self._columns:
            size = (column.arraysize or "").rstrip("*")
            length = int(size) if size.isdigit() else unknown
            if column.datatype == "char" and length is not None:
                lengths[f"table::len::{column.name}"] = str(length)
        return lengths

    def _open(self, lengths: dict[str, str]) -> pq.ParquetWriter:
        if self._writer is None:
            infos = [info_element("QUERY_STATUS", "OK"), *(info_element(name, value) for name, value in self._facts)]
            head = votable_head(None, infos) + table_head(map(field_element, self._columns), {"name": "result"})
            footer = {
                "IVOA.VOTable-Parquet.version": "1.0",
                "IVOA.VOTable-Parquet.content": f"{head}  </TABLE>\n </RESOURCE>\n</VOTABLE>\n",
                **lengths,
            }
            schema = pa.schema([_field(column) for column in self._columns], metadata=footer)
            self._writer = pq.ParquetWriter(pa.PythonFile(self._pipe, mode="w"), schema, compression="zstd")
        return self._writer


def _field(column: ResultColumn) -> pa.Field:
    facts = {"description": column.description, "ucd": column.ucd, "unit": column.unit}
    metadata = {name: value for name, value in facts.items() if value}
    return pa.field(column.name, _ARROW.get(column.datatype, pa.string()), metadata=metadata)

"""Parquet with a VOTable header in its footer (IVOA note VOParquet 1.0)."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.metadata.columns import Column, TableInfo
from catalog.publish.formats.layout import Facts, Nulls, row_type
from catalog.publish.formats.votable import votable_header

__all__ = ["ParquetWriter", "arrow_batch", "arrow_schema"]


class ParquetWriter:
    """Writes one row group a block.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
    """

    extension: ClassVar[str] = "parquet"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        footer = {
            **facts.as_text(),
            # What astropy asks for, else it measures every text before it reads.
            **{f"table::len::{name}": str(rows[name].itemsize) for name in info.column_names if rows[name].kind == "S"},
        }
        self._schema = arrow_schema(info, votable_header(info, facts), footer)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows."""
        self._writer.write_batch(arrow_batch(rows, self._schema, nulls))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def arrow_schema(info: TableInfo, votable: str, footer: dict[str, str]) -> pa.Schema:
    """Return the columns of `info` with unit, UCD and description, and VOParquet's entries before those of `footer`."""
    rows = row_type(info)
    voparquet = {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": votable}
    return pa.schema([_field(column, rows[column.name]) for column in info.columns], metadata={**voparquet, **footer})


def arrow_batch(rows: np.ndarray, schema: pa.Schema, nulls: Nulls | None = None) -> pa.RecordBatch:
    """Return structured `rows` as an Arrow batch; fixed-width text becomes strings."""
    nulls = nulls or {}
    arrays = []
    for field in schema:
        values, null = rows[field.name], nulls.get(field.name)
        if pa.types.is_string(field.type):
            arrays.append(_strings(values, null))
        else:
            arrays.append(pa.array(np.ascontiguousarray(values), field.type, mask=null))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _strings(values: np.ndarray, null: np.ndarray | None) -> pa.Array:
    return pa.array(values.tolist(), pa.binary(), mask=null).cast(pa.string())


def _field(column: Column, kind: np.dtype) -> pa.Field:
    facts = {"description": column.description, "ucd": column.ucd, "unit": column.unit}
    metadata = {name: value for name, value in facts.items() if value}
    arrow = pa.string() if kind.kind == "S" else pa.from_numpy_dtype(kind)
    return pa.field(column.name, arrow, nullable=column.nullable, metadata=metadata)

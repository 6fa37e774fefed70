"""Parquet with a VOTable header in its footer (IVOA note VOParquet 1.0)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.metadata.columns import Column, TableInfo
from catalog.publish.formats.layout import Facts, row_type
from catalog.publish.formats.votable import votable_header

__all__ = ["ParquetWriter", "arrow_batch"]


class ParquetWriter:
    """Writes one row group a block.

    Parameters
    ----------
    path : Path
    info : TableInfo
    facts : Facts
    """

    extension = "parquet"

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None:
        rows = row_type(info)
        footer = {
            "IVOA.VOTable-Parquet.version": "1.0",
            "IVOA.VOTable-Parquet.content": votable_header(info, facts),
            **facts.as_text(),
            # What astropy asks for, else it measures every text before it reads.
            **{f"table::len::{name}": str(rows[name].itemsize) for name in info.column_names if rows[name].kind == "S"},
        }
        schema = pa.schema([_field(column, rows[column.name]) for column in info.columns], metadata=footer)
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, rows: np.ndarray) -> None:
        """Append rows."""
        self._writer.write_batch(arrow_batch(rows, self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def arrow_batch(rows: np.ndarray, schema: pa.Schema) -> pa.RecordBatch:
    """Return structured `rows` as an Arrow batch; fixed-width text becomes strings."""
    arrays = []
    for field in schema:
        values = rows[field.name]
        if pa.types.is_string(field.type):
            arrays.append(pa.array(values.tolist(), pa.binary()).cast(pa.string()))
        else:
            arrays.append(pa.array(np.ascontiguousarray(values), field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _field(column: Column, kind: np.dtype) -> pa.Field:
    facts = {"description": column.description, "ucd": column.ucd, "unit": column.unit}
    metadata = {name: value for name, value in facts.items() if value}
    arrow = pa.string() if kind.kind == "S" else pa.from_numpy_dtype(kind)
    return pa.field(column.name, arrow, nullable=False, metadata=metadata)

"""Parquet files with columns of numbers, text and booleans, read in batches of rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.errors import FormatError
from catalog.surveys.tables import RawBlock, RawColumn, RawTable

__all__ = ["MAGIC", "open_parquet"]

MAGIC = b"PAR1"

_BLOCK_ROWS = 16_384


def open_parquet(path: Path) -> RawTable:
    """Read the footer of a Parquet file.

    Raises
    ------
    FormatError
        The file is truncated or damaged.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error

    def read(names: Sequence[str]) -> Iterator[RawBlock]:
        n_before = 0
        try:
            with pq.ParquetFile(path) as file:
                n_rows = file.metadata.num_rows
                for batch in file.iter_batches(_BLOCK_ROWS, columns=list(names)):
                    numbers = np.arange(n_before + 1, n_before + batch.num_rows + 1, dtype=np.int64)
                    n_before += batch.num_rows
                    columns = {name: _column(path, name, batch.column(name)) for name in names}
                    yield RawBlock(columns, numbers, fraction=n_before / n_rows)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error

    return RawTable(path, "Parquet", tuple(schema.names), {}, read)


def _column(path: Path, name: str, column: pa.Array) -> RawColumn:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return column.cast(pa.string())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise FormatError(f"{path}: column {name} is of the Parquet type {kind}.", "Give it as numbers or text.")
    null = pc.is_null(column).to_numpy(zero_copy_only=False)
    # Integers with nulls would turn into floats, which hold no source_id.
    values = column.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(values, mask=null) if null.any() else values


def _damaged(path: Path, error: Exception) -> FormatError:
    return FormatError(f"{path} is a truncated or damaged Parquet file: {error}.", "Download the file again.")

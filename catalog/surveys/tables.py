"""What every format parser gives: a table with names, metadata and blocks of raw columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

__all__ = ["BULK", "IMAGE", "RawBlock", "RawColumn", "RawTable", "Rejection", "TextSpans"]


@dataclass(frozen=True)
class TextSpans:
    """A text column whose cells are left where they stand in the file's bytes: long ones cost time to copy."""

    data: bytes | bytearray
    """UTF-8; may be used again for a later block."""
    start: np.ndarray
    """Shape (n,), int64: first byte of each cell; that of a null is its end."""
    stop: np.ndarray
    """Shape (n,), int64: the byte after each cell."""

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, i: int) -> str:
        return self.data[self.start[i] : self.stop[i]].decode(errors="replace")

    def to_arrow(self, rows: np.ndarray | None = None) -> pa.StringArray:
        """Return the cells, or those of the rows where `rows` is true, as Arrow holds them."""
        chosen = np.arange(len(self)) if rows is None else np.flatnonzero(rows)
        return pa.array([self[i] or None for i in chosen.tolist()], type=pa.string())


RawColumn: TypeAlias = pa.Array | TextSpans | np.ndarray
"""Text columns are Arrow string arrays or spans; all others numpy arrays, masked where the format marks nulls."""

BULK = "bulk ECSV"
"""Form of the files in the archive's bulk folders: they always hold every column of their table."""

IMAGE = "FITS image"
"""Form of a FITS file without any table."""


@dataclass(frozen=True)
class Rejection:
    """A row that is not taken over, and why."""

    row_number: int
    """1 is the first data row."""
    identifier: str | None
    rule: str
    reason: str


@dataclass(frozen=True)
class RawBlock:
    """Consecutive rows of a file, as the file holds them; its columns are good until the next but one is asked for."""

    columns: Mapping[str, RawColumn]
    row_number: np.ndarray
    """Shape (n,), int64, counted from 1."""
    rejections: list[Rejection] = field(default_factory=list)
    """Rows that the format parser could not split into columns; they are not in `columns`."""
    fraction: float = 1.0
    """Part of the file that has been read so far, 0 to 1."""


@dataclass(frozen=True)
class RawTable:
    """A table in a file, not read yet."""

    path: Path
    form: str
    """Name of the format, for messages."""
    names: tuple[str, ...]
    meta: dict[str, Any]
    """Metadata of header, PARAMs or keywords."""
    reader: Callable[[Sequence[str]], Iterator[RawBlock]]

    def blocks(self, names: Sequence[str]) -> Iterator[RawBlock]:
        """Yield the rows with the columns `names`, which are spelt as in the file."""
        return self.reader(names)

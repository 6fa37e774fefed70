"""What all formats share: the type of a row, the facts of a version, and how a writer is used."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from catalog.metadata.columns import TableInfo

__all__ = ["Facts", "Writer", "row_type"]

_NUMBERS = {"short": "i2", "int": "i4", "long": "i8", "float": "f4", "double": "f8"}

REFERENCE = "Guiglion et al. 2024, A&A 682, A9 (method)"


@dataclass(frozen=True)
class Facts:
    """What the header of every file says of the version."""

    title: str
    version: int
    run_id: int
    n_rows: int
    sha256: str
    """Of the version's content."""
    published_at: str
    """ISO 8601, UTC."""
    software: str
    reference: str = REFERENCE
    validation: str = "not recorded"
    """What validation said when the version was published, and why failed checks were accepted."""

    def as_text(self) -> dict[str, str]:
        """Return all facts as text, by name."""
        return {name: str(value) for name, value in asdict(self).items()}


class Writer(Protocol):
    """Writes one file: made with its path, table and facts, then given blocks of rows, then closed."""

    extension: str

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None: ...

    def write(self, rows: np.ndarray) -> None:
        """Append rows of the type `row_type`, shape (n,)."""

    def close(self) -> None:
        """Finish the file."""


def row_type(info: TableInfo) -> np.dtype:
    """Return the structured type of a row of `info`: text as fixed-width ASCII, numbers in native order.

    Raises
    ------
    ValueError
        A column may be null: these files have no place for that.
    """
    if nullable := [column.name for column in info.columns if column.nullable]:
        raise ValueError(f"{info.qualified_name} has nullable columns: {', '.join(nullable)}.")
    fields = [
        (column.name, _NUMBERS[column.datatype] if column.arraysize is None else f"S{column.arraysize.rstrip('*')}")
        for column in info.columns
    ]
    return np.dtype(fields)

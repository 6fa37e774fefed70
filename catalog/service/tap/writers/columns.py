"""Columns of a block: from the bytes of single values to arrays."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.service.query import ResultColumn

__all__ = ["NUMBERS", "arrow_array", "number_array", "number_texts", "width"]

NUMBERS = {"short": ">i2", "int": ">i4", "long": ">i8", "float": ">f4", "double": ">f8"}
"""VOTable type -> how PostgreSQL, VOTable and FITS write it."""

Values = tuple[bytes | None, ...]


def width(column: ResultColumn) -> int | None:
    """Return the bytes of each value of `column`; None for text that is as long as it is."""
    if column.datatype in NUMBERS:
        return np.dtype(NUMBERS[column.datatype]).itemsize
    if column.datatype == "boolean":
        return 1
    size = column.arraysize
    return int(size) if size is not None and size.isdigit() else None


def number_array(values: Values, datatype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers or booleans (as bytes 0 and 1), big-endian, and where they are null; 0 stands there."""
    kind = np.dtype(NUMBERS.get(datatype, "u1"))
    missing = np.zeros(len(values), dtype=bool)
    if None in values:
        missing = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
        filler = bytes(kind.itemsize)
        values = tuple(filler if value is None else value for value in values)
    # No None is left, which mypy cannot see.
    return np.frombuffer(b"".join(values), dtype=kind), missing  # type: ignore[arg-type]


def arrow_array(values: Values, column: ResultColumn) -> pa.Array:
    """Return a column as an Arrow array."""
    if column.datatype == "char":
        # char(n) comes padded with blanks that are no part of the value.
        return pa.array(values, pa.binary()).cast(pa.string())
    numbers, missing = number_array(values, column.datatype)
    if column.datatype == "boolean":
        return pa.array(numbers.astype(bool), mask=missing)
    return pa.array(numbers.astype(numbers.dtype.newbyteorder("=")), mask=missing)


def number_texts(values: Values, column: ResultColumn) -> list[str | None]:
    """Return numbers or booleans as text: the fewest digits that give each one back; None for null."""
    texts = pc.cast(arrow_array(values, column), pa.string())
    result: list[str | None] = texts.to_pylist()
    return result

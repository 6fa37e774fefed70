"""One fixed-width table: widths are measured in a first pass over the rows, lines are written in a second one.

Numbers have the fewest digits that give every bit back, and always a decimal point where the format is F or E: a reader
that follows FORTRAN's rules would put one where it thinks it belongs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.metadata.columns import Column, TableInfo
from catalog.publish.formats.layout import Nulls, plain_rows, refuse, row_type

__all__ = ["CdsColumn", "CdsTable"]

_BLANK, _NEWLINE = ord(" "), ord("\n")


@dataclass
class CdsColumn:
    """What the ReadMe tells of a column, as far as it is known from the rows."""

    column: Column
    kind: np.dtype
    width: int = 1
    decimals: int = 1
    exponents: bool = False
    nulls: bool = False
    lowest: float = np.inf
    highest: float = -np.inf

    @property
    def format(self) -> str:
        """Return A, I, F or E with width and decimals."""
        if self.kind.kind == "f":
            return f"{'E' if self.exponents else 'F'}{self.width}.{self.decimals}"
        return f"{'A' if self.kind.kind == 'S' else 'I'}{self.width}"


class CdsTable:
    """Writes one table of fixed width.

    Parameters
    ----------
    path : Path
    info : TableInfo
    """

    def __init__(self, path: Path, info: TableInfo) -> None:
        kinds = row_type(info)
        self.info, self.name = info, path.name
        self.columns = [CdsColumn(column, kinds[column.name]) for column in info.columns]
        self.n_rows = 0
        self._kinds = kinds
        self._file = path.open("wb")

    @property
    def width(self) -> int:
        """Characters of a line: the columns, with one blank between them."""
        return sum(each.width for each in self.columns) + len(self.columns) - 1

    def measure(self, rows: np.ndarray, nulls: Nulls) -> None:
        """Take these rows into account; all rows must come by here before the first is written.

        Raises
        ------
        DatabaseError
            A number that is neither finite nor null, or a text that is not plain.
        """
        plain = plain_rows(rows, nulls, self._kinds, "CDS")
        for each in self.columns:
            name = each.column.name
            null = nulls.get(name)
            each.nulls |= null is not None
            values = plain[name]
            if each.kind.kind == "S":
                each.width = max(each.width, int(np.char.str_len(values).max()))
                continue
            if each.kind.kind == "f":
                bad = ~np.isfinite(values)
                refuse(rows, bad if null is None else bad & ~null, name, "CDS")
            texts = _texts(values, null)
            each.width = max(each.width, pc.max(pc.binary_length(texts)).as_py() or 1)
            if each.kind.kind == "f":
                _measure_digits(each, texts)
            there = values if null is None else values[~null]
            if len(there):
                each.lowest, each.highest = min(each.lowest, there.min()), max(each.highest, there.max())

    def write(self, rows: np.ndarray, nulls: Nulls) -> None:
        """Append rows."""
        plain = plain_rows(rows, nulls, self._kinds, "CDS")
        lines = np.full((len(rows), self.width + 1), _BLANK, dtype=np.uint8)
        lines[:, -1] = _NEWLINE
        at = 0
        for each in self.columns:
            values, field = plain[each.column.name], lines[:, at : at + each.width]
            if each.kind.kind == "S":
                field[:] = values.astype(f"S{each.width}").view(np.uint8).reshape(len(rows), each.width)
                field[field == 0] = _BLANK
            else:
                texts = pc.fill_null(_texts(values, nulls.get(each.column.name)), "")
                padded = pc.ascii_lpad(texts, each.width)
                field[:] = np.frombuffer(padded.buffers()[2], np.uint8, len(rows) * each.width).reshape(field.shape)
            at += each.width + 1
        self._file.write(lines.tobytes())
        self.n_rows += len(rows)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _texts(values: np.ndarray, null: np.ndarray | None) -> pa.Array:
    """Return numbers as text, the shortest that gives each one back."""
    texts = pc.cast(pa.array(np.ascontiguousarray(values), mask=null), pa.string())
    if values.dtype.kind != "f":
        return texts
    pointed = pc.match_substring(texts, ".")
    if pc.all(pointed, min_count=0).as_py():
        return _upper(texts)
    others = pc.if_else(pointed, None, texts)
    return _upper(pc.coalesce(pc.replace_substring_regex(others, r"^(-?[0-9]+)", r"\1.0"), texts))


def _upper(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(texts, "e", "E")


def _measure_digits(each: CdsColumn, texts: pa.Array) -> None:
    texts = texts.drop_null()
    if not len(texts):
        return
    exponent = pc.find_substring(texts, "E").to_numpy()
    ends = np.where(exponent < 0, pc.binary_length(texts).to_numpy(), exponent)
    each.exponents |= bool((exponent >= 0).any())
    each.decimals = max(each.decimals, int((ends - pc.find_substring(texts, ".").to_numpy()).max()) - 1)

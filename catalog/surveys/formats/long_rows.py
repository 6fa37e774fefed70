"""Rows of text that are tens of kilobytes long: split by looking for the few quotes and commas in them.

A row of a bulk file of spectra has nine fields, two of which are quoted lists of thousands of numbers. A
general parser looks at each byte; here the library function that finds a byte jumps over the lists, ten
times as fast. It is used for such blocks only, and gives up at anything out of the ordinary, which the
general parser then judges.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from catalog.surveys.tables import RawColumn, TextSpans

__all__ = ["LONG_ROW", "split_long_rows"]

LONG_ROW = 4096
"""Bytes of a row above which this way is worth it."""

_NULLS = (b"", b"null")


def split_long_rows(
    lines: bytes | bytearray, size: int, n_columns: int, chosen: Sequence[int]
) -> list[RawColumn] | None:
    """Split lines into fields.

    Parameters
    ----------
    lines : bytes or bytearray
        Whole lines, separated by line feeds; fields separated by commas, quoted if they hold one.
    size : int
        Bytes that count; others may follow.
    n_columns : int
        Fields of each line.
    chosen : sequence of int
        Columns that are wanted.

    Returns
    -------
    list of RawColumn, or None
        Columns in the order of `chosen`: long quoted ones as spans, others as Arrow text. None when the lines
        are not as expected: short, of another number of fields, with quotes or line ends inside quotes.
    """
    if lines.find(b"\n", 0, min(size, LONG_ROW)) >= 0:
        return None
    spans = _find_fields(lines, size, n_columns)
    if spans is None or size < LONG_ROW * len(spans):
        return None
    table = np.array(spans, dtype=np.int64).reshape(-1, n_columns, 2)
    try:
        return [_column(lines, table[:, index, 0], table[:, index, 1]) for index in chosen]
    except UnicodeDecodeError:
        return None


def _find_fields(lines: bytes | bytearray, size: int, n_columns: int) -> list[list[int]] | None:
    """Return the ends of all fields of each line; None when a line is not as expected."""
    rows = []
    at = 0
    while at < size:
        row: list[int] = []
        for _ in range(n_columns - 1):
            at = _take_field(lines, size, at, b",", row)
            if at < 0:
                return None
        at = _take_field(lines, size, at, b"\n", row)
        if at < 0:
            return None
        rows.append(row)
    return rows


def _take_field(lines: bytes | bytearray, size: int, at: int, separator: bytes, row: list[int]) -> int:
    """Add the ends of the field at `at` to `row`; return where the next begins, or -1."""
    if lines[at : at + 1] == b'"':
        end = lines.find(b'"', at + 1, size)
        if end < 0 or lines.find(b"\n", at, end) >= 0 or lines[at + 1 : end] in _NULLS:
            return -1
        row += (at + 1, end)
        after = end + 1
        if after < size and lines[after : after + 1] == separator:
            return after + 1
        # The last line may lack its end. Anything else is a doubled quote, or \r\n.
        return after if separator == b"\n" and after == size else -1
    end = lines.find(separator, at, size)
    if end < 0:
        end = size if separator == b"\n" else -1
    if end < 0 or (separator == b"," and lines.find(b"\n", at, end) >= 0):
        return -1
    if separator == b"\n" and (lines.find(b",", at, end) >= 0 or lines[end - 1 : end] == b"\r"):
        return -1
    row += (end if lines[at:end] in _NULLS else at, end)
    return end + 1


def _column(lines: bytes | bytearray, start: np.ndarray, stop: np.ndarray) -> RawColumn:
    if (stop - start).max() > LONG_ROW // 8:
        return TextSpans(lines, start, stop)
    cells = [lines[i:j].decode() for i, j in zip(start.tolist(), stop.tolist(), strict=True)]
    return pa.array([cell or None for cell in cells], type=pa.string())

"""Bracketed lists of decimal numbers to float32: the innermost loop of reading spectra.

A million RVS spectra are five thousand million numbers in text. `catalog.surveys.float_kernel` reads each in
one pass, without an object or a copy, where its result is certain to be the float32 nearest to the text; a
row that holds anything else (a word, twenty digits, a number halfway between two floats) is left to the
careful path of `catalog.surveys.convert`.
"""

import numpy as np
import pyarrow as pa

from catalog.surveys.tables import TextSpans

__all__ = ["parse_float32_lists"]


def parse_float32_lists(column: pa.StringArray | TextSpans, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parse a column of lists such as ``[0.98,NaN,1.2E-3]`` or ``(0.98, 1.2E-3)``.

    Parameters
    ----------
    column : pyarrow.StringArray or TextSpans
        Shape (n,).
    length : int
        Numbers that a row should have.

    Returns
    -------
    values : numpy.ndarray
        Shape (n, length), float32; undefined in rows of another length and in `careful` ones.
    lengths : numpy.ndarray
        Shape (n,), int64: numbers in each row.
    careful : numpy.ndarray
        Shape (n,), bool: rows whose values, length and brackets are still to be looked at.
    """
    # Importing the compiler takes most of a second: only those who read spectra wait for it.
    from catalog.surveys.float_kernel import parse

    n_rows = len(column)
    values = np.empty((n_rows, length), dtype=np.float32)
    lengths = np.zeros(n_rows, dtype=np.int64)
    careful = np.zeros(n_rows, dtype=bool)
    if isinstance(column, TextSpans):
        parse(np.frombuffer(column.data, dtype=np.uint8), column.start, column.stop, values, lengths, careful)
        return values, lengths, careful
    _, offsets_buffer, data_buffer = column.buffers()
    if not n_rows or data_buffer is None or not data_buffer.size:
        return values, lengths, np.ones(n_rows, dtype=bool)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[column.offset : column.offset + n_rows + 1]
    offsets = offsets.astype(np.int64)
    parse(np.frombuffer(data_buffer, dtype=np.uint8), offsets[:-1], offsets[1:], values, lengths, careful)
    return values, lengths, careful

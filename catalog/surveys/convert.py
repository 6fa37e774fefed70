"""Raw columns of any format to numbers, text, booleans and arrays of one length.

Text is parsed by Arrow, a whole column at once; only a column in which that fails is looked at again,
still at once, to find the rows to blame.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.surveys.float_lists import parse_float32_lists
from catalog.surveys.tables import RawColumn, TextSpans

__all__ = ["Arrays", "to_arrays", "to_bools", "to_floats", "to_ints", "to_texts"]

_NULL_WORDS = pa.array(["", "null", "nan", "--", "n/a"])
_REAL = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[iI]nf(inity)?)$"
_TRUE = pa.array(["true", "t", "1"])
_FALSE = pa.array(["false", "f", "0"])

# Whole numbers that a float64 holds exactly; a source_id above it, read from a float column, is damaged.
_EXACT = 2.0**53


def to_floats(
    column: RawColumn, dtype: type[np.floating], nulls: tuple[float, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Convert a column to floats; nulls and the values in `nulls` become NaN.

    Parameters
    ----------
    column : RawColumn
        Shape (n,).
    dtype : type
        ``np.float32`` or ``np.float64``.
    nulls : tuple of float
        Values that stand for "missing".

    Returns
    -------
    values : numpy.ndarray
        Shape (n,), of `dtype`.
    bad : numpy.ndarray
        Shape (n,), bool: the value is no number.
    """
    text = _as_text(column)
    if text is not None:
        values, bad = _parse_floats(text, dtype)
    else:
        plain, masked = _plain(column)
        values, bad = plain.astype(dtype), np.zeros(len(plain), dtype=bool)
        values[masked] = np.nan
    if missing := [null for null in nulls if (values == dtype(null)).any()]:
        values = np.where(np.isin(values, np.array(missing, dtype=dtype)), dtype(np.nan), values)
    return values, bad


def to_ints(column: RawColumn, bits: int, nulls: tuple[float, ...] = ()) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """Convert a column to whole numbers that fit `bits`; nulls and the values in `nulls` are masked.

    Returns
    -------
    values : numpy.ma.MaskedArray
        Shape (n,), int64.
    bad : numpy.ndarray
        Shape (n,), bool: the value is no whole number, or too large.
    """
    text = _as_text(column)
    if text is not None:
        values, masked, bad = _parse_ints(text)
    else:
        plain, masked = _plain(column)
        bad = np.zeros(len(plain), dtype=bool)
        if plain.dtype.kind == "f":
            masked = masked | np.isnan(plain)
            bad = ~masked & ((plain != np.trunc(plain)) | (np.abs(plain) >= _EXACT))
            plain = np.where(masked | bad, 0, plain)
        values = plain.astype(np.int64)
    limit = 1 << (bits - 1)
    bad = bad | (~masked & ((values < -limit) | (values > limit - 1)))
    for null in nulls:
        masked = masked | (values == null)
    return np.ma.MaskedArray(values, mask=masked), bad


def to_bools(column: RawColumn) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """Convert ``true``/``false`` in any case, 0/1 or booleans; nulls are masked."""
    text = _as_text(column)
    if text is None:
        plain, masked = _plain(column)
        if plain.dtype.kind == "f":
            masked = masked | np.isnan(plain)
        bad = ~masked & ~np.isin(plain, (0, 1))
        return np.ma.MaskedArray(np.where(masked, 0, plain) == 1, mask=masked), bad
    text = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    true, false = _mask(pc.is_in(text, _TRUE)), _mask(pc.is_in(text, _FALSE))
    masked = _mask(pc.is_null(text)) | _mask(pc.is_in(text, _NULL_WORDS))
    return np.ma.MaskedArray(true, mask=masked), ~(true | false | masked)


def to_texts(column: RawColumn) -> np.ndarray:
    """Convert a column to an object array of str, blanks stripped; empty, ``--`` and nulls become None."""
    text = _as_text(column)
    if text is None:
        plain, masked = _plain(column)
        return np.array([None if null else str(value) for value, null in zip(plain, masked, strict=True)], dtype=object)
    text = pc.utf8_trim_whitespace(text)
    missing = pc.or_kleene(pc.equal(text, ""), pc.equal(text, "--"))
    return pc.if_else(missing, None, text).to_numpy(zero_copy_only=False)


@dataclass(frozen=True)
class Arrays:
    """An array column whose rows should all have one length."""

    values: np.ndarray
    """Shape (n, length); NaN in rows of another length."""
    lengths: np.ndarray
    """Shape (n,), int64: length of each row, 0 where it is null or empty."""
    bad: np.ndarray
    """Shape (n,), bool: rows that are no list of numbers."""


def to_arrays(column: RawColumn, length: int, dtype: type[np.floating]) -> Arrays:
    """Convert an array column: bracketed lists in text, 2-D arrays, or objects of varying length.

    Parameters
    ----------
    column : RawColumn
        Text in square or round brackets, separated by commas; or numpy, shape (n, m) or (n,) of arrays.
    length : int
        The length that rows should have.
    dtype : type
        ``np.float32`` or ``np.float64``.
    """
    if isinstance(column, pa.Array | TextSpans):
        return _parse_arrays(column, length, dtype)
    if column.ndim == 2:
        lengths = np.full(len(column), column.shape[1], dtype=np.int64)
        if isinstance(column, np.ma.MaskedArray) and column.dtype.kind == "f":
            column = column.filled(np.nan)
        if column.shape[1] == length:
            return Arrays(np.asarray(column, dtype=dtype), lengths, np.zeros(len(column), dtype=bool))
        return Arrays(np.full((len(column), length), np.nan, dtype=dtype), lengths, np.zeros(len(column), dtype=bool))
    plain, masked = _plain(column)
    lengths = np.array([0 if null else np.size(row) for row, null in zip(plain, masked, strict=True)], dtype=np.int64)
    values = np.full((len(plain), length), np.nan, dtype=dtype)
    for i in np.flatnonzero(lengths == length):
        values[i] = np.ma.filled(np.ma.asarray(plain[i], dtype=dtype), np.nan)
    return Arrays(values, lengths, np.zeros(len(plain), dtype=bool))


def _parse_arrays(column: pa.StringArray | TextSpans, length: int, dtype: type[np.floating]) -> Arrays:
    if dtype is not np.float32:
        return _parse_arrays_carefully(_chosen(column, None), length, dtype)
    values, lengths, careful = parse_float32_lists(column, length)
    bad = np.zeros(len(column), dtype=bool)
    if careful.any():
        rest = _parse_arrays_carefully(_chosen(column, careful), length, dtype)
        values[careful], lengths[careful], bad[careful] = rest.values, rest.lengths, rest.bad
    values[lengths != length] = np.nan
    return Arrays(values, lengths, bad)


def _chosen(column: pa.StringArray | TextSpans, rows: np.ndarray | None) -> pa.StringArray:
    if isinstance(column, TextSpans):
        return column.to_arrow(rows)
    return column if rows is None else column.filter(pa.array(rows))


def _parse_arrays_carefully(column: pa.StringArray, length: int, dtype: type[np.floating]) -> Arrays:
    n_rows = len(column)
    cells = _reinterpret(column, pa.binary())
    inner = pc.binary_slice(cells, 1, -1)
    bracketed = pc.or_(
        pc.and_(pc.starts_with(cells, "["), pc.ends_with(cells, "]")),
        pc.and_(pc.starts_with(cells, "("), pc.ends_with(cells, ")")),
    )
    filled = _mask(pc.greater(pc.binary_length(inner), 0))
    bad = ~_mask(bracketed) & (filled | _mask(pc.greater(pc.binary_length(cells), 0)))
    lists = pc.split_pattern(inner, b",")
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    lengths[~filled] = 0
    good = (lengths == length) & ~bad
    if not good.all():
        lists = lists.filter(pa.array(good))
    numbers, unparsed = _parse_floats(_reinterpret(lists.flatten(), pa.string()), dtype)
    numbers = numbers.reshape(-1, length)
    if good.all():
        return Arrays(numbers, lengths, np.asarray(unparsed.reshape(-1, length).any(axis=1)))
    values = np.full((n_rows, length), np.nan, dtype=dtype)
    values[good] = numbers
    bad[good] |= unparsed.reshape(-1, length).any(axis=1)
    return Arrays(values, lengths, bad)


def _reinterpret(array: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """Exchange binary and string without copying or checking: CSV text was checked when it was read."""
    return pa.Array.from_buffers(arrow_type, len(array), array.buffers(), array.null_count, array.offset)


def _as_text(column: RawColumn) -> pa.StringArray | None:
    """Return a text column as an Arrow array; None for numbers."""
    if isinstance(column, TextSpans):
        return column.to_arrow()
    if isinstance(column, pa.Array):
        return column
    if column.dtype.kind not in "SUO":
        return None
    plain, masked = _plain(column)
    if plain.dtype.kind == "S":
        plain = np.char.decode(plain, "utf-8")
    texts = [None if null else value.decode() if isinstance(value, bytes) else str(value)
             for value, null in zip(plain.tolist(), masked.tolist(), strict=True)]  # fmt: skip
    return pa.array(texts, type=pa.string())


def _plain(column: RawColumn) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(column, np.ndarray)
    mask = np.ma.getmaskarray(column).reshape(len(column), -1)
    return np.ma.getdata(column), np.asarray(mask.all(axis=1))


def _mask(array: pa.Array) -> np.ndarray:
    return array.fill_null(False).to_numpy(zero_copy_only=False)


def _parse_floats(text: pa.StringArray, dtype: type[np.floating]) -> tuple[np.ndarray, np.ndarray]:
    arrow_type = pa.from_numpy_dtype(dtype)
    try:
        values, bad = text.cast(arrow_type), None
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
        number = pc.match_substring_regex(text, _REAL)
        null = pc.is_in(pc.utf8_lower(text), _NULL_WORDS)
        bad = ~(_mask(number) | _mask(null) | _mask(pc.is_null(text)))
        values = pc.if_else(number, pc.utf8_ltrim(text, "+"), None).cast(arrow_type)
    array = values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
    return array, np.zeros(len(array), dtype=bool) if bad is None else bad


def _parse_ints(text: pa.StringArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        values = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return _parse_ints_slowly(pc.utf8_trim_whitespace(text))
    masked = _mask(pc.is_null(values))
    return values.fill_null(0).to_numpy(zero_copy_only=False), masked, np.zeros(len(values), dtype=bool)


def _parse_ints_slowly(text: pa.StringArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    masked = _mask(pc.is_null(text)) | _mask(pc.is_in(pc.utf8_lower(text), _NULL_WORDS))
    whole = _mask(pc.match_substring_regex(text, r"^[+-]?\d+$"))
    result = np.zeros(len(text), dtype=np.int64)
    bad = np.zeros(len(text), dtype=bool)
    for i in np.flatnonzero(whole):
        value = int(text[i].as_py())
        if -(1 << 63) <= value < 1 << 63:
            result[i] = value
        else:
            bad[i] = True
    # Integers that a table program printed as reals, such as 5.0.
    rest = ~whole & ~masked
    reals, no_number = _parse_floats(pc.if_else(pa.array(rest), text, None), np.float64)
    exact = rest & ~no_number & (reals == np.trunc(reals)) & (np.abs(reals) < _EXACT)
    result[exact] = reals[exact].astype(np.int64)
    return result, masked, bad | (rest & ~exact)

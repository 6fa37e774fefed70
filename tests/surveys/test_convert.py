"""Conversion of raw columns: whole columns at once, and the rows to blame when that fails."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.surveys import convert


def text(*values: str | None) -> pa.Array:
    return pa.array(values, type=pa.string())


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_shortest_text_of_a_float32_comes_back_exactly(numbers: list[float]) -> None:
    written = np.array(numbers, dtype=np.float32)
    values, bad = convert.to_floats(text(*map(str, written)), np.float32)
    np.testing.assert_array_equal(values, written)
    assert not bad.any()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30), st.booleans())
def test_integers_come_back_exactly(numbers: list[int], with_bad_value: bool) -> None:
    # One bad value sends the column down the slower way.
    written = [str(number) for number in numbers] + ["x"] * with_bad_value
    values, bad = convert.to_ints(text(*written), 64)
    assert values[: len(numbers)].tolist() == numbers
    assert bad.tolist() == [False] * len(numbers) + [True] * with_bad_value


@pytest.mark.parametrize("word", ["12.5x", "1,5", "0x10", "1.2.3", "e5", "abc"])
def test_bad_floats_are_found(word: str) -> None:
    values, bad = convert.to_floats(
        text("1.5", word, " -2.5E-4 ", None, "nan", "null", "--", "+3", "Infinity"), np.float64
    )
    assert bad.tolist() == [False, True, *[False] * 7]
    assert values[[0, 2, 7, 8]].tolist() == [1.5, -2.5e-4, 3.0, np.inf]
    assert np.isnan(values[[1, 3, 4, 5, 6]]).all()


@pytest.mark.parametrize("word", ["12.5", "1e400", "9223372036854775808", "x", "6.5e17"])
def test_bad_integers_are_found(word: str) -> None:
    values, bad = convert.to_ints(text("12", word, "5.0", None, "", "--", "+7"), 64)
    assert bad.tolist() == [False, True, False, False, False, False, False]
    assert np.ma.getmaskarray(values)[[3, 4, 5]].all()
    assert values[[0, 2, 6]].tolist() == [12, 5, 7]


def test_integers_too_large_for_their_column_are_bad() -> None:
    _, bad = convert.to_ints(np.array([32767, 32768, -32768, -32769]), 16)
    assert bad.tolist() == [False, True, False, True]


def test_ids_in_a_float_column_are_bad_when_they_lost_digits() -> None:
    values, bad = convert.to_ints(np.array([5.0, 5853498713190525696.0, np.nan, 2.5]), 64)
    assert bad.tolist() == [False, True, False, True]
    assert np.ma.getmaskarray(values).tolist() == [False, False, True, False]


def test_sentinels_become_null() -> None:
    floats, _ = convert.to_floats(
        np.array([1.0, -9999.0, -999.0, -9999.99], dtype=np.float32), np.float32, (-9999.0, -9999.99)
    )
    assert np.isnan(floats).tolist() == [False, True, False, True]
    ints, _ = convert.to_ints(text("1", "-9999"), 32, (-9999.0,))
    assert np.ma.getmaskarray(ints).tolist() == [False, True]


def test_booleans_in_all_spellings() -> None:
    values, bad = convert.to_bools(text("True", "false", "TRUE", "F", "1", "0", None, "", "maybe"))
    assert values[:6].tolist() == [True, False, True, False, True, False]
    assert np.ma.getmaskarray(values)[6:8].all()
    assert bad.tolist() == [False] * 8 + [True]
    numbers, bad = convert.to_bools(np.ma.MaskedArray([0, 1, 255, 2], mask=[False, False, True, False]))
    assert numbers.tolist() == [False, True, None, False]
    assert bad.tolist() == [False, False, False, True]


def test_texts_are_stripped_and_empty_ones_null() -> None:
    assert convert.to_texts(np.array(["abc   ", "  ", "--", "x y"])).tolist() == ["abc", None, None, "x y"]
    assert convert.to_texts(np.array([b"abc ", b""])).tolist() == ["abc", None]
    assert convert.to_texts(np.ma.MaskedArray(["a", "b"], mask=[True, False])).tolist() == [None, "b"]
    assert convert.to_texts(np.ma.MaskedArray([17, 18], mask=[True, False])).tolist() == [None, "18"]
    assert convert.to_texts(text("a", None, " b ")).tolist() == ["a", None, "b"]


CELLS = ("[1.5,NaN,-2.5E-4]", "(1.5, NaN, -2.5E-4)", "[1.5,null,-2.5E-4]", "[1.5,,-2.5E-4]")


@pytest.mark.parametrize("cell", CELLS)
def test_arrays_in_both_brackets(cell: str) -> None:
    arrays = convert.to_arrays(text(cell, cell), 3, np.float64)
    np.testing.assert_array_equal(arrays.values, [[1.5, np.nan, -2.5e-4]] * 2)
    assert arrays.lengths.tolist() == [3, 3]
    assert not arrays.bad.any()


def test_array_rows_are_judged_one_by_one() -> None:
    cells = text("[1,2,3]", "[1,2]", None, "[]", "[1,x,3]", "1,2,3", "[1,2,3", "[7,8,9]")
    arrays = convert.to_arrays(cells, 3, np.float32)
    assert arrays.lengths.tolist() == [3, 2, 0, 0, 3, 3, 3, 3]
    assert arrays.bad.tolist() == [False, False, False, False, True, True, True, False]
    np.testing.assert_array_equal(arrays.values[[0, 7]], [[1, 2, 3], [7, 8, 9]])
    assert np.isnan(arrays.values[[1, 2, 3]]).all()
    assert arrays.values.dtype == np.float32


def test_array_slices_keep_their_place() -> None:
    # Arrow arrays may be views into larger ones.
    cells = text("[0,0]", "[1,2]", "[3,4]", "[5]").slice(1, 2)
    np.testing.assert_array_equal(convert.to_arrays(cells, 2, np.float64).values, [[1, 2], [3, 4]])


def test_arrays_from_binary_formats() -> None:
    fixed = convert.to_arrays(np.arange(6, dtype=">f4").reshape(2, 3), 3, np.float32)
    np.testing.assert_array_equal(fixed.values, [[0, 1, 2], [3, 4, 5]])
    assert convert.to_arrays(np.zeros((2, 4)), 3, np.float32).lengths.tolist() == [4, 4]
    varying = np.empty(3, dtype=object)
    varying[:] = [np.array([1.0, 2.0]), np.array([]), np.ma.MaskedArray([1.0, 2.0], mask=[False, True])]
    arrays = convert.to_arrays(varying, 2, np.float64)
    assert arrays.lengths.tolist() == [2, 0, 2]
    np.testing.assert_array_equal(arrays.values, [[1, 2], [np.nan, np.nan], [1, np.nan]])

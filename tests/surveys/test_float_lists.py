"""The compiled parser of lists: the nearest float32 or the careful path, never a wrong number."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.surveys import convert
from catalog.surveys.float_lists import parse_float32_lists

SPELLINGS = ["{:.9g}", "{:.17g}", "{:.8f}", "{:.3E}", "{!r}", " {!r}", "{:+}"]


def nearest(text: str) -> np.float32:
    """Return the float32 nearest to a decimal number, ties to even, by exact arithmetic."""
    exact = Fraction(text.strip())
    with np.errstate(over="ignore"):
        guess = np.float32(float(exact))
        candidates = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    finite = [candidate for candidate in candidates if np.isfinite(candidate)]
    best = min(abs(Fraction(float(candidate)) - exact) for candidate in finite)
    nearest_ones = [candidate for candidate in finite if abs(Fraction(float(candidate)) - exact) == best]
    return min(nearest_ones, key=lambda candidate: int(candidate.view(np.uint32)) & 1)


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.floats(-3e38, 3e38, allow_nan=False), min_size=1, max_size=12),
    st.lists(st.sampled_from(SPELLINGS), min_size=12, max_size=12),
)
@example([16777217.0, 1.00000005960464477539, 0.1, -0.0, 1e-45, 5e-324], SPELLINGS + SPELLINGS)
def test_numbers_are_the_nearest_float32(numbers: list[float], spellings: list[str]) -> None:
    texts = [spelling.format(number) for number, spelling in zip(numbers, spellings, strict=False)]
    arrays = convert.to_arrays(pa.array(["[" + ",".join(texts) + "]"]), len(texts), np.float32)
    assert arrays.lengths.tolist() == [len(texts)]
    assert not arrays.bad.any()
    expected = np.array([nearest(text) for text in texts])
    np.testing.assert_array_equal(arrays.values[0], expected)


@pytest.mark.parametrize(
    "halfway",
    ["16777217", "33554434.0", "1.000000059604644775390625", "8388608.5", "1.6777217E7", "0.500000029802322387695"],
)
def test_numbers_between_two_floats_are_left_to_the_careful_path(halfway: str) -> None:
    _, _, careful = parse_float32_lists(pa.array([f"[1.5,{halfway}]", "[1.5,2.5]"]), 2)
    assert careful.tolist() == [True, False]


@pytest.mark.parametrize("sure", ["0.98698866", "-1.5E-3", "(0.5, NaN)", "7", "1e10", "0", "0.025057154"])
def test_numbers_of_spectra_take_the_fast_path(sure: str) -> None:
    cell = sure if sure.startswith("(") else f"[{sure}]"
    _, _, careful = parse_float32_lists(pa.array([cell]), 1)
    assert careful.tolist() == [False]


@settings(deadline=None)
@given(st.lists(st.text(alphabet='[]()0123456789.,eE+-NaN nulxif"', max_size=30), min_size=1, max_size=8))
@example(
    [
        "[NaN,1.5]",
        "[]",
        "[",
        "]",
        "",
        "[,]",
        "[1,]",
        "(1]",
        "[1][2]",
        "[NaNN]",
        "[1.5.5]",
        "[1e]",
        "[-]",
        "[.5]",
        "[5.]",
    ]
)
def test_any_text_is_read_as_the_careful_path_reads_it(cells: list[str]) -> None:
    column = pa.array(cells, type=pa.string())
    fast = convert.to_arrays(column, 2, np.float32)
    slow = convert._parse_arrays_carefully(column, 2, np.float32)
    np.testing.assert_array_equal(fast.bad, slow.bad)
    np.testing.assert_array_equal(fast.lengths, slow.lengths)
    good = ~fast.bad
    np.testing.assert_array_equal(fast.values[good], slow.values[good])


def test_slices_and_nulls() -> None:
    column = pa.array(["[9,9]", "[1,2]", None, "[3,4]", "[9,9]"]).slice(1, 3)
    arrays = convert.to_arrays(column, 2, np.float32)
    assert arrays.lengths.tolist() == [2, 0, 2]
    assert arrays.values[[0, 2]].tolist() == [[1, 2], [3, 4]]


def test_columns_without_any_text() -> None:
    for column in (pa.array([], type=pa.string()), pa.array([None, None], type=pa.string())):
        arrays = convert.to_arrays(column, 3, np.float32)
        assert arrays.lengths.tolist() == [0] * len(column)
        assert not arrays.bad.any()

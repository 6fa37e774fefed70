"""Selections: pixels and identifiers, and the files that name them."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import ConfigurationError, FormatError
from catalog.fetch import HealpixRange, Selection, parse_healpix, read_source_ids
from catalog.fetch.selection import pixel_of

HD176650 = 4268620287278693120


def test_a_real_source_lies_in_its_pixel() -> None:
    # The divisors are those of the Gaia data model, source_id.
    ids = np.array([HD176650])
    assert pixel_of(ids, 12)[0] == HD176650 // 34_359_738_368
    assert pixel_of(ids, 8)[0] == HD176650 // 8_796_093_022_208
    assert Selection(healpix=HealpixRange(8, *2 * (HD176650 // 8_796_093_022_208,))).touches(HD176650, HD176650)


def test_parse() -> None:
    assert parse_healpix("5:0-47") == HealpixRange(5, 0, 47)
    assert parse_healpix(" 0:11 ") == HealpixRange(0, 11, 11)


@pytest.mark.parametrize("text", ["5", "5:3-2", "0:12", "13:0-1", "5:0-12288", "-1:0", "5:a-b", "5:0–47", ""])
def test_bad_ranges(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no (range of HEALPix pixels|HEALPix range)"):
        parse_healpix(text)


def test_ranges_of_all_pixels_tile_the_identifiers() -> None:
    for level in (0, 1, 3):
        ranges = Selection().id_ranges(level)
        assert len(ranges) == 12 * 4**level
        assert ranges[0][1] == 0
        assert all(before[2] + 1 == after[1] for before, after in pairwise(ranges))
        assert ranges[-1][2] == (12 << 59) - 1


def test_ranges_are_cut_to_what_was_asked_for() -> None:
    selection = Selection(healpix=HealpixRange(8, 3, 5))
    assert selection.id_ranges(7) == [(0, 3 << 43, (4 << 43) - 1), (1, 4 << 43, (6 << 43) - 1)]
    assert selection.pixels(9).tolist() == list(range(12, 24))


def test_pixels_of_identifiers() -> None:
    ids = np.array([7 << 43, (7 << 43) + 5, 9 << 43])
    assert Selection(ids).pixels(8).tolist() == [7, 9]
    assert Selection(ids, HealpixRange(8, 8, 10)).pixels(8).tolist() == [9]
    assert Selection(ids, HealpixRange(8, 8, 10)).wanted_ids is not None
    assert str(Selection(ids, HealpixRange(8, 8, 10), 3)) == "3 source_ids, HEALPix 8:8-10, limit 3"


def test_touches_agrees_with_brute_force() -> None:
    generator = np.random.default_rng(5)
    ids = np.unique(generator.integers(0, 200, 12))
    for _ in range(300):
        low, high = sorted(generator.integers(0, 200, 2).tolist())
        selection = Selection(ids)
        assert selection.touches(low, high) == any(low <= each <= high for each in ids)


@pytest.mark.parametrize(
    "text",
    [
        "5\n3\n5\n",
        "# stars of mine\n\n3\n5",
        "source_id\n3\n5\n",
        "\ufeffsource_id,ra\n5,1.0\n3,2.0\n",
        'ra,"SOURCE_ID"\n1.0,5\n2.0,3\n',
        "5,first column\n3,counts\n",
    ],
)
def test_identifiers_are_read_sorted_and_once(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(text, encoding="utf-8")
    ids = read_source_ids(file)
    assert ids.dtype == np.int64
    assert ids.tolist() == [3, 5]


def test_identifiers_from_a_stream_keep_all_digits() -> None:
    assert read_source_ids(io.StringIO(f"{HD176650}\n")).tolist() == [HD176650]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5\nstar\n", "line 2: 'star' is no Gaia source_id"),
        ("5\n-7\n", "line 2"),
        ("4.26e18\n", "line 1"),
        ("9223372036854775808\n", "line 1"),
        ("ra,dec\n1,2\n", "line 1"),
        ("ra,source_id\n1\n", "line 2: ''"),
        ("", "holds no source_id"),
        ("source_id\n", "holds no source_id"),
    ],
)
def test_bad_identifiers_are_named(text: str, words: str) -> None:
    with pytest.raises(FormatError, match=f"standard input.*{words}"):
        read_source_ids(io.StringIO(text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "ids.fits"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"ids\.fits cannot be read"):
        read_source_ids(file)

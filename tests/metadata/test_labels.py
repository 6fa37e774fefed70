"""One order of labels for network and flag, another for the table, both from one place."""

import pytest

from catalog.metadata import FLAG_DIGITS, LABELS, TABLE_LABELS, decode_flag


def test_orders_of_section_5_2_and_table_2() -> None:
    assert [label.name for label in LABELS] == ["teff", "logg", "mh", "alpham", "feh"]
    assert [label.name for label in TABLE_LABELS] == ["teff", "logg", "mh", "feh", "alpham"]
    assert [digit.name for digit in FLAG_DIGITS] == ["teff", "logg", "mh", "alpham", "feh", "g", "parallax", "tsne"]
    assert [digit.bit for digit in FLAG_DIGITS] == [1, 2, 4, 8, 16, 32, 64, 128]


def test_decoding() -> None:
    assert decode_flag("00000000") == ()
    assert [digit.name for digit in decode_flag("10000001")] == ["teff", "tsne"]


@pytest.mark.parametrize("flag", ["", "0000000", "000000000", "0000000x", "00000002"])
def test_what_is_no_flag(flag: str) -> None:
    with pytest.raises(ValueError, match="eight digits"):
        decode_flag(flag)

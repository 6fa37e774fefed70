"""Every form in which DataLink serves RVS and XP spectra gives the same columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import parse

from catalog.errors import FormatError
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.formats import open_tables, votable_tables
from tests.surveys.datalink_files import (
    pixel_csv,
    pixel_ecsv,
    pixel_fits,
    pixel_votable,
    raw_csv,
    raw_ecsv,
    raw_fits,
    raw_votable,
)
from tests.surveys.files import FIRST_ID, spectra, xp_coefficients

Read = Callable[[Path, str], SurveyBatch]
RVS, XP = "rvs_mean_spectrum", "xp_continuous_mean_spectrum"

INDIVIDUAL = {
    "CSV": pixel_csv,
    "ECSV": pixel_ecsv,
    "FITS": pixel_fits,
    "VOTable BINARY2": pixel_votable,
    "VOTable TABLEDATA": lambda columns, star: pixel_votable(columns, star, "tabledata"),
}
RAW = {
    "CSV": raw_csv,
    "ECSV": raw_ecsv,
    "FITS": raw_fits,
    "VOTable BINARY2": raw_votable,
    "VOTable TABLEDATA": lambda columns: raw_votable(columns, "tabledata"),
}


@pytest.mark.parametrize("form", list(INDIVIDUAL))
def test_individual_rvs(tmp_path: Path, read: Read, form: str) -> None:
    columns = spectra(2)
    path = tmp_path / "product"
    path.write_bytes(INDIVIDUAL[form](columns, 1))
    values = read(path, RVS).columns
    assert values["source_id"].tolist() == [FIRST_ID + 1]
    assert [int(values[name][0]) for name in ("combined_transits", "combined_ccds", "deblended_ccds")] == [9, 27, 0]
    for name in ("flux", "flux_error"):
        np.testing.assert_array_equal(values[name][0], columns[name][1])


@pytest.mark.parametrize("form", list(RAW))
def test_raw_rvs(tmp_path: Path, read: Read, form: str) -> None:
    columns = spectra(3)
    path = tmp_path / "product"
    path.write_bytes(RAW[form](columns))
    values = read(path, RVS).columns
    assert values["source_id"].tolist() == columns["source_id"]
    assert values["combined_ccds"].tolist() == [27] * 3
    for name in ("flux", "flux_error"):
        assert values[name].dtype == np.float32
        np.testing.assert_array_equal(values[name], np.stack(columns[name]))


@pytest.mark.parametrize("form", list(RAW))
def test_raw_xp(tmp_path: Path, read: Read, form: str) -> None:
    columns = xp_coefficients(3)
    path = tmp_path / "product"
    path.write_bytes(RAW[form](columns))
    values = read(path, XP).columns
    assert values["source_id"].tolist() == columns["source_id"]
    assert values["bp_n_relevant_bases"].tolist() == [7] * 3
    for name in ("bp_coefficients", "rp_coefficients"):
        np.testing.assert_array_equal(values[name], np.stack(columns[name]))


def test_many_tables_in_one_votable(tmp_path: Path, read: Read) -> None:
    columns = spectra(3)
    tables = [pixel_votable(columns, star).decode() for star in range(3)]
    body = "".join(text[text.index("<RESOURCE") : text.index("</VOTABLE>")] for text in tables)
    path = tmp_path / "combined.xml"
    path.write_text(tables[0][: tables[0].index("<RESOURCE")] + body + "</VOTABLE>")
    values = read(path, RVS).columns
    assert values["source_id"].tolist() == columns["source_id"]
    np.testing.assert_array_equal(values["flux"], np.stack(columns["flux"]))


FIELDS = """
<FIELD name="a_short" datatype="short"/><FIELD name="an_int" datatype="int"/><FIELD name="a_long" datatype="long"/>
<FIELD name="a_float" datatype="float"/><FIELD name="a_double" datatype="double"/>
<FIELD name="a_byte" datatype="unsignedByte"/><FIELD name="a_flag" datatype="boolean"/>
<FIELD name="a_code" datatype="char" arraysize="4"/><FIELD name="a_letter" datatype="char"/>
"""


def fixed_columns() -> dict[str, list[Any]]:
    return {
        "a_short": [-5, None, 7], "an_int": [1 << 20, 2, None], "a_long": [5937083312263887616, None, -1],
        "a_float": [0.1, np.nan, -1e30], "a_double": [1 / 3, 2.0, None], "a_byte": [0, 255, None],
        "a_flag": [True, False, None], "a_code": ["abcd", "ef", None], "a_letter": ["x", "y", "z"],
    }  # fmt: skip


def binary2(columns: dict[str, list[Any]]) -> bytes:
    """Encode rows as section 6 of VOTable 1.4 says, independently of any library."""
    import base64
    import struct

    codes = [">h", ">i", ">q", ">f", ">d", "B", "c", "4s", "c"]
    rows = b""
    for row in zip(*columns.values(), strict=True):
        bits = "".join("1" if value is None else "0" for value in row).ljust(16, "0")
        rows += int(bits, 2).to_bytes(2, "big")
        for code, value in zip(codes, row, strict=True):
            if isinstance(value, bool):
                value = b"T" if value else b"F"
            elif isinstance(value, str):
                value = value.encode()
            elif value is None:
                value = b"\0" if code in ("c", "4s") else 0
            rows += struct.pack(code, value)
    return base64.encodebytes(rows)


def write_votable(path: Path, data: bytes) -> Path:
    head = f'<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE><TABLE>{FIELDS}<DATA><BINARY2>'
    stream = f"<STREAM encoding='base64'>{data.decode()}</STREAM>"
    path.write_text(f"{head}{stream}</BINARY2></DATA></TABLE></RESOURCE></VOTABLE>")
    return path


def column(path: Path, name: str) -> np.ma.MaskedArray:
    [table] = open_tables(path)
    return np.ma.concatenate([np.ma.asarray(block.columns[name]) for block in table.blocks([name])])


def test_binary2_is_decoded_by_its_standard(tmp_path: Path) -> None:
    columns = fixed_columns()
    path = write_votable(tmp_path / "a.xml", binary2(columns))
    for name, expected in columns.items():
        values = column(path, name).tolist()
        if name == "a_float":
            assert values[0] == np.float32(0.1)
            assert np.isnan(values[1])
        else:
            assert values == expected


def test_binary2_is_decoded_as_astropy_does(tmp_path: Path, real_data: Path) -> None:
    path = real_data / "xp/datalink_xp_sampled_5937083312263887616.xml"
    array = parse(path).get_first_table().array
    for name in ("wavelength", "flux", "flux_error"):
        np.testing.assert_array_equal(column(path, name), array[name])
    assert votable_tables._decoded_at_once(path), "this file is not read in the quick way any more"


@pytest.mark.parametrize("spoil", ["row", "base64", "end"])
def test_damaged_binary2_is_refused(tmp_path: Path, spoil: str) -> None:
    data = binary2(fixed_columns())
    if spoil == "row":
        data = data[:-20] + b"\n"
    path = write_votable(tmp_path / "a.xml", data.replace(b"A", b"\xc3\xa9", 1) if spoil == "base64" else data)
    if spoil == "end":
        path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(FormatError, match=r"a\.xml is a truncated or damaged VOTable"):
        open_tables(path)

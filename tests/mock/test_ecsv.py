"""The bulk dialect, against astropy and against the one published file in it."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.table import Table

from catalog.mock.ecsv import BulkFile, arrays_as_text, as_text, text_header
from catalog.mock.layouts import BulkColumn, bulk_columns

COLUMNS = (
    BulkColumn("source_id", "int64", False, "", "meta.id"),
    BulkColumn("ra", "float64", False, "deg", ""),
    BulkColumn("flag", "string", False, "", ""),
    BulkColumn("good", "bool", False, "", ""),
    BulkColumn("flux", "float32", True, "'electron'.s**-1", ""),
)


def test_scalars() -> None:
    numbers = np.array([1.5, np.nan, 2.0, 1e-9, -3e12], dtype=np.float32)
    assert as_text(numbers, 5).to_pylist() == ["1.5", "null", "2.0", "1.0E-9", "-3.0E+12"]
    assert as_text(np.ma.array([1, 2], mask=[False, True]), 2).to_pylist() == ["1", "null"]
    assert as_text(np.array([True, False]), 2).to_pylist() == ["True", "False"]
    assert as_text(np.array(["a", None, np.nan], dtype=object), 3).to_pylist() == ['"a"', "null", "null"]
    assert as_text(7, 2).to_pylist() == ["7", "7"]
    assert as_text(None, 2).to_pylist() == ["null", "null"]
    for value in as_text(np.random.default_rng(0).normal(size=500).astype(np.float32), 500).to_pylist():
        assert str(np.float32(value)) == value  # the shortest text that reads back to the same number


def test_arrays() -> None:
    values = np.array([[0.1, np.nan], [3.0, 1e-8]], dtype=np.float32)
    assert arrays_as_text(values).to_pylist() == ['"[0.1,NaN]"', '"[3,1E-8]"']
    assert arrays_as_text(values, np.array([False, True])).to_pylist()[1] == "null"


def write(path: Path, rows: int = 3) -> str:
    texts = {
        "source_id": as_text(np.arange(rows) + 2**60, rows),
        "ra": as_text(np.linspace(0.1, 300, rows), rows),
        "flag": as_text(np.array(["a", None, "c"], dtype=object)[:rows], rows),
        "flux": arrays_as_text(np.array([[1.0, np.nan]] * rows, dtype=np.float32)),
    }
    file = BulkFile(path, text_header("Gaia DR3", "some_table", "Words.", COLUMNS))
    file.write(COLUMNS, texts, rows)
    file.write(COLUMNS, {}, 0)
    file.close()
    assert file.rows == rows
    return file.md5


def test_file(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.csv.gz"), write(tmp_path / "b.csv.gz")
    assert first == second
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    lines = gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).decode().split("\n")
    assert lines[-2] == '1152921504606846978,300.0,"c",null,"[1,NaN]"'
    table = Table.read(tmp_path / "a.csv.gz", format="ascii.ecsv", fill_values=[("null", "0")])
    assert table["source_id"][2] == 2**60 + 2
    assert table["flag"].mask.tolist() == [False, True, False]
    assert np.isnan(table["flux"][0][1])


def test_dialect_of_a_published_file(real_data: Path) -> None:
    path = real_data / "bulk_ecsv_layout" / "gaia_epoch_photometry_bulk_3rows.ecsv"
    real = [line for line in path.read_text().splitlines() if line.startswith("#")]
    ours = text_header("Gaia DR3", "some_table", "Words.", COLUMNS).splitlines()
    assert real[:6] == [*ours[:5], ours[5].replace("some_table", "epoch_photometry")]
    for line in ("# - ", "#   datatype: string ", "#   unit: deg", "#   unit: \"'electron'.s**-1\"", "#   meta:"):
        assert line in real
        assert line in ours
    assert any(line.startswith("#   subtype: 'float64[null]' ") for line in real)
    assert "#   subtype: 'float32[null]' " in ours


def test_astropy_reads_every_product(sky: Path) -> None:
    for folder in ("gaia_source", "astrophysical_parameters", "rvs_mean_spectrum", "xp_continuous_mean_spectrum"):
        path = sorted((sky / folder).glob("*.csv.gz"))[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units that astropy does not know
            table = Table.read(path, format="ascii.ecsv", fill_values=[("null", "0")])
        assert table.colnames == [column.name for column in bulk_columns(folder)]
        assert table["source_id"].dtype == np.int64
        assert table.meta["TABLE"] == folder
    spectra = Table.read(
        sorted((sky / "rvs_mean_spectrum").glob("*.csv.gz"))[0], format="ascii.ecsv", fill_values=[("null", "0")]
    )
    assert len(spectra["flux"][0]) == 2401
    assert isinstance(as_text(1, 1), pa.Array)

"""Format parsers: dialects of text, FITS, VOTable and ASCII tables, and files that are damaged."""

import gzip
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table

from catalog.errors import FormatError
from catalog.surveys import convert
from catalog.surveys.formats import ZipArchive, open_file, open_tables, text
from catalog.surveys.tables import RawTable
from tests.surveys.files import bulk_text, spectra, write_bulk


def column(table: RawTable, name: str) -> list[object]:
    """Return a whole column as Python values."""
    values = [np.ma.asarray(block.columns[name]).tolist() for block in table.blocks([name])]
    return [value for block in values for value in block]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_bulk_header_of_a_real_file(real_data: Path) -> None:
    [table] = open_tables(real_data / "bulk_ecsv_layout/gaia_epoch_photometry_bulk_3rows.ecsv")
    assert table.form == "bulk ECSV"
    assert (table.meta["RELEASE"], table.meta["TABLE"]) == ("Gaia DR3", "epoch_photometry")
    # The reverse of the DataLink forms.
    assert table.names[:2] == ("solution_id", "source_id")
    assert column(table, "source_id")[0] == "10655814178816"
    lengths = [int(str(value)) for value in column(table, "n_transits")]
    assert len(lengths) == 3
    times = pa.array(column(table, "g_transit_time"))
    for row, length in enumerate(lengths):
        arrays = convert.to_arrays(times, length, np.float64)
        assert arrays.lengths[row] == length
        assert np.isfinite(arrays.values[row]).any()
    first = convert.to_arrays(times, lengths[0], np.float64).values[0]
    assert first[:2].tolist() == [1820.8582445068785, 2013.8238611752959]


def test_real_tap_join_with_extname_votable(real_data: Path) -> None:
    [table] = open_tables(real_data / "gaia_source/tap_join_vari_planet_21rows.fits")
    assert len(table.names) == 23
    assert len(set(column(table, "source_id"))) == 21
    assert column(table, "source_id")[0] == 1334573817793362560
    assert column(table, "parallax")[0] == 6.1862524703442
    assert np.isnan(np.array(column(table, "ag_gspphot"), dtype=float)).sum() == 2


@pytest.mark.parametrize("form", ["ecsv", "fits", "xml"])
def test_real_single_spectrum_names_its_star_in_the_header(real_data: Path, form: str) -> None:
    [table] = open_tables(real_data / f"xp/datalink_xp_sampled_5937083312263887616.{form}")
    key = "SOURCEID" if form == "fits" else "source_id"
    assert int(table.meta[key]) == 5937083312263887616
    flux = np.concatenate([convert.to_floats(block.columns["flux"], np.float32)[0] for block in table.blocks(["flux"])])
    assert len(flux) == 343
    assert flux[0] == np.float32(4.3137092e-17)


def test_real_ascii_table_in_fits(real_data: Path) -> None:
    [table] = open_tables(real_data / "clusters/spina2021_table3_134clusters.fit")
    assert len(table.names) == 64
    assert str(column(table, "Cluster")[0]).strip() == "ASCC_16"
    assert column(table, "__Fe_H_")[0] == -0.104
    assert len(column(table, "__Fe_H_")) == 134


def test_real_fits_plus_is_not_read_from_its_first_hdu(real_data: Path) -> None:
    [table] = open_tables(real_data / "clusters/cantatgaudin2020_table1_2017clusters.fits")
    assert len(column(table, "Cluster")) == 2017
    [members] = open_tables(real_data / "clusters/occam_members_apogee_dr17.fits")
    assert len(set(column(members, "CLUSTER"))) == 153


def test_header_lines_are_not_counted_but_recognised(tmp_path: Path) -> None:
    for n_comments in (0, 1, 1541):
        path = write(tmp_path / "a.csv", "# a line\n" * n_comments + "a,b\n1,2\n")
        [table] = open_tables(path)
        assert table.names == ("a", "b")
        assert column(table, "b") == ["2"]


def test_bulk_metadata_holds_plain_entries_only(tmp_path: Path) -> None:
    [table] = open_tables(write(tmp_path / "a.ecsv", bulk_text("rvs_mean_spectrum", {"a": [1]})))
    assert table.meta["TABLE"] == "rvs_mean_spectrum"
    assert "source_id" not in table.meta
    assert "name" not in table.meta


def test_ecsv_separates_by_blanks_unless_it_says_otherwise(tmp_path: Path) -> None:
    head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# - {name: b, datatype: string}\n"
    [table] = open_tables(write(tmp_path / "a.ecsv", head + 'a b\n1 "x, y"\n'))
    assert column(table, "b") == ["x, y"]


def test_ecsv_metadata_of_a_single_product(tmp_path: Path) -> None:
    head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# -\n#   name: flux\n#   datatype: float32\n#   meta:\n"
    head += "#     ucd: phot.flux\n# meta:\n#   source_id: 5937083312263887616\n#   spatialLocation: [1.0, 2.0]\n"
    [table] = open_tables(write(tmp_path / "a.ecsv", head + "flux\n1.0\n"))
    assert table.form == "ECSV"
    assert table.meta["source_id"] == "5937083312263887616"


def test_line_ends_blank_lines_and_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,\r\n\r\n5,6")
    [table] = open_tables(path)
    assert column(table, "a") == ["1", "3", "5"]
    assert column(table, "b") == ["2", None, "6"]
    assert [number for block in table.blocks(["a"]) for number in block.row_number] == [1, 2, 3]


def test_null_words_and_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n1,null\n2,\n3,"null"\n4,"say ""a, b"""\n')
    [table] = open_tables(path)
    assert column(table, "b") == [None, None, "null", 'say "a, b"']


def test_rows_of_another_width_are_set_aside_with_their_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n")
    [table] = open_tables(path)
    [block] = table.blocks(["a"])
    assert block.row_number.tolist() == [1, 4]
    assert [(row.row_number, row.rule) for row in block.rejections] == [(2, "columns"), (3, "columns")]
    assert block.rejections[1].reason == "3 fields where the header has 2 columns"


def test_blocks_do_not_depend_on_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{i},x{i % 7}\n" if i % 5 else f"{i}\n" for i in range(1, 400))
    path = write(tmp_path / "a.csv.gz", gzip.compress(("# c\na,b\n" + rows).encode()))

    def read() -> tuple[list[object], list[int], list[int]]:
        [table] = open_tables(path)
        blocks = list(table.blocks(["a"]))
        numbers = np.concatenate([block.row_number for block in blocks]).tolist()
        return column(table, "a"), numbers, [row.row_number for block in blocks for row in block.rejections]

    whole = read()
    for size in (3, 17, 256, 1000):
        monkeypatch.setattr(text, "BLOCK_BYTES", size)
        assert read() == whole
    assert whole[1] == [i for i in range(1, 400) if i % 5]


def test_memory_is_bounded_by_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"a,b\n" + b"12345,67890\n" * 1_000_000, 1))
    monkeypatch.setattr(text, "BLOCK_BYTES", 1 << 18)
    [table] = open_tables(path)
    tracemalloc.start()
    n_rows = sum(len(block.row_number) for block in table.blocks(["a"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 1_000_000
    assert peak < 4 << 20


def test_a_quoted_line_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n1,"2\n3,4\n5",6\n')
    [table] = open_tables(path)
    with pytest.raises(FormatError, match="runs over the end of its line"):
        list(table.blocks(["a"]))


def test_one_name_twice_is_refused_only_when_wanted(tmp_path: Path) -> None:
    [table] = open_tables(write(tmp_path / "a.csv", "a,b,b\n1,2,3\n"))
    assert column(table, "a") == ["1"]
    with pytest.raises(FormatError, match="more than one column named b"):
        list(table.blocks(["b"]))


@pytest.mark.parametrize("content", [b"", b" \n\n", gzip.compress(b"")], ids=["0 bytes", "blank", "gzip of nothing"])
def test_empty_files_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FormatError, match="is empty"):
        open_tables(write(tmp_path / "a.csv.gz", content))


def test_comments_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no line of column names"):
        open_tables(write(tmp_path / "a.csv", "# %ECSV 1.0\n# ---\n"))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        open_tables(tmp_path / "absent.csv")


@pytest.mark.parametrize("suffix", ["fits", "vot", "csv"])
def test_every_format_may_be_compressed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Table({"a": [1, 2, 3]}).write(path, format={"vot": "votable", "csv": "ascii.csv"}.get(suffix, suffix))
    write(tmp_path / "renamed", gzip.compress(path.read_bytes()))
    [table] = open_tables(tmp_path / "renamed")
    assert list(map(int, column(table, "a"))) == [1, 2, 3]


def test_zip_is_opened_as_an_archive_of_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    archive = open_file(tmp_path / "a.zip")
    assert isinstance(archive, ZipArchive)
    assert archive.members == ["a.csv"]
    with pytest.raises(FormatError, match="archive inside an archive"):
        open_tables(tmp_path / "a.zip")


def test_binary_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="neither text nor any other known format"):
        open_tables(write(tmp_path / "a.csv", bytes(range(128, 256)) * 10))


@pytest.mark.parametrize("kept", [0.999, 0.7, 0.3, 0.0001], ids=["checksum", "late", "early", "header"])
def test_truncated_gzip_is_refused(tmp_path: Path, kept: float) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", "rvs_mean_spectrum", spectra(20))
    data = path.read_bytes()
    cut = len(data) - 4 if kept > 0.99 else int(len(data) * kept)
    write(tmp_path / "cut.csv.gz", data[:cut])
    with pytest.raises(FormatError, match=r"truncated|cannot be read") as caught:
        [list(table.blocks(["source_id"])) for table in open_tables(tmp_path / "cut.csv.gz")]
    assert "cut.csv.gz" in caught.value.message


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", "rvs_mean_spectrum", spectra(5))
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    [table] = open_tables(write(path, bytes(data)))
    with pytest.raises(FormatError, match="truncated or damaged"):
        list(table.blocks(["source_id"]))


def test_truncated_fits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    Table({"a": np.arange(5000), "b": np.ones(5000)}).write(path)
    write(path, path.read_bytes()[:20_000])
    with pytest.raises(FormatError, match="truncated or damaged FITS"):
        [list(table.blocks(["a", "b"])) for table in open_tables(path)]


def test_truncated_votable_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    Table({"a": np.arange(500)}).write(path, format="votable")
    write(path, path.read_bytes()[:4000])
    with pytest.raises(FormatError, match="truncated or damaged VOTable"):
        open_tables(path)


def test_fits_integer_null_is_masked(tmp_path: Path) -> None:
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("a", "I", null=-32768, array=np.array([1, -32768, 3])), fits.Column("A", "E", array=np.zeros(3))]
    )
    hdu.writeto(tmp_path / "a.fits")
    [table] = open_tables(tmp_path / "a.fits")
    # Names that differ by case only are kept apart.
    assert column(table, "a") == [1, None, 3]
    assert column(table, "A") == [0.0, 0.0, 0.0]


def test_fits_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.surveys.formats.fits_tables.BLOCK_ROWS", 7)
    Table({"a": np.arange(20)}).write(tmp_path / "a.fits")
    [table] = open_tables(tmp_path / "a.fits")
    blocks = list(table.blocks(["a"]))
    assert [len(block.row_number) for block in blocks] == [7, 7, 6]
    assert [block.fraction for block in blocks] == [7 / 20, 14 / 20, 1.0]
    assert column(table, "a") == list(range(20))


def test_votable_fields_go_by_name_and_tables_may_be_nested(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.vot",
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><RESOURCE type="meta"/><TABLE>'
        '<FIELD ID="SOURCE_ID" name="source_id" datatype="long"/>'
        "<DATA><TABLEDATA><TR><TD>12</TD></TR><TR><TD/></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>",
    )
    [table] = open_tables(path)
    assert table.names == ("source_id",)
    assert column(table, "source_id") == [12, None]

"""What a VOTable says of itself, against astropy's reading and real files."""

import base64
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from astropy.io.votable import parse
from astropy.table import Table

from catalog.errors import FormatError
from catalog.fetch.tap_votable import summarise_votable
from tests.fetch.tap_server import error_document, votable


def mixed(n_rows: int) -> Table:
    """Columns of every length: fixed, texts of any length, arrays of any length."""
    generator = np.random.default_rng(n_rows)
    words = np.array(["x" * int(n) for n in generator.integers(0, 9, n_rows)], dtype=object)
    arrays = np.empty(n_rows, dtype=object)
    for i in range(n_rows):
        values = generator.normal(size=int(generator.integers(0, 5)))
        # astropy writes arrays of any length only with a mask.
        arrays[i] = np.ma.MaskedArray(values, mask=np.zeros(len(values), dtype=bool))
    return Table(
        {
            "source_id": np.arange(n_rows, dtype=np.int64),
            "name": words,
            "flag": generator.integers(0, 2, n_rows).astype(bool),
            "fixed": generator.normal(size=(n_rows, 3)).astype(np.float32),
            "flux": arrays,
            "last": np.arange(n_rows, dtype=np.int16),
        }
    )


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to astropy."""
    monkeypatch.delattr("catalog.fetch.tap_votable._count_with_astropy")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("form", ["binary2", "binary", "tabledata"])
@pytest.mark.parametrize("n_rows", [1, 7, 1500])
def test_rows_are_those_that_astropy_reads(tmp_path: Path, form: str, n_rows: int) -> None:
    file = tmp_path / "table.vot"
    file.write_bytes(votable(mixed(n_rows), form=form))
    summary = summarise_votable(file)
    assert summary.n_rows == n_rows == len(parse(file).get_first_table().array)
    assert summary.names == ("source_id", "name", "flag", "fixed", "flux", "last")
    assert summary.status == "OK"


@pytest.mark.usefixtures("alone")
def test_a_large_file_is_counted_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table.vot"
    file.write_bytes(votable(mixed(500)))
    for size in (1, 7, 4096):
        monkeypatch.setattr("catalog.fetch.tap_votable._PIECE", size)
        assert summarise_votable(file).n_rows == 500


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "table.vot"
    file.write_bytes(gzip.compress(votable(mixed(5))))
    assert summarise_votable(file).n_rows == 5


def test_an_overflow_after_the_table_counts(tmp_path: Path) -> None:
    file = tmp_path / "table.vot"
    file.write_bytes(votable(mixed(5), "OVERFLOW"))
    assert summarise_votable(file).status == "OVERFLOW"


def test_an_error_has_its_message(tmp_path: Path) -> None:
    file = tmp_path / "table.vot"
    file.write_bytes(error_document("Cannot parse <query>"))
    summary = summarise_votable(file)
    assert (summary.status, summary.message, summary.n_rows) == ("ERROR", "Cannot parse <query>", 0)


@pytest.mark.parametrize("form", ["binary2", "binary", "tabledata"])
def test_no_cut_goes_unnoticed(tmp_path: Path, form: str) -> None:
    whole = votable(mixed(30), form=form)
    file = tmp_path / "table.vot"
    for end in range(0, len(whole.rstrip()) - 1, 97):
        file.write_bytes(whole[:end])
        with pytest.raises(FormatError, match="VOTable"):
            summarise_votable(file)


def test_data_that_end_within_a_row_are_noticed_in_a_whole_document(tmp_path: Path) -> None:
    head, start, rest = votable(mixed(30)).decode().partition('<STREAM encoding="base64">')
    data, end, tail = rest.partition("</STREAM>")
    file = tmp_path / "table.vot"
    file.write_text(head + start + "".join(data.split())[:-8] + end + tail)
    with pytest.raises(FormatError, match="its data end within row 30"):
        summarise_votable(file)


def test_data_elsewhere_are_not_fetched(tmp_path: Path) -> None:
    text = votable(mixed(3)).decode().replace('encoding="base64"', 'href="file:///etc/passwd"')
    file = tmp_path / "table.vot"
    file.write_text(text)
    with pytest.raises(FormatError, match="its data lie in another file"):
        summarise_votable(file)


def test_other_xml_is_no_votable(tmp_path: Path) -> None:
    file = tmp_path / "page.vot"
    file.write_text("<html><body>Down</body></html>")
    with pytest.raises(FormatError, match="is no VOTable"):
        summarise_votable(file)


def test_rare_shapes_are_left_to_astropy(tmp_path: Path) -> None:
    # Pairs, of any number: what the length before them counts is not agreed upon.
    row = struct.pack(">Bi4f", 0, 2, 1.0, 2.0, 3.0, 4.0)
    file = tmp_path / "table.vot"
    file.write_text(
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD name="pair" datatype="float" arraysize="2x*"/><DATA><BINARY2><STREAM encoding="base64">'
        f"{base64.b64encode(row * 3).decode()}</STREAM></BINARY2></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    assert summarise_votable(file).n_rows == 3


@pytest.mark.usefixtures("alone")
def test_real_files_have_the_rows_that_astropy_reads(real_data: Path) -> None:
    files = sorted(real_data.rglob("*.vot")) + sorted((real_data / "xp").glob("*.xml"))
    assert len(files) >= 6
    for file in files:
        table = parse(file, verify="ignore").get_first_table()
        summary = summarise_votable(file)
        assert summary.n_rows == len(table.array), file
        assert list(summary.names) == [each.name for each in table.fields], file
    (one,) = [file for file in files if file.name == "gaia_source_tap_1row_152cols.vot"]
    assert len(summarise_votable(one).names) == 152

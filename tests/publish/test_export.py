"""Exported files read back by the tools that people use, compared with the database bit by bit."""

import csv
import hashlib
import json
import subprocess
import warnings

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits, votable
from astropy.table import Table
from astropy.units import UnitsWarning

from catalog.errors import ConfigurationError, DatabaseError, NotFoundError
from catalog.metadata.columns import RVS_CNN
from catalog.publish import export
from catalog.publish.export import CHECKSUMS, export_catalogue
from catalog.publish.formats import WRITERS, row_type
from catalog.publish.handover.producer import Creator, Producer
from catalog.publish.stage import publish_catalogue

NARROW = ("rvs_cnn",)
FORMATS = ("fits", "parquet", "votable", "csv", "ecsv")


@pytest.fixture
def expected(connection, run, settings, seed_run):
    """Publish a run and return its 17 columns as a structured array."""
    stars = seed_run(run)
    publish_catalogue(connection, run, settings)
    return np.array(stars.rows(), dtype=row_type(RVS_CNN))


def compare(table, expected):
    """Compare the columns of anything that gives them by name with the database, floats by their bits."""
    for name in RVS_CNN.column_names:
        values = np.asarray(table[name])
        if expected[name].dtype.kind == "S":
            assert [v.decode() if isinstance(v, bytes) else v for v in values.tolist()] == expected[name].astype(
                "U"
            ).tolist(), name
        else:
            assert values.dtype.itemsize == 4, name
            assert values.astype("<f4").tobytes() == expected[name].astype("<f4").tobytes(), name


@pytest.fixture
def files(connection, expected, tmp_path):
    return export_catalogue(connection, tmp_path / "files", FORMATS, tables=NARROW)


def read(function, *args, **keywords):
    """Read with the one warning that is known: astropy has no unit log(cm.s**-2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)
        warnings.simplefilter("ignore", votable.exceptions.W50)
        return function(*args, **keywords)


def test_fits(files, expected):
    path = files.folder / "rvs_cnn.fits"
    with fits.open(path) as hdus:
        hdus.verify("exception")
        header = hdus["RVS_CNN"].header
        data = hdus["RVS_CNN"].data
        compare(data, expected)
        for i, column in enumerate(RVS_CNN.columns, start=1):
            assert header[f"TTYPE{i}"] == column.name
            assert header[f"TUCD{i}"] == column.ucd
            assert header[f"TCOMM{i}"] == column.description
            assert header.get(f"TUNIT{i}") == (column.unit.strip("'") if column.unit else None)
        assert (header["CATVERS"], header["NAXIS2"]) == (1, len(expected))
    assert path.stat().st_size % 2880 == 0
    table = read(Table.read, path)
    assert table["teff"].unit == units.K
    compare(table, expected)


def test_parquet(files, expected):
    path = files.folder / "rvs_cnn.parquet"
    plain = pq.read_table(path)
    compare({name: plain[name].to_numpy() for name in plain.column_names}, expected)
    assert plain.schema.field("teff").metadata == {
        b"description": RVS_CNN.columns[1].description.encode(),
        b"ucd": b"phys.temperature.effective",
        b"unit": b"K",
    }
    assert not plain.schema.field("flag_boundary").nullable
    table = read(Table.read, path, format="parquet.votable")
    assert table["teff"].unit == units.K
    # Quoted in VOUnits: a unit by that name which the standard does not know.
    assert str(table["mh"].unit) == "dex"
    assert " ".join(table["flag_boundary"].description.split()) == RVS_CNN.columns[16].description
    compare(table, expected)
    # pandas, as most people do.
    compare(pd.read_parquet(path), expected)


def test_votable(files, expected):
    document = read(votable.parse, files.folder / "rvs_cnn.vot")
    (resource,) = document.resources
    assert {info.name: info.value for info in resource.infos}["version"] == "1"
    (table,) = resource.tables
    assert table.nrows == len(expected)
    for field, column in zip(table.fields, RVS_CNN.columns, strict=True):
        assert (field.ID, field.name, field.datatype, field.ucd) == (
            column.name,
            column.name,
            column.datatype,
            column.ucd,
        )
        assert " ".join(field.description.split()) == column.description
        assert (field.unit is None) == (column.unit is None)
    compare(table.array.data, expected)
    assert not any(table.array.mask[name].any() for name in table.array.dtype.names)
    text = (files.folder / "rvs_cnn.vot").read_text()
    assert "<BINARY2>" in text
    assert f'nrows="{len(expected)}"' in text
    assert "unit=\"'dex'\"" in text


def test_votable_is_valid_xml_of_its_version(files):
    problems = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        votable.parse(files.folder / "rvs_cnn.vot", verify="warn")
        problems = [str(each.message) for each in caught if "log(cm.s**-2)" not in str(each.message)]
    assert problems == []


def test_csv(files, expected):
    path = files.folder / "rvs_cnn.csv"
    assert path.read_text().splitlines()[0] == ",".join(RVS_CNN.column_names)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    compare(
        {
            name: np.array([row[name] for row in rows], dtype="U" if expected[name].dtype.kind == "S" else "f4")
            for name in RVS_CNN.column_names
        },
        expected,
    )


def test_ecsv(files, expected):
    table = read(Table.read, files.folder / "rvs_cnn.ecsv")
    compare(table, expected)
    assert table["teff"].unit == units.K
    assert table["teff"].meta["ucd"] == "phys.temperature.effective"
    assert table["flag_boundary"].dtype.kind == "U"
    assert table.meta["version"] == "1"


def test_checksums_are_those_of_sha256sum(files):
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUMS], cwd=files.folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert sorted(files.files) == [
        "rvs_cnn.csv",
        "rvs_cnn.ecsv",
        "rvs_cnn.fits",
        "rvs_cnn.json",
        "rvs_cnn.parquet",
        "rvs_cnn.vot",
    ]
    assert {path.name for path in files.folder.iterdir()} == {*files.files, CHECKSUMS}


def test_description_for_formats_without_a_header(connection, files):
    document = json.loads((files.folder / "rvs_cnn.json").read_text())
    assert [column["name"] for column in document["columns"]] == list(RVS_CNN.column_names)
    (sha256,) = connection.execute("SELECT sha256 FROM production.publication").fetchone()
    assert document["facts"]["sha256"] == sha256
    assert document["facts"]["n_rows"] == 200


def test_many_blocks_give_the_same_bytes(connection, files, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_BLOCK", 7)
    again = export_catalogue(connection, tmp_path / "again", ("fits", "votable", "csv", "ecsv"), tables=NARROW)
    for name in ("rvs_cnn.fits", "rvs_cnn.csv", "rvs_cnn.ecsv"):
        assert again.files[name] == files.files[name], name
    one, many = (read(votable.parse_single_table, each.folder / "rvs_cnn.vot") for each in (files, again))
    assert one.array.data.tobytes() == many.array.data.tobytes()


def test_files_that_are_there_are_left_alone(connection, files):
    before = {path.name: path.stat().st_mtime_ns for path in files.folder.iterdir()}
    again = export_catalogue(connection, files.folder, FORMATS, tables=NARROW)
    assert again.written == ()
    assert again.files == files.files
    assert {path.name: path.stat().st_mtime_ns for path in files.folder.iterdir()} == before


def test_damaged_file_is_written_anew(connection, files):
    damaged = files.folder / "rvs_cnn.fits"
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    again = export_catalogue(connection, files.folder, FORMATS, tables=NARROW)
    assert again.written == ("rvs_cnn.fits",)
    assert again.files == files.files


def test_another_format_joins_the_others(connection, expected, tmp_path):
    export_catalogue(connection, tmp_path, ("csv",), tables=NARROW)
    both = export_catalogue(connection, tmp_path, ("fits",), tables=NARROW)
    assert both.written == ("rvs_cnn.fits",)
    assert sorted(both.files) == ["rvs_cnn.csv", "rvs_cnn.fits", "rvs_cnn.json"]
    assert len((tmp_path / CHECKSUMS).read_text().splitlines()) == 3


def test_files_of_another_catalogue_are_replaced(connection, files):
    connection.execute("UPDATE production.publication SET sha256 = repeat('a', 64)")
    again = export_catalogue(connection, files.folder, ("csv",), tables=NARROW)
    assert again.written == ("rvs_cnn.csv",)
    assert sorted(again.files) == ["rvs_cnn.csv", "rvs_cnn.json"]


def test_failure_leaves_no_half_file(connection, files, monkeypatch):
    before = (files.folder / "rvs_cnn.csv").read_bytes()
    (files.folder / CHECKSUMS).unlink()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(WRITERS["fits"], "write", fail)
    with pytest.raises(OSError, match="disk full"):
        export_catalogue(connection, files.folder, FORMATS, tables=NARROW)
    assert not list(files.folder.glob("*.part"))
    assert (files.folder / "rvs_cnn.csv").read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["DELETE FROM {} WHERE sourceid = '{}'", "INSERT INTO {0} SELECT '7', {2} FROM {0} LIMIT 1"]
)
def test_table_that_was_changed_by_hand_is_refused(connection, expected, tmp_path, statement):
    rest = ", ".join(RVS_CNN.column_names[1:])
    connection.execute(statement.format("catalogue.rvs_cnn_v1", expected["sourceid"][0].decode(), rest))
    with pytest.raises(DatabaseError, match=r"published with 200 rows, but its table has (199|201|more)"):
        export_catalogue(connection, tmp_path / "files", ("fits", "csv"))
    assert not list((tmp_path / "files").iterdir())


def test_older_version(connection, run, settings, expected, tmp_path):
    connection.execute("UPDATE production.label SET teff = 4321")
    publish_catalogue(connection, run, settings)
    old = export_catalogue(connection, tmp_path / "old", ("fits",), version=1)
    new = export_catalogue(connection, tmp_path / "new", ("fits",))
    assert (old.version, new.version) == (1, 2)
    compare(fits.getdata(old.folder / "rvs_cnn.fits", 1), expected)
    assert (fits.getdata(new.folder / "rvs_cnn.fits", 1)["teff"] == 4321).all()


def test_publication_writes_the_files_of_the_profile(settings, expected):
    folder = settings.exports / "v1"
    line = (folder / CHECKSUMS).read_text().splitlines()[0]
    assert line == f"{hashlib.sha256((folder / 'rvs_cnn.csv').read_bytes()).hexdigest()}  rvs_cnn.csv"


def test_unknown_format(connection, expected, tmp_path):
    with pytest.raises(ConfigurationError, match="Unknown export format: xlsx"):
        export_catalogue(connection, tmp_path, ("fits", "xlsx"))


def test_nothing_published(connection, tmp_path):
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        export_catalogue(connection, tmp_path, ("fits",))


@pytest.mark.usefixtures("expected")
def test_files_name_who_made_them(connection, tmp_path):
    producer = Producer(
        publisher="An observatory",
        licence="CC-BY-4.0",
        doi="10.12345/example",
        creators=(Creator(name="Roe, R."), Creator(name="Doe, J.")),
    )
    forms = ("fits", "votable", "cds", "hats", "csv")
    export_catalogue(connection, tmp_path / "said", forms, tables=["rvs_cnn"], producer=producer)
    export_catalogue(connection, tmp_path / "unsaid", forms, tables=["rvs_cnn"])
    export_catalogue(connection, tmp_path / "other", ["fits"], tables=["rvs_cnn"], author="Poe E.", producer=producer)
    header = fits.getheader(tmp_path / "said" / "rvs_cnn.fits", 1)
    assert [header[key] for key in ("AUTHOR", "RIGHTS", "CITATION")] == [
        "Roe, R.; Doe, J.",
        "CC-BY-4.0",
        "doi:10.12345/example",
    ]
    assert fits.getheader(tmp_path / "other" / "rvs_cnn.fits", 1)["AUTHOR"] == "Poe E."
    bare = fits.getheader(tmp_path / "unsaid" / "rvs_cnn.fits", 1)
    assert bare["AUTHOR"] == "not stated"
    assert "RIGHTS" not in bare
    votable = (tmp_path / "said" / "rvs_cnn.vot").read_bytes()
    assert b'name="rights_uri" value="https://creativecommons.org/licenses/by/4.0/"' in votable
    assert b"rights" not in (tmp_path / "unsaid" / "rvs_cnn.vot").read_bytes()
    words = " ".join((tmp_path / "said" / "cds" / "ReadMe").read_text().split())
    assert "Licence: CC-BY-4.0 https://creativecommons.org/licenses/by/4.0/" in words
    assert "Authors not stated" in (tmp_path / "unsaid" / "cds" / "ReadMe").read_text()
    properties = (tmp_path / "said" / "rvs_cnn_hats" / "collection.properties").read_text()
    assert "obs_copyright=CC-BY-4.0\n" in properties

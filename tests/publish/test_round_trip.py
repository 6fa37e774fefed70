"""Every format, read back by the tools that people use, equals the database: both tables, nulls and awkward values."""

import csv
import subprocess
import sys

import numpy as np
import psycopg
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest
from astropy.io import ascii as tables
from astropy.io import fits, votable
from astropy.table import Table

from catalog.errors import DatabaseError
from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish import export
from catalog.publish.export import CHECKSUMS, TABLES, export_catalogue
from catalog.publish.formats import FORMATS, WRITERS, Facts
from catalog.publish.formats.cds import CdsTable
from catalog.publish.formats.hats.leaves import HEALPIX
from catalog.publish.packages import with_positions
from catalog.sky.healpix import pixels
from tests.publish.awkward import blocks_of, compare, publish_awkward, rows_of

pytestmark = pytest.mark.filterwarnings(
    # astropy has no unit log(cm.s**-2), and says so.
    "ignore::astropy.units.UnitsWarning",
    "ignore::astropy.io.votable.exceptions.W50",
)
BOTH = pytest.mark.parametrize("name", list(TABLES))


@pytest.fixture(scope="module")
def connection(module_database_url):
    with psycopg.connect(module_database_url) as connection:
        publish_awkward(connection)
        yield connection


@pytest.fixture(scope="module")
def files(connection, tmp_path_factory):
    return export_catalogue(connection, tmp_path_factory.mktemp("files"), FORMATS).folder


def masked(column):
    """Return the values of a column that may be masked, with None where it is."""
    mask = np.ma.getmaskarray(column)
    return [None if m else v for v, m in zip(np.ma.getdata(column).tolist(), mask.tolist(), strict=True)]


@BOTH
def test_fits(files, connection, name):
    info = TABLES[name]
    with fits.open(files / f"{name}.fits") as hdus:
        hdus.verify("exception")
        assert hdus[0].header["VOTMETA"] is True
        document = hdus[0].data.tobytes()
        assert hdus[1].header["TTYPE1"] == info.column_names[0]
        data, header = hdus[1].data, hdus[1].header

        def values(column):
            number = info.column_names.index(column) + 1
            null = header.get(f"TNULL{number}")
            found = data[column].tolist()
            return [
                None if (isinstance(v, float) and np.isnan(v)) or v == "" or (null is not None and v == null) else v
                for v in found
            ]

        compare(values, info, rows_of(connection, info), "fits")
    assert b"<FIELD" in document
    table = Table.read(files / f"{name}.fits", hdu=1)
    if name == "rvs_cnn_extended":
        assert masked(table["pca_outside"]) == [row[-4] for row in rows_of(connection, info)]


@BOTH
def test_votable(files, connection, name):
    document = votable.parse(files / f"{name}.vot")
    array = document.get_first_table().array

    def values(column):
        # astropy gives no mask to text; nothing but null is empty there.
        return [None if v in (b"", "") else v for v in masked(array[column])]

    compare(values, TABLES[name], rows_of(connection, TABLES[name]), "votable")


@BOTH
def test_parquet(files, connection, name):
    table = pq.read_table(files / f"{name}.parquet")
    compare(lambda column: table[column].to_pylist(), TABLES[name], rows_of(connection, TABLES[name]), "parquet")
    for column in TABLES[name].columns:
        told = table.schema.field(column.name)
        assert told.metadata[b"ucd"].decode() == column.ucd
        assert told.nullable == column.nullable
    with_units = Table.read(files / f"{name}.parquet", format="parquet.votable")
    assert str(with_units["teff"].unit) == "K"


@BOTH
def test_csv_is_read_by_python_and_by_the_database(files, connection, name):
    info = TABLES[name]
    with (files / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    def values(column):
        kind = next(each.datatype for each in info.columns if each.name == column)
        read = {"float": np.float32, "double": float, "char": str}.get(kind, int)
        return [None if row[column] == "" else read(row[column]) for row in rows]

    compare(values, info, rows_of(connection, info), "csv")
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE copied (LIKE catalogue.{name}_v1)")
        with cursor.copy("COPY copied FROM STDIN (FORMAT csv, HEADER match)") as copy:
            copy.write((files / f"{name}.csv").read_bytes())
        (lost,) = cursor.execute(
            f"SELECT count(*) FROM (TABLE copied EXCEPT TABLE catalogue.{name}_v1) AS other"
        ).fetchone()
    assert lost == 0


@BOTH
def test_ecsv(files, connection, name):
    table = Table.read(files / f"{name}.ecsv", format="ascii.ecsv")
    compare(lambda column: masked(table[column]), TABLES[name], rows_of(connection, TABLES[name]), "ecsv")
    for column in TABLES[name].columns:
        assert table[column.name].description == column.description


@BOTH
def test_cds(files, connection, name):
    info = TABLES[name]
    table = tables.read(files / "cds" / f"{name}.dat", readme=files / "cds" / "ReadMe", format="cds")

    def values(column):
        kind = next(each for each in info.columns if each.name == column)
        found = masked(table[column])
        if kind.datatype == "char":
            # Digits alone look like numbers to a reader of text.
            width = int(kind.arraysize.rstrip("*"))
            return [
                v if v is None or isinstance(v, str) else f"{v:0{width if column == 'flag_boundary' else 0}d}"
                for v in found
            ]
        return found

    compare(values, info, rows_of(connection, info), "cds")
    text = (files / "cds" / "ReadMe").read_text(encoding="ascii")
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("\n")
    assert "digit 8 = the RVS spectrum is unlike" in text
    assert tuple(table.colnames) == info.column_names
    lines = (files / "cds" / f"{name}.dat").read_bytes().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert str(table["logg"].unit) != ""


def leaves(folder):
    return {
        path: pq.read_table(path, partitioning=None)
        for path in sorted(folder.glob("dataset/Norder=*/Dir=*/Npix=*.parquet"))
    }


@BOTH
def test_hats(files, connection, name):
    info = TABLES[name]
    folder = files / f"{name}_hats" / name
    table = pds.parquet_dataset(folder / "dataset" / "_metadata").to_table().sort_by("ra")
    order = np.argsort([int(v) for v in table["sourceid"].to_pylist()])
    table = table.take(order)
    compare(lambda column: table[column].to_pylist(), info, rows_of(connection, info), "hats")
    assert table.column_names[0] == HEALPIX
    assert set(with_positions(info).column_names) < set(table.column_names)
    found = leaves(folder)
    told = (folder / "partition_info.csv").read_text().splitlines()
    assert told[0] == "Norder,Npix"
    assert len(told) == len(found) + 1
    for path, part in found.items():
        norder, npix = int(path.parts[-3][7:]), int(path.stem[5:])
        assert path.parts[-2] == f"Dir={npix // 10000 * 10000}"
        healpix = part[HEALPIX].to_numpy()
        assert (np.diff(healpix) >= 0).all()
        assert (healpix >> 2 * (29 - norder) == npix).all()
        assert (healpix == pixels(part["ra"].to_numpy(), part["dec"].to_numpy())).all()
    properties = dict(
        line.split("=", 1) for line in (folder / "hats.properties").read_text().splitlines() if "=" in line
    )
    assert properties["dataproduct_type"] == "object"
    assert properties["hats_nrows"] == str(len(table))
    assert (folder / "dataset" / "_common_metadata").is_file()


@BOTH
def test_hats_by_its_own_library(files, name):
    hats = pytest.importorskip("hats", reason="hats is not installed: tests/acceptance/exports.py proves it")
    assert hats.io.validation.is_valid_catalog(files / f"{name}_hats", strict=True)


def test_one_row_alone_comes_back(connection, tmp_path):
    (row,) = rows_of(connection, RVS_CNN_EXTENDED)[7:8]
    rows, nulls = blocks_of(connection, "rvs_cnn_extended", 7)[1]
    path = tmp_path / "one.parquet"
    writer = WRITERS["parquet"](path, RVS_CNN_EXTENDED, Facts("one", 1, 1, 1, "0" * 64, "2026-01-01", "rvscat"))
    writer.write(rows[:1], {name: null[:1] for name, null in nulls.items()})
    writer.close()
    compare(lambda column: pq.read_table(path)[column].to_pylist(), RVS_CNN_EXTENDED, [row])


@pytest.mark.parametrize("block", [1, 7, 299, 300, 1000])
def test_blocks_of_any_size_are_the_same_rows(connection, block):
    for name, info in TABLES.items():
        found = blocks_of(connection, name, block)
        assert max(len(rows) for rows, _ in found) <= block

        columns = {
            column: [
                None if column in nulls and nulls[column][i] else rows[column][i].item()
                for rows, nulls in found
                for i in range(len(rows))
            ]
            for column in info.column_names
        }
        compare(columns.__getitem__, info, rows_of(connection, info))


def test_everything_again_is_left_alone_and_damage_is_mended(connection, files):
    assert export_catalogue(connection, files, FORMATS).written == ()
    (leaf, *_) = leaves(files / "rvs_cnn_hats" / "rvs_cnn")
    whole = leaf.read_bytes()
    leaf.write_bytes(whole[:-1])
    (files / "cds" / "ReadMe").unlink()
    # As a kill leaves them.
    (files / "rvs_cnn_hats.part").mkdir()
    (files / "rvs_cnn_hats.part" / "rest").write_text("x")
    (files / "rvs_cnn.fits.part").write_text("x")
    assert export_catalogue(connection, files, FORMATS).written == ("rvs_cnn_hats", "cds")
    assert leaf.read_bytes() == whole
    assert not list(files.glob("*.part"))
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUMS], cwd=files, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    listed = {line.partition("  ")[2] for line in (files / CHECKSUMS).read_text().splitlines()}
    there = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
    assert there == {*listed, CHECKSUMS}


def test_killed_export_is_done_again(connection, files, module_database_url, tmp_path):
    code = """
import os, sys, psycopg
from pathlib import Path
from catalog.publish import export
export._BLOCK = 20
def kill(done, total, what):
    if done > 0.7 * total:
        os._exit(9)
with psycopg.connect(sys.argv[1]) as connection:
    export.export_catalogue(connection, Path(sys.argv[2]), export.FORMATS, kill)
"""
    ended = subprocess.run([sys.executable, "-c", code, module_database_url, str(tmp_path)], check=False)
    assert ended.returncode == 9
    assert {path.suffix for path in tmp_path.iterdir()} == {".part"}
    again = export_catalogue(connection, tmp_path, FORMATS)
    assert not list(tmp_path.glob("*.part"))
    assert again.files == {name: sha for name, sha in again.files.items() if (tmp_path / name).is_file()}
    for name in ("rvs_cnn_extended.fits", "cds/ReadMe", "cds/rvs_cnn.dat"):
        assert (tmp_path / name).read_bytes() == (files / name).read_bytes()


@pytest.mark.parametrize(
    ("value", "column", "refusing"),
    [
        ("Ünïcode", "apogee_id", {"fits", "votable", "cds"}),
        ("", "apogee_id", {"fits", "votable", "cds", "ecsv"}),
        (" edge", "apogee_id", {"fits", "votable", "cds", "ecsv"}),
        ("two\nlines", "apogee_id", {"fits", "votable", "cds", "ecsv"}),
        (float("nan"), "parallax", {"fits", "cds"}),
        (float("inf"), "parallax", {"cds"}),
    ],
)
def test_what_a_format_cannot_hold_is_refused_not_changed(connection, tmp_path, value, column, refusing):
    with connection.transaction(force_rollback=True):
        connection.execute(f"UPDATE catalogue.rvs_cnn_extended_v1 SET {column} = %s WHERE ctid = '(0,3)'", (value,))
        expected = rows_of(connection, RVS_CNN_EXTENDED)
        for form in ("fits", "votable", "parquet", "csv", "ecsv", "cds"):
            if form in refusing:
                with pytest.raises(DatabaseError, match=rf"Star \d+: {column} is .*cannot hold"):
                    export_catalogue(connection, tmp_path / form, [form], tables=("rvs_cnn_extended",))
                assert list((tmp_path / form).iterdir()) == []
            else:
                export_catalogue(connection, tmp_path / form, [form], tables=("rvs_cnn_extended",))
        table = pq.read_table(tmp_path / "parquet" / "rvs_cnn_extended.parquet")
        compare(lambda name: table[name].to_pylist(), RVS_CNN_EXTENDED, expected)


def test_another_export_into_the_folder_waits_its_turn(connection, tmp_path):
    with (
        export.exporting(tmp_path / "here"),
        pytest.raises(DatabaseError, match="Another process exports"),
    ):
        export_catalogue(connection, tmp_path / "here", ["csv"])


def test_cds_numbers_have_a_point_where_fortran_would_put_one(tmp_path):
    info = TABLES["rvs_cnn"]
    rows = np.zeros(2, dtype=[(name, kind) for name, (kind, _) in export_kinds(info).items()])
    rows["sourceid"], rows["flag_boundary"] = b"12", b"00000000"
    rows["teff"] = [5000, 4999.5]
    rows["logg"] = [1e-38, 2]
    table = CdsTable(tmp_path / "t.dat", info)
    table.measure(rows, {})
    table.write(rows, {})
    table.close()
    line = (tmp_path / "t.dat").read_text().splitlines()[0].split()
    assert line[1] == "5000.0"
    assert line[4] == "1.0E-38"
    assert [each.format for each in table.columns[:5:4]] == ["A2", "E7.1"]


def export_kinds(info):
    from catalog.publish.formats import row_type

    return row_type(info).fields

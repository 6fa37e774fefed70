"""Each format read back equals what the database has."""

import csv
import io
import json
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

from catalog.metadata.columns import RVS_CNN_EXTENDED

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*W50", "ignore:.*did not parse as fits unit", "ignore:.*not a valid unit"
)

ADQL = "SELECT * FROM catalogue.rvs_cnn_extended ORDER BY source_id"
NAMES = ", ".join(f'"{name}"' for name in RVS_CNN_EXTENDED.column_names)
SQL = f"SELECT {NAMES} FROM catalogue.rvs_cnn_extended ORDER BY source_id"
COLUMNS = RVS_CNN_EXTENDED.columns
KINDS = {"float": "f4", "double": "f8", "short": "i2", "int": "i4", "long": "i8"}


@pytest.fixture(scope="module")
def truth(service):
    return list(zip(*service.rows(SQL), strict=True))


def compare(truth, values, masks, *, ascii_only=False):
    """Compare columns of `values`, null where `masks`, with the database bit by bit."""
    for column, expected, got, missing in zip(COLUMNS, truth, values, masks, strict=True):
        null = np.array([value is None for value in expected])
        assert np.array_equal(np.asarray(missing), null), column.name
        for want, value in zip(expected, got, strict=True):
            if want is None:
                continue
            if column.datatype == "char":
                text = value.decode() if isinstance(value, bytes) else str(value)
                assert text == (want.encode("ascii", "replace").decode() if ascii_only else want), column.name
            else:
                kind = KINDS[column.datatype]
                assert np.array(value, kind).tobytes() == np.array(want, kind).tobytes(), (column.name, value, want)


@pytest.mark.parametrize("name", ["votable", "votable/td"])
def test_votable(service, truth, name):
    answer = service.sync(ADQL, RESPONSEFORMAT=name)
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    document = parse(io.BytesIO(answer.content))
    table = document.get_first_table()
    assert [info.value for info in document.resources[0].infos if info.name == "QUERY_STATUS"] == ["OK"]
    for column, field in zip(COLUMNS, table.fields, strict=True):
        assert (field.name, field.datatype, field.arraysize) == (column.name, column.datatype, column.arraysize)
        assert (field.ucd, field.description) == (column.ucd, column.description)
        assert (str(field.unit) if field.unit is not None else None) is not None or column.unit is None
    assert 'unit="log(cm.s**-2)"' in answer.text
    array = table.array
    null_texts = [
        [value in ("", None) for value in array[column.name]] if column.datatype == "char" else None
        for column in COLUMNS
    ]
    masks = []
    for column, texts in zip(COLUMNS, null_texts, strict=True):
        mask = np.ma.getmaskarray(array[column.name])
        if column.datatype in ("float", "double"):
            mask = mask | np.isnan(np.ma.getdata(array[column.name]))
        masks.append(np.array(texts) if texts is not None else mask)
    compare(truth, [np.ma.getdata(array[c.name]) for c in COLUMNS], masks, ascii_only=name == "votable")


def test_fits(service, truth):
    answer = service.sync(ADQL, RESPONSEFORMAT="fits")
    assert answer.headers["content-type"] == "application/fits"
    assert len(answer.content) % 2880 == 0
    with fits.open(io.BytesIO(answer.content)) as files:
        files.verify("exception")
        hdu = files[1]
        assert hdu.header["NAXIS2"] == len(truth[0])
        assert hdu.header["TUNIT1"] if COLUMNS[0].unit else True
        assert hdu.header["TUCD1"] == COLUMNS[0].ucd
        assert hdu.header["TCOMM1"] == COLUMNS[0].description
        assert hdu.header["QSTATUS"] == "OK"
        values, masks = [], []
        for i, column in enumerate(COLUMNS, start=1):
            got = hdu.data[column.name]
            values.append(got)
            if column.datatype == "char":
                masks.append(got == "")
            elif column.datatype in ("float", "double"):
                masks.append(np.isnan(got))
            else:
                masks.append(got == hdu.header[f"TNULL{i}"])
        compare(truth, values, masks, ascii_only=True)


def test_parquet(service, truth):
    answer = service.sync(ADQL, RESPONSEFORMAT="parquet")
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == [column.name for column in COLUMNS]
    assert "IVOA.VOTable-Parquet.content" in {key.decode() for key in table.schema.metadata}
    parse(io.BytesIO(table.schema.metadata[b"IVOA.VOTable-Parquet.content"]))
    columns = [table.column(i).to_pylist() for i in range(table.num_columns)]
    compare(truth, columns, [[value is None for value in column] for column in columns])


def test_csv_and_tsv(service, truth):
    for name, delimiter, kind in (("csv", ",", "text/csv"), ("tsv", "\t", "text/tab-separated-values")):
        answer = service.sync(ADQL, RESPONSEFORMAT=name)
        assert answer.headers["content-type"].startswith(kind)
        quoting = csv.QUOTE_MINIMAL if name == "csv" else csv.QUOTE_NONE
        names, *rows = csv.reader(io.StringIO(answer.text), delimiter=delimiter, quoting=quoting)
        assert names == [column.name for column in COLUMNS]
        columns = list(zip(*rows, strict=True))
        compare(truth, columns, [[value == "" for value in column] for column in columns])


def test_json(service, truth):
    answer = service.sync(ADQL, RESPONSEFORMAT="json")
    document = json.loads(answer.text)
    assert [each["name"] for each in document["metadata"]] == [column.name for column in COLUMNS]
    assert [each["unit"] for each in document["metadata"]] == [column.unit for column in COLUMNS]
    assert document["overflow"] is False
    columns = list(zip(*document["data"], strict=True))
    compare(truth, columns, [[value is None for value in column] for column in columns])


def test_awkward_names_values_and_types(service):
    adql = (
        'SELECT TOP 2 COUNT(*) AS "a <b> & ""c"", é", 1 / 0.5 AS x, CAST(\'2024-01-02\' AS TIMESTAMP) AS t, NULL AS n, '
        "'tab\tline' AS s, SUM(source_id) AS total FROM rvs_cnn_extended"
    )
    table = parse(io.BytesIO(service.sync(adql, FORMAT="votable").content)).get_first_table()
    assert [field.name for field in table.fields] == ['a <b> & "c", é', "x", "t", "n", "s", "total"]
    assert [field.datatype for field in table.fields] == ["long", "double", "char", "char", "char", "double"]
    assert table.fields[2].xtype == "timestamp"
    assert list(table.array[0])[:3] == [1200, 2.0, "2024-01-02T00:00:00"]
    for name in ("csv", "tsv", "json", "fits", "parquet", "votable/td"):
        assert service.sync(adql, FORMAT=name).status_code == 200
    assert "tab line" in service.sync(adql, FORMAT="tsv").text


@pytest.mark.parametrize("name", ["votable", "votable/td", "fits", "csv", "tsv", "json", "parquet"])
def test_no_rows(service, name):
    answer = service.sync("SELECT * FROM rvs_cnn WHERE teff > 1e30", RESPONSEFORMAT=name)
    assert answer.status_code == 200
    readers = {"votable": "votable", "votable/td": "votable", "fits": "fits", "parquet": "parquet", "csv": "ascii.csv"}
    if name in readers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(io.BytesIO(answer.content), format=readers[name])
        assert (len(table), len(table.columns)) == (0, 17)
    elif name == "json":
        assert json.loads(answer.text)["data"] == []


def test_media_types_in_any_case(service):
    for name in ("TEXT/CSV", "text/csv; header=present", "CSV"):
        assert service.sync("SELECT TOP 1 sourceid FROM rvs_cnn", RESPONSEFORMAT=name).text.startswith("sourceid\n")
    answer = service.sync("SELECT TOP 1 sourceid FROM rvs_cnn", RESPONSEFORMAT="application/x-evil")
    assert answer.status_code == 400
    assert "x-evil" in answer.text

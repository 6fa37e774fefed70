"""Answers as tables, CSV, JSON and VOTable."""

import csv
import io
import json

import numpy as np
import pytest
from astropy.io.votable import parse
from rich.console import Console

from catalog.service import writers
from catalog.service.query import QueryResult, ResultColumn
from catalog.service.writers import FORMATS, write

COLUMNS = (
    ResultColumn("sourceid", "char", "19", None, "meta.id;meta.main", "Gaia source identifier"),
    ResultColumn("teff", "float", None, "K", "phys.temperature.effective", "Temperature"),
    ResultColumn("sigma_logg", "float", None, "log(cm.s**-2)", "stat.error;phys.gravity", None),
    ResultColumn("alpham", "float", None, "'dex'", "phys.abund", None),
    ResultColumn("n", "long"),
    ResultColumn("ok", "boolean"),
    ResultColumn("ra", "double", None, "deg", "pos.eq.ra", None),
    ResultColumn("note", "char", "*"),
)
ROWS = [
    ("4268620287278693120", 4800.777, 0.125, -0.0312, 10**18 + 1, True, 286.8085269791958, 'a, "b" [red]'),
    ("1", None, float("nan"), None, None, None, None, None),
]
RESULT = QueryResult(COLUMNS, ROWS, False, "")


def written(format_, result=RESULT):
    stream = io.StringIO()
    write(result, format_, stream)
    return stream.getvalue()


def test_csv():
    rows = list(csv.reader(io.StringIO(written("csv"))))
    assert rows[0] == [column.name for column in COLUMNS]
    assert rows[1] == [
        "4268620287278693120",
        "4800.777",
        "0.125",
        "-0.0312",
        "1000000000000000001",
        "true",
        "286.8085269791958",
        'a, "b" [red]',
    ]
    assert rows[2] == ["1", "", "nan", "", "", "", "", ""]


def test_json():
    answer = json.loads(written("json"))
    assert answer["rows"][0] == list(ROWS[0])
    assert answer["rows"][1] == ["1", None, None, None, None, None, None, None]
    assert answer["columns"][1] == {
        "name": "teff",
        "datatype": "float",
        "unit": "K",
        "ucd": "phys.temperature.effective",
        "description": "Temperature",
    }
    assert answer["truncated"] is False
    assert json.loads(written("json", QueryResult(COLUMNS, ROWS, True, "")))["truncated"] is True


@pytest.mark.filterwarnings("ignore:.*W50")
def test_votable():
    document = parse(io.BytesIO(written("votable").encode()))
    assert [(info.name, info.value) for info in document.resources[0].infos] == [("QUERY_STATUS", "OK")]
    table = document.get_first_table()
    fields = {field.name: field for field in table.fields}
    assert list(fields) == [column.name for column in COLUMNS]
    assert fields["sigma_logg"].ucd == "stat.error;phys.gravity"
    assert (fields["sourceid"].datatype, fields["sourceid"].arraysize) == ("char", "19")
    assert fields["sourceid"].description == "Gaia source identifier"
    assert 'unit="log(cm.s**-2)"' in written("votable")
    assert "unit=\"'dex'\"" in written("votable").replace("&apos;", "'")
    array = table.array
    assert array["sourceid"][0] == "4268620287278693120"
    assert array["teff"][0] == np.float32(4800.777)
    assert array["n"][0] == 10**18 + 1
    assert array["ok"][0]
    assert array["note"][0] == 'a, "b" [red]'
    assert [bool(array.mask[name][1]) for name in ("teff", "alpham", "n", "ok", "ra")] == [True] * 5


@pytest.mark.filterwarnings("ignore:.*W50")
def test_votable_says_that_it_is_not_all():
    document = parse(io.BytesIO(written("votable", QueryResult(COLUMNS, ROWS, True, "")).encode()))
    assert [info.value for info in document.resources[0].infos] == ["OVERFLOW"]


@pytest.mark.filterwarnings("ignore:.*W50")
@pytest.mark.parametrize("format_", FORMATS)
def test_no_rows(format_):
    text = written(format_, QueryResult(COLUMNS, [], False, ""))
    assert "sourceid" in text


def test_table():
    text = written("table")
    lines = text.splitlines()
    assert {"sourceid", "teff", "sigma_logg", "note"} <= set(lines[1].split())
    assert lines[2].split() == ["K", "log(cm.s**-2)", "dex", "deg"]
    assert lines[4].split() == [
        "4268620287278693120",
        "4801",
        "0.12",
        "-0.031",
        "1000000000000000001",
        "true",
        "286.808527",
        "a,",
        '"b"',
        "[red]",
    ]
    assert lines[5].split() == ["1", "nan"]
    assert text.rstrip().endswith("2 rows.")


def test_table_in_a_file_is_never_folded():
    columns = tuple(ResultColumn(f"column_{i}", "double") for i in range(60))
    text = written("table", QueryResult(columns, [tuple(float(i) for i in range(60))], True, ""))
    assert "column_59" in text.splitlines()[1]
    assert "…" not in text
    assert text.rstrip().endswith("The first 1 row of more.")


def test_wide_table_in_a_terminal_stands_sideways(monkeypatch):
    monkeypatch.setattr(
        writers, "Console", lambda **options: Console(**options, force_terminal=True, width=70, color_system=None)
    )
    columns = tuple(ResultColumn(f"column_{i}", "double", unit="K" if i == 3 else None) for i in range(20))
    rows = [tuple(1000.0 * row + i for i in range(20)) for row in range(1, 31)]
    lines = written("table", QueryResult(columns, rows, False, "")).splitlines()
    assert max(map(len, lines)) <= 70
    named = [line for line in lines if "column_3 [K]" in line]
    assert [value for line in named for value in line.replace("column_3 [K]", "").split() if value.isdigit()] == [
        str(1000 * row + 3) for row in range(1, 31)
    ]
    assert not any("…" in line for line in lines)

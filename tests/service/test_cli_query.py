"""`rvscat query` as a user types it."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from catalog.cli.query import query
from catalog.errors import QueryError

TWO = "SELECT TOP 2 sourceid, teff FROM catalogue.rvs_cnn ORDER BY teff"


@pytest.fixture
def invoke(catalogue_url, tmp_path, monkeypatch):
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", catalogue_url)
    return lambda *arguments, **options: CliRunner().invoke(query, arguments, **options)


def test_table(invoke):
    result = invoke("SELECT TOP 5 * FROM catalogue.rvs_cnn")
    assert result.exit_code == 0
    assert "flag_boundary" in result.stdout
    assert "5 rows." in result.stdout


def test_formats(invoke):
    assert list(csv.reader(io.StringIO(invoke(TWO, "--format", "csv").stdout)))[1:] == [
        ["1003", "3600.0"],
        ["1001", "4800.0"],
    ]
    assert json.loads(invoke(TWO, "--format", "json").stdout)["rows"] == [["1003", 3600.0], ["1001", 4800.0]]
    assert "<VOTABLE" in invoke(TWO, "--format", "votable").stdout


def test_query_from_a_file_and_from_standard_input(invoke, tmp_path):
    file = tmp_path / "two.adql"
    file.write_text(TWO)
    from_file = invoke(f"@{file}", "--format", "csv")
    assert from_file.stdout == invoke("-", "--format", "csv", input=TWO).stdout == invoke(TWO, "--format", "csv").stdout


def test_missing_file(invoke, tmp_path):
    result = invoke(f"@{tmp_path / 'nothing.adql'}")
    assert isinstance(result.exception, QueryError)
    assert "nothing.adql" in str(result.exception)


@pytest.mark.parametrize(
    ("name", "begin"), [("a.csv", "sourceid,teff"), ("a.json", '{"columns"'), ("a.vot", "<?xml"), ("a.txt", " \n"[1:])]
)
def test_output_file(invoke, tmp_path, name, begin):
    result = invoke(TWO, "--output", str(tmp_path / name))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"2 rows written to {tmp_path / name}" in result.stderr
    assert (tmp_path / name).read_text().lstrip(" ").startswith(begin)


def test_output_that_cannot_be_written(invoke, tmp_path):
    result = invoke(TWO, "--output", str(tmp_path / "no" / "folder.csv"))
    assert result.exit_code == 1
    assert "folder.csv" in result.stderr


def test_more_rows_than_wanted(invoke):
    result = invoke("SELECT sourceid FROM rvs_cnn", "--max-rows", "2", "--format", "csv")
    assert len(result.stdout.splitlines()) == 3
    assert "more than these 2 rows" in result.stderr


def test_a_refused_query(invoke):
    assert isinstance(invoke("DROP TABLE catalogue.rvs_cnn").exception, QueryError)


def test_help_shows_an_example(invoke):
    assert 'rvscat query "SELECT TOP 5 * FROM catalogue.rvs_cnn"' in invoke("--help").stdout

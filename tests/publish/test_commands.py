"""`rvscat publish --list` and `rvscat export`, as a user meets them."""

import json

import pytest
from click.testing import CliRunner

from catalog.cli.export import FORMATS, TABLES, export
from catalog.cli.publish import publish
from catalog.errors import NotFoundError
from catalog.publish import export as exporting
from catalog.publish import formats


def call(command, *arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("settings")
def test_list_of_nothing():
    assert call(publish, "--list") == "Nothing has been published yet.\n"
    assert json.loads(call(publish, "--list", "--json")) == []


@pytest.mark.usefixtures("published")
def test_list(run):
    output = call(publish, "--list")
    assert "version" in output
    assert "200" in output
    assert "current" in output
    (row,) = json.loads(call(publish, "--list", "--json"))
    assert (row["version"], row["run_id"], row["n_rows"], row["current"]) == (1, run.run_id, 200, True)


@pytest.mark.usefixtures("published")
def test_export_writes_where_and_what_is_asked(tmp_path, settings):
    output = call(
        export, "--format", "fits", "--format", "ecsv", "--table", "rvs_cnn", "--folder", str(tmp_path / "here")
    )
    assert f"{tmp_path / 'here' / 'rvs_cnn.fits'}  (written)" in output
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "rvs_cnn.fits",
        "rvs_cnn.ecsv",
        "rvs_cnn.json",
        "SHA256SUMS",
    }
    output = call(export)
    assert f"{settings.exports / 'v1' / 'rvs_cnn.csv'}  (was there)" in output
    assert f"{settings.exports / 'v1' / 'rvs_cnn.vot'}  (written)" in output
    assert "200 stars, version 1" in output


@pytest.mark.usefixtures("settings")
def test_export_of_nothing():
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        CliRunner().invoke(export, [], catch_exceptions=False)


def test_formats_offered_are_those_that_exist():
    assert formats.FORMATS == FORMATS
    assert tuple(exporting.TABLES) == TABLES


@pytest.mark.parametrize("arguments", [["--json"], ["--run", "1", "--profile", "tiny"]])
def test_options_that_do_not_go_together(arguments):
    assert CliRunner().invoke(publish, arguments).exit_code == 2

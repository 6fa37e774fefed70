"""`rvscat handover`, as a producer meets it."""

import subprocess

import psycopg
import pytest
from click.testing import CliRunner

from catalog.cli.handover import TARGETS, handover
from catalog.errors import ArtefactError, ConfigurationError, NotFoundError
from catalog.publish.handover import TARGETS as MADE
from catalog.publish.handover import hand_over
from catalog.publish.handover.producer import FILE, load_producer


def call(*arguments):
    result = CliRunner().invoke(handover, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_command_offers_what_there_is():
    assert tuple(MADE) == TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_files_and_their_checksums(published, target):
    output = call("--to", target)
    folder = published.exports / "v1" / "handover" / target
    names = {path.name for path in folder.iterdir()}
    assert all(str(folder / name) in output for name in names)
    assert "Not said in" in output
    assert "publisher" in output
    told = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True)
    assert told.stdout.count(": OK") == len(names) - 1
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    call("--to", target)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_folder_and_version(published, tmp_path):
    call("--to", "voresource", "--version", "1", "--output", str(tmp_path / "there"))
    assert "catalogue.rvs_cnn_v1<" in (tmp_path / "there" / "voresource.xml").read_text()
    with pytest.raises(NotFoundError, match="no published version 7"):
        call("--to", "voresource", "--version", "7")


@pytest.mark.usefixtures("settings")
def test_nothing_to_hand_over():
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        call("--to", "dachs")


def test_other_columns_are_refused(connection: psycopg.Connection, published):
    connection.execute("ALTER TABLE catalogue.rvs_cnn_v1 ADD COLUMN other integer")
    with pytest.raises(ArtefactError, match="other columns"):
        hand_over(connection, "dachs", published, version=1)
    assert not published.exports.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("publisher = ", "not valid TOML"),
        ('editor = "x"', "editor"),
        ('[[creators]]\nname = "A, B"\norcid = "12"', "orcid"),
        ('publisher = "a\\u001b[31m"', "printable"),
        ('authority = "a b"', "authority"),
        ('licence_url = "javascript:alert(1)"', "licence_url"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, text, words):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_producer(tmp_path)

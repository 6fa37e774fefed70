"""Versions that are put back into service: views, TAP_SCHEMA, files and record."""

import psycopg
import pytest
from click.testing import CliRunner

from catalog.cli.publish import publish
from catalog.database.queries import fetch_frame, load
from catalog.errors import DatabaseError, NotFoundError
from catalog.publish.export import export_catalogue
from catalog.publish.gate import PublicationError
from catalog.publish.handover.producer import Producer
from catalog.publish.handover.subject import read_subject
from catalog.publish.publications import find_publication, list_publications
from catalog.publish.reinstate import reinstate_version
from catalog.publish.retract import RETRACTED, retract_version
from catalog.publish.stage import publish_catalogue


def state(connection):
    return [(each.version, each.current, each.retracted is not None) for each in list_publications(connection)]


def shown(connection):
    return connection.execute("SELECT count(*) FILTER (WHERE teff = 4321) FROM catalogue.rvs_cnn").fetchone()[0]


@pytest.mark.usefixtures("two")
def test_readers_see_it_again(connection, run, settings, tmp_path):
    files = {path.name: path.read_bytes() for path in (settings.exports / "v2").iterdir()}
    retract_version(connection, 2, "wrong grid", settings)
    assert shown(connection) == 0
    done = reinstate_version(connection, 2, settings)
    assert (done.version, done.current, done.exports) == (2, 2, settings.exports / "v2")
    assert state(connection) == [(1, False, False), (2, True, False)]
    assert shown(connection) == 200
    assert {path.name: path.read_bytes() for path in (settings.exports / "v2").iterdir()} == files
    told = find_publication(connection, 2).reinstated
    assert told.reason == "wrong grid"
    assert told.by
    assert told.at is not None
    # Exports, hand-over, status and publication take it as any other.
    assert export_catalogue(connection, tmp_path, ["csv"], version=2).version == 2
    assert read_subject(connection, Producer(), 2).publication.version == 2
    assert fetch_frame(connection, load("status/runs"))["version"].tolist() == [2]
    assert publish_catalogue(connection, run, settings).counts["version"] == 2
    connection.commit()
    connection.execute("SET ROLE rvscat_reader")
    for name in ("rvs_cnn", "rvs_cnn_extended", "boundary_limits"):
        connection.execute(f"SELECT 1 FROM catalogue.{name}_v2")
    connection.rollback()
    rows = connection.execute("SELECT name, notes FROM production.stage WHERE name ~ '^re(tract|instate)'").fetchall()
    ((name, notes),) = rows
    assert name == "reinstate-2"
    assert "wrong grid" in notes[0]
    assert notes[1].startswith("Version 2 was reinstated by ")
    with pytest.raises(PublicationError, match="Version 2 is in service"):
        reinstate_version(connection, 2, settings)


@pytest.mark.usefixtures("two")
def test_over_and_over(connection, settings):
    for reason in ("first", "second"):
        retract_version(connection, 2, reason, settings)
        assert find_publication(connection, 2).retracted.reason == reason
        assert (settings.exports / "v2.retracted" / RETRACTED).is_file()
        reinstate_version(connection, 2, settings)
    (notes,) = connection.execute("SELECT notes FROM production.stage WHERE name = 'reinstate-2'").fetchone()
    assert [reason in note for reason, note in zip(("first", "by", "second", "by"), notes, strict=True)] == [True] * 4
    assert not (settings.exports / "v2" / RETRACTED).exists()


@pytest.mark.usefixtures("two")
def test_a_newer_version_stays(connection, settings):
    retract_version(connection, 1, "old", settings)
    done = reinstate_version(connection, 1, settings)
    assert done.current == 2
    assert state(connection) == [(1, False, False), (2, True, False)]
    assert shown(connection) == 200
    # From nothing at all.
    retract_version(connection, 2, "bad", settings)
    retract_version(connection, 1, "bad", settings)
    assert reinstate_version(connection, 1, settings).current == 1
    assert connection.execute("SELECT count(*) > 3 FROM tap_schema.tables").fetchone() == (True,)
    assert reinstate_version(connection, 2, settings).current == 2


@pytest.mark.usefixtures("two")
def test_not_without_its_tables(connection, settings):
    retract_version(connection, 2, "bad", settings, drop=True)
    with pytest.raises(PublicationError, match="its tables were dropped"):
        reinstate_version(connection, 2, settings)
    retract_version(connection, 1, "bad", settings)
    connection.execute(
        "UPDATE catalogue.rvs_cnn_extended_v1 SET teff = 1 WHERE source_id IN "
        "(SELECT min(source_id) FROM catalogue.rvs_cnn_extended_v1)"
    )
    with pytest.raises(DatabaseError, match="not what was published"):
        reinstate_version(connection, 1, settings)
    connection.execute("DROP TABLE catalogue.rvs_cnn_v1, catalogue.rvs_cnn_extended_v1")
    with pytest.raises(DatabaseError, match="its tables are missing"):
        reinstate_version(connection, 1, settings)
    assert state(connection) == [(1, False, True), (2, False, True)]
    assert (settings.exports / "v1.retracted").is_dir()


@pytest.mark.usefixtures("two")
def test_interrupted(connection, settings, monkeypatch):
    retract_version(connection, 2, "bad", settings)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.publish.reinstate._unmark_exports", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reinstate_version(connection, 2, settings)
    assert state(connection) == [(1, False, False), (2, True, False)]
    assert reinstate_version(connection, 2, settings).exports == settings.exports / "v2"
    # Before the end of the transaction nothing has changed.
    retract_version(connection, 2, "bad", settings)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.publish.reinstate.write_tap_schema", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reinstate_version(connection, 2, settings)
    assert state(connection) == [(1, True, False), (2, False, True)]
    connection.execute("SET ROLE rvscat_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM catalogue.rvs_cnn_v2")


def test_unknown_version(connection, settings):
    with pytest.raises(NotFoundError, match="no published version 4"):
        reinstate_version(connection, 4, settings)


@pytest.mark.usefixtures("two")
def test_command():
    def call(*arguments):
        result = CliRunner().invoke(publish, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    call("--retract", "2", "labels of the wrong network")
    output = call("--reinstate", "2")
    assert "Version 2 is in service again." in output
    assert "Readers see version 2." in output
    listed = call("--list")
    assert "had been retracted: labels of the wrong network; reinstated (" in listed
    assert '"reinstated": {' in call("--list", "--json")


@pytest.mark.parametrize("more", [["--list"], ["--run", "1"], ["--retract", "1", "x"], ["--drop"], ["--json"]])
def test_options_that_do_not_go_together(more):
    assert CliRunner().invoke(publish, ["--reinstate", "1", *more]).exit_code == 2

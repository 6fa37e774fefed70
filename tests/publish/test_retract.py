"""Versions that are taken out of service: views, TAP_SCHEMA, files and record, also while others read."""

import threading

import psycopg
import pytest
from click.testing import CliRunner

from catalog.cli.publish import publish
from catalog.database.queries import fetch_frame, load
from catalog.errors import DatabaseError, NotFoundError, QueryError
from catalog.publish.export import export_catalogue
from catalog.publish.gate import PublicationError
from catalog.publish.handover.producer import load_producer
from catalog.publish.handover.subject import read_subject
from catalog.publish.publications import find_publication, list_publications
from catalog.publish.retract import RETRACTED, retract_version
from catalog.publish.stage import publish_catalogue
from catalog.service.query import run_query


def state(connection):
    return [(each.version, each.current, each.retracted is not None) for each in list_publications(connection)]


@pytest.mark.usefixtures("two")
def test_readers_see_the_version_before(connection, run, settings, tmp_path):
    done = retract_version(connection, 2, "wrong grid", settings)
    assert (done.version, done.current, done.dropped) == (2, 1, False)
    assert state(connection) == [(1, True, False), (2, False, True)]
    assert connection.execute("SELECT count(*) FILTER (WHERE teff = 4321) FROM catalogue.rvs_cnn").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM catalogue.rvs_cnn_v2").fetchone() == (200,)
    told = find_publication(connection, 2).retracted
    assert told.reason == "wrong grid"
    assert told.by
    assert told.at is not None
    # Files are marked.
    folder = settings.exports / "v2.retracted"
    assert done.exports == folder
    notice = (folder / RETRACTED).read_text()
    assert "wrong grid" in notice
    assert "Version 1 is in service instead" in notice
    assert not (settings.exports / "v2").exists()
    with pytest.raises(PublicationError, match="Version 2 was retracted: wrong grid"):
        export_catalogue(connection, tmp_path, ["csv"], version=2)
    with pytest.raises(PublicationError, match="Version 2 was retracted: wrong grid"):
        read_subject(connection, load_producer(tmp_path), 2)
    assert fetch_frame(connection, load("status/runs"))["version"].tolist() == [1]
    # The reader has lost it, the ledger of the run has it.
    connection.commit()
    connection.execute("SET ROLE rvscat_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM catalogue.rvs_cnn_v2")
    connection.rollback()
    rows = connection.execute("SELECT status, message FROM production.stage WHERE name LIKE 'retract%'").fetchall()
    assert rows == [("complete", "wrong grid")]
    # The same content is not published again.
    with pytest.raises(PublicationError, match="content of version 2, which was retracted: wrong grid"):
        publish_catalogue(connection, run, settings)
    connection.rollback()
    with pytest.raises(PublicationError, match="Version 2 was retracted already"):
        retract_version(connection, 2, "again", settings)
    # What is new is.
    connection.execute("UPDATE production.label SET teff = 4322")
    assert publish_catalogue(connection, run, settings).counts["version"] == 3


@pytest.mark.usefixtures("two")
def test_nothing_is_left(connection, settings):
    assert retract_version(connection, 1, "old", settings).current == 2
    done = retract_version(connection, 2, "bad", settings, drop=True)
    assert (done.current, done.dropped) == (None, True)
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'catalogue'::regnamespace AND relkind IN ('r', 'v')"
    assert {name for (name,) in connection.execute(left)} == {"rvs_cnn_v1", "rvs_cnn_extended_v1", "boundary_limits_v1"}
    assert connection.execute("SELECT count(*) FROM tap_schema.tables").fetchone() == (0,)
    connection.commit()
    with pytest.raises((NotFoundError, QueryError), match="No table is published"):
        run_query(connection, "SELECT TOP 1 * FROM catalogue.rvs_cnn")
    connection.rollback()
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        find_publication(connection)
    # Tables of the other one, later.
    assert retract_version(connection, 1, "room", settings, drop=True).dropped
    assert find_publication(connection, 1).retracted.reason == "old"


@pytest.mark.usefixtures("two")
def test_tables_that_others_stand_on_are_not_dropped(connection, settings):
    connection.execute("CREATE VIEW public.mine AS SELECT * FROM catalogue.rvs_cnn_v2")
    connection.commit()
    with pytest.raises(DatabaseError, match="view mine depends on"):
        retract_version(connection, 2, "bad", settings, drop=True)
    connection.rollback()
    assert state(connection) == [(1, False, False), (2, True, False)]
    assert (settings.exports / "v2").is_dir()


@pytest.mark.usefixtures("two")
def test_interrupted_before_the_files_were_marked(connection, settings, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("catalog.publish.retract._mark_exports", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retract_version(connection, 2, "bad", settings)
    assert state(connection) == [(1, True, False), (2, False, True)]
    done = retract_version(connection, 2, "bad", settings)
    assert done.exports == settings.exports / "v2.retracted"
    assert len(connection.execute("SELECT 1 FROM production.stage WHERE name LIKE 'retract%'").fetchall()) == 1


@pytest.mark.usefixtures("two")
def test_readers_never_see_a_half_state(connection, settings):
    seen, errors, stop = set(), [], threading.Event()

    def read():
        # Labels and flags stand on two tables, and TAP_SCHEMA beside them: one statement, one state.
        query = (
            "SELECT (SELECT count(*) FILTER (WHERE teff = 4321) FROM catalogue.rvs_cnn), "
            "(SELECT count(*) FILTER (WHERE teff = 4321) FROM catalogue.rvs_cnn_extended), "
            "(SELECT count(*) FROM catalogue.boundary_limits), (SELECT count(*) > 20 FROM tap_schema.columns)"
        )
        try:
            with psycopg.connect(settings.database_url, autocommit=True) as reader:
                reader.execute("SET ROLE rvscat_reader")
                while not stop.is_set():
                    seen.add(reader.execute(query).fetchone())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not seen and not errors:
        stop.wait(0.01)
    retract_version(connection, 2, "bad", settings)
    after = (0, 0, 10, True)
    for _ in range(3000):
        if after in seen or errors:
            break
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen == {(200, 200, 10, True), after}


@pytest.mark.usefixtures("two")
def test_command():
    def call(*arguments):
        result = CliRunner().invoke(publish, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    output = call("--retract", "2", "labels of the wrong  network")
    assert "Version 2 is retracted; its tables stay, closed to readers." in output
    assert "Readers see version 1." in output
    listed = call("--list")
    assert "retracted: labels of the wrong network (" in listed
    assert '"reason": "labels of the wrong network"' in call("--list", "--json")
    output = call("--retract", "1", "the same", "--drop")
    assert "its tables are gone" in output
    assert "No version is in service any more" in output


@pytest.mark.parametrize(
    "arguments",
    [["--drop"], ["--retract", "1", " "], ["--retract", "1", "x", "--list"], ["--retract", "1", "x", "--run", "1"]],
)
def test_options_that_do_not_go_together(arguments):
    assert CliRunner().invoke(publish, arguments).exit_code == 2


def test_unknown_version(connection, settings):
    with pytest.raises(NotFoundError, match="no published version 4"):
        retract_version(connection, 4, "bad", settings)

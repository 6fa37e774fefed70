"""A server that goes away, disks and memory that are full: told in words, and nothing is left locked."""

import errno

import psycopg
import pytest

from catalog import stages
from catalog.database import ledger
from catalog.database.connection import connect
from catalog.database.ledger import Run, StageResult
from catalog.database.trouble import explained, told_of_trouble
from catalog.errors import DatabaseError, RvscatError
from catalog.settings import Settings


def end_session(connection: psycopg.Connection, settings: Settings) -> None:
    """End the session of a connection as an operator does, and wait until it is gone."""
    pid = connection.info.backend_pid
    with connect(settings, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def test_a_lost_connection_is_told_in_words(settings: Settings) -> None:
    with psycopg.connect(settings.database_url or "") as connection:
        end_session(connection, settings)
        words = "connection to the database server was lost: terminating"
        with pytest.raises(DatabaseError, match=words) as told, told_of_trouble():
            connection.execute("SELECT 1")
        assert "same command goes on" in told.value.remedy
        with pytest.raises(DatabaseError, match="was lost: the connection is closed"), told_of_trouble():
            connection.execute("SELECT 1")


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(DatabaseError, match="connection to the database server was lost"), told_of_trouble():
        psycopg.connect("postgresql://127.0.0.1:9/rvscat", connect_timeout=5)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x.fits"), r"A disk is full: .*\(/data/x.fits\)"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "A disk is full: Disk quota exceeded"),
        (OSError("1000000 requested and 131056 written"), "A disk is full: No space left on device"),
        (MemoryError("Unable to allocate 3 GiB"), "There is too little memory: Unable to allocate 3 GiB"),
        (ImportError("_superlu.so: failed to map segment from shared object"), "There is too little memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "There is too little memory"),
        (psycopg.errors.TooManyConnections("sorry"), "takes no more connections"),
        (psycopg.errors.OutOfMemory("out of memory"), "The database server has too little memory"),
    ],
)
def test_what_runs_out_is_told_in_words(error: Exception, words: str) -> None:
    with pytest.raises(RvscatError, match=words) as told, told_of_trouble():
        raise error
    assert told.value.__cause__ is error
    assert "same command goes on" in told.value.remedy


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        OSError(errno.EACCES, "x"),
        psycopg.errors.UndefinedTable("x"),
        KeyError("x"),
        ImportError("no module x"),
    ],
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert explained(error) is None
    with pytest.raises(type(error)), told_of_trouble():
        raise error


def test_a_stage_whose_connection_is_lost_can_be_done_again(
    settings: Settings, connection: psycopg.Connection, run: Run
) -> None:
    def lose() -> StageResult:
        end_session(doomed, settings)
        doomed.execute("SELECT 1")
        raise AssertionError

    # The loss itself is told, not that the lock cannot be given back.
    with (
        psycopg.connect(settings.database_url or "") as doomed,
        pytest.raises(psycopg.errors.AdminShutdown),
        ledger.exclusive(doomed, run),
    ):
        ledger.perform(doomed, run, "sample", "key", lose)
    with ledger.exclusive(connection, run):
        done = ledger.perform(connection, run, "sample", "key", lambda: StageResult({"stars": 1}))
    assert done.counts == {"stars": 1}
    states = connection.execute("SELECT status, message FROM production.stage ORDER BY stage_id").fetchall()
    assert states == [("failed", "interrupted"), ("complete", None)]


def test_work_does_not_go_on_without_the_lock(settings: Settings, run: Run) -> None:
    with psycopg.connect(settings.database_url or "") as doomed, ledger.exclusive(doomed, run):
        ledger.hold(doomed)
        end_session(doomed, settings)
        with pytest.raises(DatabaseError, match="was lost"):
            ledger.hold(doomed)


def test_a_stage_tells_of_its_lost_connection(settings: Settings, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(connection: psycopg.Connection, *_: object) -> StageResult:
        end_session(connection, settings)
        connection.execute("SELECT 1")
        raise AssertionError

    monkeypatch.setattr("catalog.mock.stage.write_mock_sky", lose)
    with psycopg.connect(settings.database_url or "") as doomed, pytest.raises(DatabaseError, match="was lost"):
        stages.run_stage(doomed, run, "mock", settings)

"""The ledger: nothing is done twice, nothing is lost, and changed inputs begin a new run."""

import psycopg
import pytest

from catalog.database import ledger
from catalog.database.ledger import Run, StageResult
from catalog.errors import DatabaseError, NotFoundError
from catalog.profiles import Profile, load_profile
from catalog.settings import Settings


def test_the_same_profile_finds_its_run_again(connection: psycopg.Connection, profile: Profile) -> None:
    first = ledger.open_run(connection, profile)
    assert ledger.open_run(connection, profile) == first
    other = ledger.open_run(connection, load_profile("demo"))
    assert other.run_id != first.run_id
    assert ledger.find_run(connection) == other
    assert ledger.find_run(connection, first.run_id) == first


def test_unknown_run_says_what_to_do(connection: psycopg.Connection) -> None:
    with pytest.raises(NotFoundError, match="rvscat run"):
        ledger.find_run(connection)
    with pytest.raises(NotFoundError, match="no run 77"):
        ledger.find_run(connection, 77)


def test_a_stage_is_done_once(connection: psycopg.Connection, run: Run) -> None:
    calls = []

    def work() -> StageResult:
        calls.append(1)
        return StageResult({"stars": 3}, ["three stars"])

    first = ledger.perform(connection, run, "sample", "a" * 64, work)
    second = ledger.perform(connection, run, "sample", "a" * 64, work)
    assert len(calls) == 1
    assert (first.skipped, second.skipped) == (False, True)
    assert second.counts == {"stars": 3}
    assert second.notes == ["three stars"]
    (record,) = ledger.stages(connection, run)
    assert record.status == "complete"
    assert record.wall_s is not None
    assert record.peak_mb is not None
    assert record.peak_mb > 10


def test_changed_inputs_are_noticed_and_superseded(connection: psycopg.Connection, run: Run) -> None:
    ledger.perform(connection, run, "sample", "a" * 64, StageResult)
    with pytest.raises(ledger.StaleStageError):
        ledger.perform(connection, run, "sample", "b" * 64, StageResult)
    successor = ledger.supersede(connection, run)
    assert successor.run_id > run.run_id
    assert ledger.open_run(connection, run.profile) == successor
    assert not ledger.perform(connection, successor, "sample", "b" * 64, StageResult).skipped


def test_a_failed_stage_is_recorded_rolled_back_and_done_again(connection: psycopg.Connection, run: Run) -> None:
    def fail() -> StageResult:
        connection.execute("CREATE TABLE public.half_done (a int)")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ledger.perform(connection, run, "train", "a" * 64, fail)
    assert connection.execute("SELECT to_regclass('public.half_done')").fetchone() == (None,)
    (record,) = ledger.stages(connection, run)
    assert (record.status, record.message) == ("failed", "OSError: disk full")
    assert not ledger.perform(connection, run, "train", "a" * 64, StageResult).skipped


def test_a_killed_stage_is_found_interrupted(connection: psycopg.Connection, run: Run) -> None:
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status) VALUES (%s, 'flag', 'x', 'running')", (run.run_id,)
    )
    ledger.perform(connection, run, "flag", "a" * 64, StageResult)
    assert [(s.status, s.message) for s in ledger.stages(connection, run)] == [
        ("failed", "interrupted"),
        ("complete", None),
    ]


def test_work_that_looks_for_itself(connection: psycopg.Connection, run: Run) -> None:
    state = ["1" * 64]
    calls = []

    def work() -> StageResult:
        calls.append(1)
        return StageResult({"files": len(calls)})

    assert not ledger.perform_always(connection, run, "ingest", work, lambda: state[0]).skipped
    again = ledger.perform_always(connection, run, "ingest", work, lambda: state[0])
    assert again.skipped
    assert again.counts == {"files": 1}
    assert len(calls) == 2
    state[0] = "2" * 64
    with pytest.raises(ledger.StaleStageError):
        ledger.perform_always(connection, run, "ingest", work, lambda: state[0])


def test_two_processes_cannot_work_on_one_run(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as other:
        with (
            ledger.exclusive(connection, run),
            pytest.raises(DatabaseError, match="Another process"),
            ledger.exclusive(other, run),
        ):
            pass
        with ledger.exclusive(other, run):
            pass

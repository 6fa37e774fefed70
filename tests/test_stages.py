"""Stages that stand aside: nothing after them asks for them, and they are done again under other settings; roles."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from catalog import stages
from catalog.database import ledger
from catalog.database.ledger import Run, StageResult
from catalog.errors import SampleError
from catalog.settings import Settings


class Work:
    """Stands in for every stage; remembers which were done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.outdated = False
        """Whether stages that ask are told that their settings have changed."""

    def target(self, name: str) -> Callable[..., StageResult]:
        def work(*_: Any) -> StageResult:
            self.done.append(name)
            return StageResult({"name": name})

        return work


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    names = {stage.target: stage.name for stage in stages.STAGES}
    asked = {stage.outdated for stage in stages.STAGES if stage.outdated}

    def resolve(target: str) -> Callable[..., Any]:
        return (lambda *_: work.outdated) if target in asked else work.target(names[target])

    monkeypatch.setattr(stages, "resolve_name", resolve)
    return work


@pytest.fixture
def do(connection: psycopg.Connection, settings: Settings, work: Work) -> Callable[..., list[str]]:
    def do(run: Run, *names: str) -> list[str]:
        work.done.clear()
        for name in names or [stage.name for stage in stages.plan(run.profile)]:
            same, _ = stages.run_stage(connection, run, name, settings)
            assert same == run
        # Survey stages look by themselves whether there is anything to do.
        return [name for name in work.done if name not in ("mock", "ingest")]

    return do


def other_studies(run: Run) -> Run:
    studies = run.profile.studies.model_copy(update={"names": ("sensitivity",)})
    return replace(run, profile=run.profile.model_copy(update={"studies": studies}))


def keys(connection: psycopg.Connection, run: Run) -> dict[str, str | None]:
    return {stage.name: ledger.stage_key(connection, run, stage.name) for stage in stages.STAGES}


def test_the_study_comes_between_prediction_and_flag(run: Run, do: Callable[..., list[str]]) -> None:
    assert do(run) == ["sample", "train", "predict", "study", "flag", "validate", "publish"]
    assert do(run) == []


def test_nothing_asks_for_the_study(connection: psycopg.Connection, run: Run, do: Callable[..., list[str]]) -> None:
    everything_else = [stage.name for stage in stages.plan(run.profile) if stage.name != "study"]
    do(run, *everything_else)
    before = keys(connection, run)
    assert before.pop("study") is None
    assert None not in before.values()
    # Made later, it is shown by the report, whose key and all after it stay.
    assert do(run) == ["study", "validate"]
    after = keys(connection, run)
    assert after.pop("study") is not None
    assert after == before
    assert do(run) == []


def test_other_settings_have_it_done_again_and_nothing_else(
    connection: psycopg.Connection, run: Run, do: Callable[..., list[str]]
) -> None:
    do(run)
    before = keys(connection, run)
    assert other_studies(run).profile.key == run.profile.key
    assert do(other_studies(run)) == ["study", "validate"]
    after = keys(connection, run)
    assert {name for name in after if after[name] != before[name]} == {"study"}
    assert do(other_studies(run)) == []


def test_other_thresholds_have_the_validation_done_again_and_nothing_else(
    connection: psycopg.Connection, run: Run, do: Callable[..., list[str]], work: Work
) -> None:
    do(run)
    before = keys(connection, run)
    work.outdated = True
    assert do(run) == ["validate"]
    assert keys(connection, run) == before
    work.outdated = False
    assert do(run) == []


def test_it_needs_labels(run: Run, do: Callable[..., list[str]]) -> None:
    do(run, "mock", "ingest", "sample", "train")
    with pytest.raises(SampleError, match="needs stage 'predict'"):
        do(run, "study")


REFUSED = {
    "rvscat_ingest": [
        "DELETE FROM production.label",
        "CREATE TABLE catalogue.mine (a integer)",
        "DELETE FROM tap_schema.tables",
        "SELECT 1 FROM service.job",
    ],
    "rvscat_production": [
        "DELETE FROM survey.gaia_source",
        "DELETE FROM production.ingest_file",
        "TRUNCATE production.label",
        "CREATE TABLE production.mine (a integer)",
    ],
}


def acts_as(connection: psycopg.Connection) -> object:
    row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("name", [stage.name for stage in stages.STAGES])
def test_each_stage_acts_as_its_role_and_gives_it_back(
    name: str, connection: psycopg.Connection, run: Run, settings: Settings, do: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    names = [stage.name for stage in stages.plan(run.profile)]
    if earlier := names[: names.index(name)]:
        do(run, *earlier)
    role, own = "rvscat_ingest" if name in ("mock", "ingest") else "rvscat_production", acts_as(connection)
    seen: list[object] = []

    def target(*given: Any) -> StageResult:
        connection, told = given[0], given[3]
        told(1, 2, "half")
        seen.extend([acts_as(connection), acts_as(told._connection)])
        for statement in REFUSED[role]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()
        seen.append(acts_as(connection))
        if len(seen) == 3:
            connection.execute("SELECT 1 / 0")
        return StageResult()

    monkeypatch.setattr(stages, "resolve_name", lambda asked: (lambda *_: False) if ":th" in asked else target)
    with pytest.raises(psycopg.errors.DivisionByZero):
        stages.run_stage(connection, run, name, settings)
    assert acts_as(connection) == own
    stages.run_stage(connection, run, name, settings)
    connection.rollback()
    assert acts_as(connection) == own
    assert seen == [role] * 6
    rows = connection.execute("SELECT status FROM production.stage WHERE name = %s ORDER BY stage_id", (name,))
    assert rows.fetchall() == [("failed",), ("complete",)]


def test_new_files_begin_a_successor_by_the_rights_of_ingest(
    connection: psycopg.Connection, run: Run, settings: Settings, do: Callable[..., list[str]]
) -> None:
    do(run, "mock", "ingest")
    connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
        "VALUES (%s, 'gaia_source', 'a', '/a', repeat('0', 64), 1, 'complete')",
        (run.release,),
    )
    successor, result = stages.run_stage(connection, run, "ingest", settings)
    assert successor.run_id != run.run_id
    assert not result.skipped
    assert connection.execute("SELECT status FROM production.run ORDER BY run_id").fetchall() == [
        ("superseded",),
        ("open",),
    ]

"""Progress of a running stage, seen from another connection and another process."""

import json
import os
import signal
import subprocess
import sys

import psycopg
import pytest
from click.testing import CliRunner

from catalog.cli.main import cli
from catalog.cli.watch import _Lines, draw
from catalog.database import ledger, told
from catalog.database.ledger import Run, StageResult
from catalog.operations.watching import watch_run
from catalog.progress import silent
from catalog.settings import Settings


def test_a_running_stage_is_seen_and_then_its_end(
    connection: psycopg.Connection, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "_SECONDS", 0.0)
    seen = []

    def work() -> StageResult:
        # A transaction of the stage's own is open meanwhile: watching does not wait for it.
        connection.execute("SELECT count(*) FROM production.run")
        with told.recorded(settings, run.run_id, "mock", silent, "rvscat_ingest") as listener:
            for done in (0, 25, 50):
                listener(done, 100, f"file {done}")
            with psycopg.connect(settings.database_url or "") as other:
                seen.append(watch_run(other))
        return StageResult({"rvs_mean_spectrum": 600})

    with ledger.exclusive(connection, run):
        ledger.perform(connection, run, "mock", "0" * 64, work)
        now = watch_run(connection)
    state = seen[0]
    assert state is not None
    stage = state.stages[0]
    assert (state.state, stage.state, stage.fraction, stage.words) == ("running", "running", 0.5, "file 50")
    assert stage.peak_mb is not None
    assert stage.peak_mb > 10
    assert state.left_s is not None
    assert state.left_s > 0
    assert [each.state for each in state.stages[1:]] == ["waiting"] * (len(state.stages) - 1)
    assert now is not None
    assert now.stages[0].state == "done"
    assert now.stages[0].counts == {"rvs_mean_spectrum": 600}


def test_a_stage_whose_process_is_gone_is_not_running(connection: psycopg.Connection, run: Run) -> None:
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status) VALUES (%s, 'mock', %s, 'running')",
        (run.run_id, "0" * 64),
    )
    connection.commit()
    state = watch_run(connection)
    assert state is not None
    assert (state.state, state.stages[0].state, state.left_s) == ("stopped", "interrupted", None)


def test_a_database_that_is_gone_fails_no_stage(run: Run, settings: Settings) -> None:
    gone = settings.model_copy(update={"database_url": "postgresql://127.0.0.1:1/none"})
    told.database_url, before = (lambda _: "postgresql://127.0.0.1:1/none"), told.database_url  # type: ignore[assignment]
    try:
        with told.recorded(gone, run.run_id, "mock", silent, "rvscat_ingest") as listener:
            listener(1, 2, "words")
    finally:
        told.database_url = before


def test_lines_say_what_changed_and_no_more(connection: psycopg.Connection, run: Run) -> None:
    lines = _Lines()
    assert len(lines.about(watch_run(connection))) == 1
    assert lines.about(watch_run(connection)) == []
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status, message, wall_s) "
        "VALUES (%s, 'mock', %s, 'failed', 'no room', 3)",
        (run.run_id, "0" * 64),
    )
    (line,) = lines.about(watch_run(connection))
    assert line == "  Synthetic surveys: failed: no room (0:03)"
    assert draw(watch_run(connection)) is not None


def test_ctrl_c_ends_the_view_quietly(run: Run, settings: Settings) -> None:
    code = "from catalog.cli import main; main()"
    watching = subprocess.Popen(
        [sys.executable, "-c", code, "status", "--watch", "--json", "--every", "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["run_id"] == run.run_id
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    assert (watching.returncode, errors) == (0, "")


def test_without_a_run_there_is_a_word(settings: Settings) -> None:
    result = CliRunner().invoke(cli, ["status", "--watch", "--run", "7"])
    assert result.exit_code != 0
    assert "no run 7" in str(result.exception)

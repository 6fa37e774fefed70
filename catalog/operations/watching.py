"""How runs stand right now, as the ledger tells it: from any terminal, of runs of any process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic import ValidationError

from catalog import stages
from catalog.database.queries import load
from catalog.operations.work import runs_at_work
from catalog.profiles import Profile

__all__ = ["RunState", "StageState", "watch_run"]

_RUNS = 50


@dataclass(frozen=True)
class StageState:
    """One stage of a run."""

    name: str
    title: str
    state: str
    """``done``, ``running``, ``failed``, ``interrupted`` (its process is gone) or ``waiting``."""
    fraction: float | None = None
    done: float | None = None
    total: float | None = None
    words: str = ""
    """What it is at, or why it failed."""
    rate: float | None = None
    """Units of work a second since it began."""
    silent_s: float | None = None
    """Seconds since it last told."""
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None
    left_s: float | None = None
    """Estimate."""
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """One run."""

    run_id: int
    profile: str
    state: str
    """``running``, ``stopped`` (not finished, and nobody works on it), ``complete`` or ``superseded``."""
    started_at: datetime
    version: int | None
    base_run_id: int | None
    stages: tuple[StageState, ...]
    left_s: float | None
    """Estimate for all stages that are not done; None when nobody works on the run."""


def watch_run(connection: Connection, run_id: int | None = None) -> RunState | None:
    """Return how a run stands.

    Parameters
    ----------
    connection : psycopg.Connection
        Read from only.
    run_id : int, optional
        By default the newest run that is worked on, else the newest.

    Returns
    -------
    RunState or None
        None when there is no such run.
    """
    runs = {
        row["run_id"]: row for row in _rows(connection, "recent_runs", {"number": _RUNS if run_id is None else None})
    }
    if not runs or (run_id is not None and run_id not in runs):
        return None
    living = {number: row["key"] for number, row in runs.items() if row["status"] != "superseded"}
    at_work = runs_at_work(connection, living)
    # Runs of one profile share a lock: the one at work is the newest of them.
    chosen = run_id if run_id is not None else max(at_work or runs)
    row = runs[chosen]
    found = _stages(connection, row, worked_on=chosen in at_work)
    state = row["status"] if row["status"] != "open" else "stopped"
    if chosen in at_work and any(each.state != "done" for each in found):
        state = "running"
    left = [each.left_s or 0.0 for each in found]
    return RunState(
        chosen,
        row["profile"].get("name", ""),
        state,
        row["started_at"],
        row["version"],
        row["base_run_id"],
        tuple(found),
        sum(left) if state == "running" else None,
    )


def _stages(connection: Connection, run: Mapping[str, Any], worked_on: bool) -> list[StageState]:
    recorded = {row["name"]: row for row in _rows(connection, "progress", {"run_id": run["run_id"]})}
    values = {"profile": run["profile"].get("name"), "run_id": run["run_id"]}
    expected = {row["name"]: row["wall_s"] for row in _rows(connection, "expected_seconds", values)}
    try:
        profile = Profile.model_validate(run["profile"])
    except ValidationError:
        # A run of another version: its stages are those that it has.
        planned = [stage for stage in stages.STAGES if stage.name in recorded]
        guesses: Mapping[str, float] = {}
    else:
        planned, guesses = stages.plan(profile, run["base_run_id"] is not None), profile.expected_seconds
    found = []
    for stage in planned:
        guess = expected.get(stage.name, guesses.get(stage.name, stage.seconds))
        row = recorded.get(stage.name)
        if row is None:
            found.append(StageState(stage.name, stage.title, "waiting", left_s=guess))
        else:
            found.append(_stage(stage, row, guess, worked_on))
    return found


def _stage(stage: stages.Stage, row: Mapping[str, Any], guess: float, worked_on: bool) -> StageState:
    states = {"complete": "done", "failed": "failed", "running": "running" if worked_on else "interrupted"}
    state = states[row["status"]]
    if state == "failed" and row["message"] == "interrupted":
        state = "interrupted"
    common = {"cpu_s": row["cpu_s"], "peak_mb": row["peak_mb"]}
    if state != "running":
        words = row["message"] or (row["words"] or "" if state == "interrupted" else "")
        left = 0.0 if state == "done" else guess
        return StageState(
            stage.name,
            stage.title,
            state,
            words=words,
            wall_s=row["wall_s"],
            left_s=left,
            counts=row["counts"],
            **common,
        )
    done, total, age = row["done"], row["total"], row["age_s"]
    fraction = min(1.0, done / total) if total else None
    return StageState(
        stage.name,
        stage.title,
        state,
        fraction,
        done,
        total,
        row["words"] or "",
        done / age if done and age > 0 else None,
        row["silent_s"],
        age,
        left_s=_left(fraction or 0.0, age, guess),
        **common,
    )


def _left(fraction: float, age: float, guess: float) -> float:
    """Return the seconds left: at first what the guess leaves, later what the pace so far tells."""
    guessed = max(0.0, guess - age)
    if fraction <= 0:
        return guessed
    measured, weight = age * (1 - fraction) / fraction, min(1.0, fraction * 4)
    return weight * measured + (1 - weight) * guessed


def _rows(connection: Connection, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load(f"status/{name}").statement, values).fetchall()

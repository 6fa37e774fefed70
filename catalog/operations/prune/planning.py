"""What can go: runs, ensembles, likeness maps, jobs of the service, files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from catalog.database.acting import acting
from catalog.database.roles import JOBS
from catalog.ensemble.registry.keys import folder_name
from catalog.errors import ConfigurationError
from catalog.operations.doctor.service import is_held
from catalog.operations.prune.files import size_of, stray_files
from catalog.operations.prune.items import Item, Plan, Rules
from catalog.operations.prune.runs import known_runs, needed_runs, rows_of
from catalog.operations.work import runs_at_work
from catalog.publish.publications import list_publications
from catalog.settings import Settings

__all__ = ["plan_pruning"]


def plan_pruning(connection: Connection, settings: Settings, rules: Rules) -> Plan:
    """Find what can be removed, and what stays; changes nothing.

    Parameters
    ----------
    connection : psycopg.Connection
        Asks for jobs of the service as the role that keeps them.
    settings : Settings
    rules : Rules

    Returns
    -------
    Plan

    Raises
    ------
    ConfigurationError
        The database knows no run, but the data folder holds results: the two do not belong together.
    """
    runs = known_runs(connection)
    if not runs and any(folder.is_dir() and any(folder.iterdir()) for folder in (settings.ensembles, settings.reports)):
        raise ConfigurationError(
            f"The database knows no run, but {settings.home} holds ensembles or reports: do they belong together?",
            "Check RVSCAT_DATABASE_URL and RVSCAT_HOME (`rvscat doctor` shows both), or remove the files by hand.",
        )
    ensembles = rows_of(connection, "prunable_ensembles")
    maps = rows_of(connection, "prunable_maps")
    kept = needed_runs(
        runs,
        rules,
        {row["ensemble_id"]: row["run_id"] for row in ensembles},
        {row["key"].strip(): row["run_id"] for row in maps},
    )
    going = [row for row in runs if row["run_id"] not in kept]
    sizes = _sizes(connection, [row["run_id"] for row in going])
    published = {each.version for each in list_publications(connection) if each.retracted is None}
    items = [
        *(_run(row, *sizes.get(row["run_id"], (0, 0)), settings) for row in going),
        *_ensembles(ensembles, set(kept), settings),
        *_maps(maps, set(kept)),
        *_jobs(connection, settings),
    ]
    taken = {path for item in items for path in item.paths}
    strays = stray_files(
        settings.home,
        {row["run_id"] for row in runs},
        {folder_name(row["key"]) for row in ensembles},
        {Path(row["path"]).name for row in maps},
        published,
        rules,
    )
    items += [item for item in strays if not taken.intersection(item.paths)]
    connection.rollback()
    return Plan(tuple(items), tuple(sorted(kept.values(), key=lambda each: each.run_id)), _notes(connection, runs))


def _run(row: Mapping[str, Any], n_rows: int, n_bytes: int, settings: Settings) -> Item:
    number = row["run_id"]
    reports = [settings.reports / f"run-{number}", settings.reports / f"variants-run-{number}"]
    paths = tuple(path for path in reports if path.is_dir() and not path.is_symlink())
    why = {"superseded": "superseded", "open": "not finished, and not the newest", "complete": "not the newest"}
    return Item(
        "run",
        f"run {number} ({row['profile']})",
        n_bytes + sum(map(size_of, paths)),
        f"{why[row['status']]}, not published",
        number,
        row["key"],
        paths,
        n_rows,
    )


def _sizes(connection: Connection, runs: list[int]) -> dict[int, tuple[int, int]]:
    """Return rows and bytes of each run in the tables of runs: their share of each table."""
    found: dict[int, tuple[int, int]] = dict.fromkeys(runs, (0, 0))
    for table in rows_of(connection, "run_tables") if runs else []:
        name = sql.SQL(table["name"])
        counts = connection.execute(
            sql.SQL("SELECT {column}, count(*) FROM {name} WHERE {column} = ANY (%s) GROUP BY 1").format(
                column=sql.Identifier(table["column"]), name=name
            ),
            (runs,),
        ).fetchall()
        for run_id, count in counts:
            share = count / max(table["rows"], count)
            n_rows, n_bytes = found[run_id]
            found[run_id] = (n_rows + count, n_bytes + int(share * table["bytes"]))
    return found


def _ensembles(rows: list[dict[str, Any]], kept: set[int], settings: Settings) -> Iterator[Item]:
    for row in rows:
        # One that came from elsewhere was brought in by a person, who may want it for the next run.
        if row["run_id"] is None or row["run_id"] in kept or kept.intersection(row["used_by"] or []):
            continue
        own = settings.ensembles / folder_name(row["key"])
        paths = (own,) if own.is_dir() and not own.is_symlink() else ()
        why = "no run that stays has labels by it"
        name = f"ensemble {row['ensemble_id']} ({folder_name(row['key'])})"
        yield Item("ensemble", name, sum(map(size_of, paths)), why, row["ensemble_id"], row["key"], paths)


def _maps(rows: list[dict[str, Any]], kept: set[int]) -> Iterator[Item]:
    for row in rows:
        if row["run_id"] not in kept:
            path = Path(row["path"])
            paths = (path,) if path.is_dir() and not path.is_symlink() else ()
            why = f"made by run {row['run_id']}; no run that stays uses them"
            yield Item("maps", f"likeness maps {path.name}", sum(map(size_of, paths)), why, None, row["key"], paths)


def _jobs(connection: Connection, settings: Settings) -> Iterator[Item]:
    folder = settings.home / "service"
    if not (folder / "id").is_file() or is_held(folder / "lock"):
        return  # a living service removes its jobs by itself
    service_id = (folder / "id").read_text(encoding="ascii").strip()
    with acting(connection, JOBS.name):
        rows = rows_of(connection, "expired_jobs", {"service_id": service_id})
    for row in rows:
        path = folder / "jobs" / row["job_id"]
        paths = (path,) if path.is_dir() else ()
        yield Item(
            "job", f"TAP job {row['job_id'][:8]}", sum(map(size_of, paths)), "past its time", None, row["job_id"], paths
        )


def _notes(connection: Connection, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    at_work = runs_at_work(connection, {row["run_id"]: row["key"] for row in runs if row["status"] != "superseded"})
    connection.rollback()
    return tuple(f"A process is working on run {number}: nothing can be removed now." for number in sorted(at_work))

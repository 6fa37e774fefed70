"""`rvscat status`: runs, their stages, time and memory, and what was ingested."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from catalog.cli.words import duration, stage_words, thousands

__all__ = ["status"]


@click.command()
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option("--notes", is_flag=True, help="Show what the stages noted as well.")
@click.option("--watch", is_flag=True, help="Show the stages while they go, until Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(min=0.2), default=1.0, show_default=True, metavar="SECONDS", help="With --watch."
)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs; with --watch, one object a line.")
def status(run_id: int | None, notes: bool, watch: bool, every: float, as_json: bool) -> None:
    """Show runs, stages, their time and memory, and the ingested files.

    With --watch: how far the run at work is, at which pace, and what is left. It reads the database, so that any
    terminal of any machine that reaches it will do.
    """
    from psycopg.rows import dict_row

    from catalog.database.connection import connect
    from catalog.database.ledger import find_run
    from catalog.database.queries import load
    from catalog.database.roles import PRODUCTION
    from catalog.settings import load_settings

    if watch:
        _watch(run_id, every, as_json)
        return
    with (
        connect(load_settings(), role=PRODUCTION.name) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        runs = cursor.execute(load("status/runs").statement).fetchall()
        if not runs and run_id is None:
            click.echo("[]" if as_json else "No run yet: `rvscat run` makes one.")
            return
        run = find_run(connection, run_id) if run_id is not None else None
        chosen = run.run_id if run else runs[0]["run_id"]
        release = next(row["release"] for row in runs if row["run_id"] == chosen)
        stages = cursor.execute(load("status/stages").statement, {"run_id": chosen}).fetchall()
        files = cursor.execute(load("status/files").statement, {"release": release}).fetchall()
    if as_json:
        click.echo(
            json.dumps({"runs": runs, "run_id": chosen, "stages": stages, "files": files}, default=_plain, indent=1)
        )
        return
    console = Console()
    console.print(_runs(runs), _files(files, release), _stages(stages, chosen), sep="\n\n")
    for row in stages if notes else []:
        for note in row["notes"]:
            console.print(f"{row['name']}: {note}", highlight=False, soft_wrap=True, markup=False)


def _watch(run_id: int | None, every: float, as_json: bool) -> None:
    from catalog.cli.watch import watch
    from catalog.database.connection import connect
    from catalog.database.ledger import find_run
    from catalog.database.roles import PRODUCTION
    from catalog.operations.watching import watch_run
    from catalog.settings import load_settings

    with connect(load_settings(), role=PRODUCTION.name, autocommit=True) as connection:
        if run_id is not None:
            find_run(connection, run_id)  # an error when there is none of that number
        watch(lambda: watch_run(connection, run_id), Console(), every, as_json)


def _plain(value: datetime | Decimal) -> str | float:
    """Return what JSON has no type for: times of the ledger, and sums of whole numbers."""
    return value.isoformat() if isinstance(value, datetime) else float(value)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=column != "Result"
        )
    return table


def _runs(runs: list[dict[str, Any]]) -> Table:
    table = _table("Runs", ">Run", "Profile", "Status", "Begun", ">Time", ">Labels", ">Published")
    for row in runs:
        table.add_row(
            str(row["run_id"]),
            row["profile"] + (f", extends {row['base_run_id']}" if row["base_run_id"] else ""),
            row["status"],
            f"{row['started_at'].astimezone():%Y-%m-%d %H:%M}",
            duration(row["wall_s"] or 0),
            thousands(row["n_labels"]),
            _published(row),
        )
    return table


def _published(row: dict[str, Any]) -> str:
    if not row["version"]:
        return "–"
    if row["accepted_reason"] is None:
        return f"v{row['version']}"
    return (
        f"v{row['version']}, {row['accepted_failed']} failed"
        if row["accepted_failed"]
        else f"v{row['version']}, unvalidated"
    )


def _files(files: list[dict[str, Any]], release: str) -> Table:
    table = _table(f"Survey files of {release}", "Product", ">Files", ">Refused", ">Rows", ">Quarantined", ">MB")
    for row in files:
        table.add_row(
            row["product"],
            thousands(row["complete"]),
            thousands(row["refused"]),
            thousands(row["rows"] or 0),
            thousands(row["quarantined"] or 0),
            f"{row['megabytes'] or 0:.1f}",
        )
    return table


def _stages(stages: list[dict[str, Any]], run_id: int) -> Table:
    table = _table(f"Stages of run {run_id}", "Stage", "Status", ">Time", ">CPU", ">Memory", "Result")
    for row in stages:
        table.add_row(
            row["name"],
            row["status"],
            duration(row["wall_s"]) if row["wall_s"] is not None else "–",
            duration(row["cpu_s"]) if row["cpu_s"] is not None else "–",
            f"{row['peak_mb']:.0f} MB" if row["peak_mb"] is not None else "–",
            row["message"] or stage_words(row["name"], row["counts"]),
        )
    return table

"""`rvscat prune`: old runs and what they left."""

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.words import thousands

if TYPE_CHECKING:
    from catalog.operations.prune import Plan

__all__ = ["prune"]

_SHOWN = 40


@click.command()
@click.option("--yes", is_flag=True, help="Remove it; without this, it is only shown.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Newest runs of each profile that stay.",
)
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="DAYS",
    help="Only what has not been worked on for so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def prune(yes: bool, keep: int, days: float, as_json: bool) -> None:
    """Show what old runs left, and with --yes remove it.

    Published runs always stay, with their ensembles, likeness maps and the runs that they extend; so do the newest runs
    of each profile. What goes: rows and reports of other runs, their ensembles and maps, trainings that were stopped,
    halves of files, searches of settings, files of versions that are not published, expired jobs of the TAP service.
    Nothing goes while a process works on a run.
    """
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.operations import prune as pruning
    from catalog.settings import load_settings

    settings, rules = load_settings(), pruning.Rules(keep, days)
    console = Console()
    with connect(settings, role=PRODUCTION.name) as connection:
        if yes:
            with console.status("Removing ...") as status:

                def show(done: float, total: float, what: str = "") -> None:
                    status.update(f"Removing {what} ({done:.0f} of {total:.0f})")

                plan = pruning.prune(connection, settings, rules, show)
        else:
            plan = pruning.plan_pruning(connection, settings, rules)
    if as_json:
        items = [
            {"kind": each.kind, "name": each.name, "bytes": each.n_bytes, "rows": each.n_rows, "why": each.why}
            for each in plan.items
        ]
        kept = [{"run_id": each.run_id, "why": each.why} for each in plan.kept]
        told = {"removed": yes, "bytes": plan.n_bytes, "items": items, "kept": kept, "notes": plan.notes}
        click.echo(json.dumps(told, indent=1))
        return
    _show(console, plan, yes)


def _show(console: Console, plan: "Plan", removed: bool) -> None:
    if not plan.items:
        console.print("Nothing to remove.")
    else:
        console.print(_table(plan, removed))
    for each in plan.kept:
        console.print(Text(f"kept: run {each.run_id}, {each.why}", style="dim"), soft_wrap=True)
    for note in plan.notes:
        console.print(Text(note, style="yellow"), soft_wrap=True)
    if plan.items and not removed and not plan.notes:
        console.print("Nothing was removed. `rvscat prune --yes` with the same options removes it.")


def _table(plan: "Plan", removed: bool) -> Table:
    words = "Removed" if removed else "Can be removed"
    table = Table(
        title=f"{words}: {thousands(plan.n_bytes / 1e6)} MB", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("What", overflow="fold")
    table.add_column("Rows", justify="right", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for item in plan.items[:_SHOWN]:
        rows = thousands(item.n_rows) if item.n_rows else ""
        table.add_row(Text(item.name), rows, f"{item.n_bytes / 1e6:,.1f}", Text(item.why))
    if len(plan.items) > _SHOWN:
        rest = plan.items[_SHOWN:]
        size = sum(item.n_bytes for item in rest) / 1e6
        table.add_row(f"{len(rest)} more (--json lists all)", "", f"{size:,.1f}", "")
    return table

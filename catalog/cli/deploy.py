"""`rvscat deploy`: flows with schedules on a Prefect server."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from flows.deployments import Result
    from flows.specification import Deployed

__all__ = ["deploy"]


@click.command()
@click.argument("names", nargs=-1, metavar="[DEPLOYMENT]...")
@click.option(
    "--profile", "profile_name", default="paper", show_default=True, metavar="NAME|FILE", help="Profile to run."
)
@click.option("--pool", metavar="NAME", help="Work pool; made, for processes, if missing  [default: rvscat]")
@click.option("--on", "switch_on", multiple=True, metavar="DEPLOYMENT", help="Switch its schedule on.")
@click.option("--off", "switch_off", multiple=True, metavar="DEPLOYMENT", help="Switch its schedule off.")
@click.option(
    "--cron", "crons", multiple=True, metavar="DEPLOYMENT=CRON", help='Other times, for instance nightly="0 4 * * *".'
)
@click.option("--timezone", metavar="ZONE", help="Time zone of the schedules  [default: UTC]")
@click.option(
    "--source", "sources", multiple=True, metavar="NAME", help="Source that ingest and nightly download first."
)
@click.option("--dry-run", is_flag=True, help="Say what would be deployed.")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def deploy(
    names: tuple[str, ...],
    profile_name: str,
    pool: str | None,
    switch_on: tuple[str, ...],
    switch_off: tuple[str, ...],
    crons: tuple[str, ...],
    timezone: str | None,
    sources: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give flows their schedules on a Prefect server.

    The deployments nightly, ingest, training and production, or those that are named, run a profile at their times: see
    prefect.yaml. Deploying again changes what differs and nothing else; a schedule that somebody switched on or off
    stays so. PREFECT_API_URL names the server. Flow runs use the data folder of this command; a worker does them.
    """
    # Before Prefect is imported.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from catalog.profiles import load_profile
    from catalog.settings import load_settings

    if both := sorted(set(switch_on) & set(switch_off)):
        raise click.UsageError(f"Switch {', '.join(both)} on or off, not both.")
    load_profile(profile_name)
    settings, console = load_settings(), Console(highlight=False)
    profile = str(Path(profile_name).resolve()) if profile_name.endswith(".toml") else profile_name
    with Console(stderr=True).status("Loading the flows ..."):
        from flows import deployments
        from flows.specification import Wishes, read_deployments

        switched = {**dict.fromkeys(switch_on, True), **dict.fromkeys(switch_off, False)}
        wishes = Wishes(profile, pool, dict(map(_cron, crons)), timezone, switched, sources)
        wanted = read_deployments(names, wishes)
    url = deployments.server_url()
    if dry_run and url is None:
        _show(console, _unasked(wanted, switched), as_json)
        console.print("PREFECT_API_URL is not set: nothing was compared.", style="dim")
        return
    results, state = deployments.deploy(wanted, wishes, settings, dry_run=dry_run)
    _show(console, results, as_json)
    if as_json:
        return
    if dry_run:
        console.print("\nA dry run: nothing was deployed.")
        return
    name = wanted[0].work_pool.name
    console.print(f"\nWork pool   {name}, {state}; server {url}", soft_wrap=True)
    console.print(f"Flow runs   in {settings.home}", soft_wrap=True)
    if settings.database_url:
        console.print("            with the database that the worker's RVSCAT_DATABASE_URL (or rvscat.toml) names")
    console.print(f"Worker      prefect worker start --pool {name} --type process --limit 1")


def _cron(text: str) -> tuple[str, str]:
    name, separator, cron = text.partition("=")
    if not separator or not name or not cron:
        raise click.BadParameter(f"{text!r} is not DEPLOYMENT=CRON.", param_hint="--cron")
    return name, cron


def _unasked(wanted: "Sequence[Deployed]", switched: dict[str, bool]) -> "list[Result]":
    from flows.deployments import Result

    return [
        Result(
            each.full_name,
            "planned",
            None,
            each.schedules[0].cron,
            each.schedules[0].timezone,
            switched.get(each.kind, each.schedules[0].active),
            each.parameters,
        )
        for each in wanted
    ]


def _show(console: Console, results: "Sequence[Result]", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(each) for each in results], indent=2))
        return
    table = Table("deployment", "", "schedule", "zone", "is", "downloads first", box=None)
    for each in results:
        sources = ", ".join(each.parameters.get("sources", ())) or "–"
        table.add_row(each.name, each.state, each.cron, each.timezone, "on" if each.active else "off", sources)
    console.print(table)

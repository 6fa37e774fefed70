"""`rvscat doctor`: is everything there that a run needs, and what to do where it is not."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from catalog.profiles import Profile
    from catalog.settings import Settings

__all__ = ["doctor"]

_MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "failure": ("✘", "bold red")}


@click.command()
@click.option(
    "--profile",
    "profile_name",
    metavar="NAME|FILE",
    help="Profile that is to be run  [default: that of the latest run]",
)
@click.option("--online", is_flag=True, help="Ask the archives of the release, too.")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
@click.pass_context
def doctor(context: click.Context, profile_name: str | None, online: bool, as_json: bool) -> None:
    """Check everything that a run needs, and say what to do.

    Packages, machine, settings, database and its roles, disks, survey files, ensembles, Prefect, the TAP service.
    Nothing is started or changed; no archive is asked unless --online is given. Ends with status 1 when something
    would keep a run from its end.
    """
    from catalog.operations.doctor import examine
    from catalog.settings import load_settings

    settings = load_settings()
    profile = _profile(settings, profile_name)
    found, console, area = [], Console(), ""
    if not as_json:
        console.print(f"Profile {profile.name}", highlight=False)
    for finding in examine(settings, profile, online=online):
        found.append(finding)
        if as_json:
            continue
        mark, style = _MARKS[finding.state]
        # The state is a word, too: colours and marks are lost in a log.
        word = "" if finding.state == "ok" else f"{finding.state}: "
        shown = "" if finding.area == area else finding.area
        area = finding.area
        console.print(Text.assemble((f"{shown:<13}", "bold"), (f"{mark} {word}", style), finding.text), soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{'':<15}{finding.remedy}", style="dim"), soft_wrap=True)
    counts = {state: sum(each.state == state for each in found) for state in _MARKS}
    if as_json:
        click.echo(
            json.dumps({"profile": profile.name, **counts, "findings": [asdict(each) for each in found]}, indent=1)
        )
    else:
        click.echo(f"{counts['ok']} ok, {_of(counts['warning'], 'warning')}, {_of(counts['failure'], 'failure')}")
    if counts["failure"]:
        context.exit(1)


def _of(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _profile(settings: "Settings", name: str | None) -> "Profile":
    """Return the profile of that name, of the latest run, or the demo."""
    import psycopg
    from pydantic import ValidationError

    from catalog.database.acting import acting
    from catalog.database.roles import PRODUCTION
    from catalog.errors import DatabaseError
    from catalog.operations.doctor.examination import present_connection
    from catalog.profiles import Profile, load_profile

    if name is not None:
        return load_profile(name)
    with present_connection(settings) as (connection, _):
        if connection is not None:
            try:
                with acting(connection, PRODUCTION.name):
                    row = connection.execute(
                        "SELECT profile FROM production.run ORDER BY run_id DESC LIMIT 1"
                    ).fetchone()
                if row is not None:
                    return Profile.model_validate(row[0])
            except (psycopg.Error, DatabaseError, ValidationError):
                pass  # no tables yet, or those of another version: the doctor says so by itself
    return load_profile("demo")

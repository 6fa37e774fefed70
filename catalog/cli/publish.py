"""`rvscat publish` and `rvscat export`: the catalogue in the database, and as files."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from catalog.profiles import Profile

__all__ = ["publish"]


@click.command()
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is.")
@click.option(
    "--accept-failed",
    "reason",
    metavar="REASON",
    help="Publish even when checks of the validation failed; the reason is recorded.",
)
@click.option(
    "--retract",
    type=(int, str),
    metavar="VERSION REASON",
    help="Take a version out of service; the reason is recorded.",
)
@click.option("--drop", is_flag=True, help="With --retract: remove the version's tables as well.")
@click.option("--reinstate", type=int, metavar="VERSION", help="Put a version back into service that was retracted.")
@click.option("--list", "listing", is_flag=True, help="Only list what has been published.")
@click.option("--json", "as_json", is_flag=True, help="With --list: write JSON.")
def publish(
    run_id: int | None,
    profile_name: str | None,
    reason: str | None,
    retract: tuple[int, str] | None,
    drop: bool,
    reinstate: int | None,
    listing: bool,
    as_json: bool,
) -> None:
    """Publish a run's catalogue as TAP-ready tables.

    Makes a new version of rvs_cnn and rvs_cnn_extended, switches the stable views to it in one transaction,
    describes it in TAP_SCHEMA and writes the export files. A run that is published with the same content keeps its
    version.

    A run whose validation failed a check, or that was not validated, is refused. With --accept-failed it is published
    all the same, and who accepted what and why stays with the version: --list, the headers of its files and
    production.publication tell it.

    --retract takes a version out of service: readers see the newest version that is left, or none; its tables stay
    unless --drop is given, its exported files are marked, and who retracted it, when and why stays in the ledger. What
    was retracted is not published again. --reinstate takes that back, unless the tables were dropped: readers see the
    version again, if no newer one is in service.
    """
    from catalog.cli.stage import perform

    if drop and retract is None:
        raise click.UsageError("--drop goes with --retract.")
    if reinstate is not None:
        others = (retract, run_id, profile_name, reason)
        if listing or as_json or any(each is not None for each in others):
            raise click.UsageError("--reinstate goes with no other option.")
        _reinstate(reinstate)
        return
    if retract is not None:
        if listing or as_json or reason is not None or run_id is not None or profile_name is not None:
            raise click.UsageError("--retract goes with --drop alone.")
        _retract(retract[0], _in_words(retract[1], "--retract"), drop)
        return
    if as_json and not listing:
        raise click.UsageError("--json goes with --list.")
    if listing:
        if reason is not None:
            raise click.UsageError("--list publishes nothing: leave out --accept-failed.")
        _list(as_json)
        return
    if profile_name is not None and run_id is not None:
        raise click.UsageError("Give --profile or --run, not both.")
    if reason is None:
        perform("publish", profile_name, run_id)
        return
    words = _in_words(reason, "--accept-failed")

    def accepting(profile: "Profile") -> "Profile":
        return profile.model_copy(update={"publish": profile.publish.model_copy(update={"accept_failed": words})})

    perform("publish", profile_name, run_id, accepting)


def _in_words(reason: str, option: str) -> str:
    words = " ".join(reason.split())
    if not words or not words.isprintable():
        raise click.UsageError(f"{option} needs a reason in words: it is recorded with the version.")
    return words


def _retract(version: int, reason: str, drop: bool) -> None:
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.publish.retract import retract_version
    from catalog.settings import load_settings

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection:
        done = retract_version(connection, version, reason, settings, drop)
    tables = "its tables are gone" if done.dropped else "its tables stay, closed to readers"
    click.echo(f"Version {version} is retracted; {tables}.")
    if done.exports is not None:
        click.echo(f"Its files are marked: {done.exports}")
    if done.current is None:
        click.echo("No version is in service any more: queries are told that nothing is published.")
    else:
        click.echo(f"Readers see version {done.current}.")


def _reinstate(version: int) -> None:
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.publish.reinstate import reinstate_version
    from catalog.settings import load_settings

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection:
        done = reinstate_version(connection, version, settings)
    click.echo(f"Version {version} is in service again.")
    if done.exports is not None:
        click.echo(f"Its files: {done.exports}")
    click.echo(f"Readers see version {done.current}.")


def _list(as_json: bool) -> None:
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.publish.gate import acceptance_note
    from catalog.publish.publications import list_publications
    from catalog.settings import load_settings

    with connect(load_settings(), role=PRODUCTION.name) as connection:
        publications = list_publications(connection)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in publications], indent=2, default=_plain))
        return
    if not publications:
        click.echo("Nothing has been published yet.")
        return
    table = Table("version", "run", "rows", "published", "state", "sha256 of content", box=None)
    for words in ("passed", "warned", "failed"):
        table.add_column(words, justify="right")
    for each in publications:
        published = each.published_at.strftime("%Y-%m-%d %H:%M")
        current = "current" if each.current else "retracted" if each.retracted else ""
        verdict = each.verdict
        checks = [str(n) for n in (verdict.n_pass, verdict.n_warn, verdict.n_fail)] if verdict else ["–"] * 3
        cells = (each.version, each.run_id, each.n_rows, published, current, each.sha256[:12], *checks)
        table.add_row(*map(str, cells))
    console = Console(highlight=False)
    console.print(table)
    for each in publications:
        if each.verdict and each.accepted_at and (note := acceptance_note(each.verdict)):
            by = f"{each.verdict.accepted_by}, {each.accepted_at:%Y-%m-%d %H:%M}"
            console.print(f"Version {each.version}: {note} ({by})", soft_wrap=True, markup=False)
        if back := each.reinstated:
            console.print(
                f"Version {each.version}: had been retracted: {back.reason}; reinstated "
                f"({back.by}, {back.at:%Y-%m-%d %H:%M})",
                soft_wrap=True,
                markup=False,
            )
        if told := each.retracted:
            gone = ", tables dropped" if told.dropped else ""
            console.print(
                f"Version {each.version}: retracted{gone}: {told.reason} ({told.by}, {told.at:%Y-%m-%d %H:%M})",
                soft_wrap=True,
                markup=False,
            )


def _plain(value: Any) -> str:
    """Return what JSON has no type for."""
    assert isinstance(value, datetime)
    return value.isoformat()

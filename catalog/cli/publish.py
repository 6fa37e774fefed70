"""`rvscat publish` and `rvscat export`: the catalogue in the database, and as files."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from catalog.profiles import Profile

__all__ = ["export", "publish"]

FORMATS = ("fits", "parquet", "votable", "csv", "ecsv")


@click.command()
@click.option("--run", "run_id", type=int, metavar="N", help="Number of the run  [default: the latest]")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile whose run it is.")
@click.option(
    "--accept-failed",
    "reason",
    metavar="REASON",
    help="Publish even when checks of the validation failed; the reason is recorded.",
)
@click.option("--list", "listing", is_flag=True, help="Only list what has been published.")
@click.option("--json", "as_json", is_flag=True, help="With --list: write JSON.")
def publish(run_id: int | None, profile_name: str | None, reason: str | None, listing: bool, as_json: bool) -> None:
    """Publish a run's catalogue as TAP-ready tables.

    Makes a new version of rvs_cnn and rvs_cnn_extended, switches the stable views to it in one transaction,
    describes it in TAP_SCHEMA and writes the export files. A run that is published with the same content keeps its
    version.

    A run whose validation failed a check, or that was not validated, is refused. With --accept-failed it is published
    all the same, and who accepted what and why stays with the version: --list, the headers of its files and
    production.publication tell it.
    """
    from catalog.cli.stage import perform

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
    words = " ".join(reason.split())
    if not words or not words.isprintable():
        raise click.UsageError("--accept-failed needs a reason in words: it is recorded with the version.")

    def accepting(profile: "Profile") -> "Profile":
        return profile.model_copy(update={"publish": profile.publish.model_copy(update={"accept_failed": words})})

    perform("publish", profile_name, run_id, accepting)


def _list(as_json: bool) -> None:
    from catalog.database.connection import connect
    from catalog.publish.gate import acceptance_note
    from catalog.publish.publications import list_publications
    from catalog.settings import load_settings

    with connect(load_settings()) as connection:
        publications = list_publications(connection)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in publications], indent=2, default=_plain))
        return
    if not publications:
        click.echo("Nothing has been published yet.")
        return
    table = Table("version", "run", "rows", "published", "current", "sha256 of content", box=None)
    for words in ("passed", "warned", "failed"):
        table.add_column(words, justify="right")
    for each in publications:
        published = each.published_at.strftime("%Y-%m-%d %H:%M")
        current = "current" if each.current else ""
        told = each.verdict
        checks = [str(n) for n in (told.n_pass, told.n_warn, told.n_fail)] if told else ["–"] * 3
        cells = (each.version, each.run_id, each.n_rows, published, current, each.sha256[:12], *checks)
        table.add_row(*map(str, cells))
    console = Console(highlight=False)
    console.print(table)
    for each in publications:
        if each.verdict and each.accepted_at and (note := acceptance_note(each.verdict)):
            by = f"{each.verdict.accepted_by}, {each.accepted_at:%Y-%m-%d %H:%M}"
            console.print(f"Version {each.version}: {note} ({by})", soft_wrap=True, markup=False)


def _plain(value: Any) -> str:
    """Return what JSON has no type for."""
    assert isinstance(value, datetime)
    return value.isoformat()


@click.command()
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="May be given more than once  [default: all but ecsv]",
)
@click.option("--version", type=int, metavar="N", help="Published version  [default: the current one]")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write  [default: exports/v<version> in the data folder]",
)
def export(formats: tuple[str, ...], version: int | None, folder: Path | None) -> None:
    """Write the published catalogue to files.

    The table rvs_cnn in each format with units, UCDs and descriptions, and SHA256SUMS beside them. Files that are there
    with the same content are left alone.
    """
    from rich.progress import Progress

    from catalog.database.connection import connect
    from catalog.publish.export import export_catalogue
    from catalog.publish.publications import find_publication
    from catalog.settings import load_settings

    settings = load_settings()
    console = Console(highlight=False)
    with connect(settings) as connection, Progress(console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: float, total: float, what: str = "") -> None:
            bar.update(task, completed=done, total=total, description=what)

        found = find_publication(connection, version)
        target = folder or settings.exports / f"v{found.version}"
        result = export_catalogue(connection, target, formats or FORMATS[:-1], show, version=found.version)
    for name in result.files:
        state = "written" if name in result.written else "was there"
        console.print(f"{result.folder / name}  ({state})", soft_wrap=True, markup=False)
    console.print(f"{result.n_rows} stars, version {result.version}", markup=False)

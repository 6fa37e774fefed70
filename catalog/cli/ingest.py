"""`rvscat ingest`: survey files into the database."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["ingest"]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--product",
    help="Survey product of the given files, for instance rvs_mean_spectrum  [default: name of their folder]",
)
@click.option("--release", "release_tag", help="Name under which the rows are kept  [default: that of the profile]")
@click.option(
    "--profile",
    "profile_name",
    default="paper",
    show_default=True,
    metavar="NAME|FILE",
    help="Profile that names the release.",
)
@click.option("--replace", is_flag=True, help="Let a file take the place of one with the same name and other content.")
def ingest(
    paths: tuple[Path, ...], product: str | None, release_tag: str | None, profile_name: str, replace: bool
) -> None:
    """Read survey files into the database.

    Without PATHS, the profile's folder under surveys/ is read: one sub-folder a product. Files that were read before
    are skipped by their checksum; bad rows are put aside with their reason; a bad file is refused whole and the others
    go on.
    """
    from catalog.cli.stage import perform
    from catalog.database.connection import connect
    from catalog.database.roles import INGEST
    from catalog.profiles import load_profile
    from catalog.settings import load_settings

    if not paths:
        if perform("ingest", profile_name, None).counts.get("files_refused"):
            raise click.exceptions.Exit(1)
        return
    profile, settings, console = load_profile(profile_name), load_settings(), Console(highlight=False)
    refused = 0
    with connect(settings, role=INGEST.name) as connection, Progress(console=console, transient=True) as bars:
        for path in paths:
            tag, name = release_tag or profile.data_release, product or path.resolve().parent.name
            is_taken, said = _ingest_one(connection, path, name, tag, profile.release, replace, bars)
            refused += not is_taken
            for line in said:
                console.print(line, soft_wrap=True)
    if refused:
        raise click.exceptions.Exit(1)


def _ingest_one(
    connection: "Connection", path: Path, product: str, release_tag: str, release: str, replace: bool, bars: Progress
) -> tuple[bool, list[str]]:
    """Ingest a file; return whether it was taken, and what to say."""
    from catalog.errors import FormatError
    from catalog.releases import load_release
    from catalog.surveys import product_named
    from catalog.surveys.file_ledger import freed_files
    from catalog.surveys.ingest import ingest_path

    bar = bars.add_task(escape(path.name), total=1.0)

    def show(done: float, total: float, what: str = "") -> None:  # noqa: ARG001  every listener is told what, this bar shows names
        bars.update(bar, completed=done, total=total)

    try:
        outcome = ingest_path(
            connection, path, product, release_tag, load_release(release), progress=show, replace=replace
        )
    except FormatError as error:
        return False, [f"[red]refused[/] {escape(path.name)}: {escape(str(error))}"]
    finally:
        bars.remove_task(bar)
    said = [escape(str(outcome))]
    definition = product_named(product)
    if replace and definition.keyed_by_source:
        freed = freed_files(connection, release_tag, product, next(iter(definition.tables)))
        if freed:
            stars = sum(file.n_stars for file in freed)
            said.append(
                f"{stars:,} stars of other files had been set aside because the old file held them: "
                "`rvscat ingest` without a file reads them again."
            )
    return True, said

"""`rvscat ingest`: survey files into the database."""

from pathlib import Path

import click
from rich.console import Console

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
    from catalog.errors import FormatError
    from catalog.profiles import load_profile
    from catalog.releases import load_release
    from catalog.settings import load_settings
    from catalog.surveys.ingest import ingest_path

    if not paths:
        if perform("ingest", profile_name, None).counts.get("files_refused"):
            raise click.exceptions.Exit(1)
        return
    profile, settings, console = load_profile(profile_name), load_settings(), Console(highlight=False)
    refused = 0
    with connect(settings) as connection:
        for path in paths:
            try:
                outcome = ingest_path(
                    connection,
                    path,
                    product or path.resolve().parent.name,
                    release_tag or profile.data_release,
                    load_release(profile.release),
                    replace=replace,
                )
            except FormatError as error:
                refused += 1
                console.print(f"[red]refused[/] {path.name}: {error}", soft_wrap=True)
            else:
                console.print(f"{outcome}", soft_wrap=True, markup=False)
    if refused:
        raise click.exceptions.Exit(1)

"""`rvscat handover`: what an archive needs to take the catalogue over."""

from pathlib import Path

import click

__all__ = ["handover"]

# Of catalog.publish.handover.TARGETS, which is not imported to show help.
TARGETS = ("dachs", "daiquiri", "datacite", "voresource")


@click.command()
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="What kind of archive or register.")
@click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Tables of that version  [default: the stable views]"
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where to write  [default: exports/v<version>/handover/<target> in the data folder]",
)
def handover(target: str, version: int | None, output: Path | None) -> None:
    """Write what an archive needs to take the catalogue over.

    dachs: a resource descriptor that adopts the tables without copying, with grants and tests. daiquiri: metadata to
    load. datacite: metadata of a DOI. voresource: a record for the VO registry. Who made the catalogue is read from
    handover.toml in the data folder.
    """
    from rich.console import Console

    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.publish.handover import hand_over
    from catalog.publish.handover.producer import FILE
    from catalog.settings import load_settings

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection:
        result = hand_over(connection, target, settings, version, output)
    console = Console(highlight=False)
    for name in result.files:
        console.print(str(result.folder / name), soft_wrap=True, markup=False)
    if result.unsaid:
        said = ", ".join(result.unsaid)
        console.print(f"Not said in {settings.home / FILE}: {said}.", soft_wrap=True, markup=False)
    if (result.folder / "README.md").is_file():
        console.print(f"Version {result.version}; README.md tells the steps.", markup=False)
    else:
        console.print(f"Version {result.version}.", markup=False)

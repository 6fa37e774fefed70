"""`rvscat export`: the published catalogue as files."""

import json
from pathlib import Path

import click
from rich.console import Console

__all__ = ["FORMATS", "TABLES", "export"]

FORMATS = ("fits", "parquet", "votable", "csv", "ecsv", "hats", "cds")
TABLES = ("rvs_cnn", "rvs_cnn_extended")
_DEFAULT = FORMATS[:4]


@click.command()
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help=f"May be given more than once  [default: {', '.join(_DEFAULT)}]",
)
@click.option(
    "--table", "tables", multiple=True, type=click.Choice(TABLES), help="May be given more than once  [default: both]"
)
@click.option("--version", type=int, metavar="N", help="Published version  [default: the current one]")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write  [default: exports/v<version> in the data folder]",
)
@click.option(
    "--author",
    metavar="NAMES",
    help="Whose catalogue it is, for the headers of the files  [default: the creators in handover.toml]",
)
@click.option("--json", "as_json", is_flag=True, help="Tell files and checksums as JSON.")
def export(
    formats: tuple[str, ...],
    tables: tuple[str, ...],
    version: int | None,
    folder: Path | None,
    author: str | None,
    as_json: bool,
) -> None:
    """Write the published catalogue to files.

    The tables rvs_cnn and rvs_cnn_extended in each format, with units, UCDs and descriptions, and SHA256SUMS beside
    them: FITS (with the VOTable header that TOPCAT reads), Parquet (VOParquet), VOTable, CSV, ECSV; hats, partitions by
    HEALPix pixel with a margin, for LSDB; cds, fixed-width files and the ReadMe that VizieR takes. Every value reads
    back as it is in the database. Files that are there with the same content are left alone; after an interruption the
    same command writes what is missing.
    """
    from rich.progress import Progress

    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.publish.export import NO_AUTHOR, export_catalogue
    from catalog.publish.handover.producer import load_producer
    from catalog.publish.publications import find_publication
    from catalog.settings import load_settings

    settings = load_settings()
    producer = load_producer(settings.home)
    console = Console(highlight=False)
    progress = Progress(console=Console(stderr=True), transient=True)
    with connect(settings, role=PRODUCTION.name) as connection, progress as bar:
        task = bar.add_task("reading", total=None)

        def show(done: float, total: float, what: str = "") -> None:
            bar.update(task, completed=done, total=total, description=what)

        found = find_publication(connection, version)
        target = folder or settings.exports / f"v{found.version}"
        result = export_catalogue(
            connection, target, formats or _DEFAULT, show, found.version, tables or TABLES, author, producer
        )
    if not (author or producer.names):
        click.echo(NO_AUTHOR, err=True)
    if as_json:
        told = {"version": result.version, "folder": str(result.folder), "files": result.files}
        click.echo(json.dumps({**told, "written": result.written, "n_rows": result.n_rows}, indent=2))
        return
    for name in dict.fromkeys(each.partition("/")[0] for each in result.files):
        state = "written" if name in result.written or (name.endswith(".json") and result.written) else "was there"
        console.print(f"{result.folder / name}  ({state})", soft_wrap=True, markup=False)
    console.print(f"{result.n_rows} stars, version {result.version}", markup=False)

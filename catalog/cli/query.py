"""`rvscat query`: ADQL on the published tables."""

import sys
from pathlib import Path

import click

__all__ = ["query"]

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".vot": "votable", ".xml": "votable"}


_HELP = """Answer an ADQL query on the published tables.

ADQL is the query, @FILE to read it from a file, or - to read it from standard input.

\b
rvscat query "SELECT TOP 5 * FROM catalogue.rvs_cnn"
rvscat query "SELECT table_name, column_name, unit FROM tap_schema.columns"
rvscat query @giants.adql --output giants.vot
"""


@click.command(help=_HELP)
@click.argument("adql")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json", "votable"]),
    help="How to write the answer  [default: by the suffix of FILE, else table]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write here.")
@click.option("--max-rows", type=click.IntRange(min=0), default=10_000, show_default=True, help="Rows at most.")
@click.option("--timeout", type=click.FloatRange(min=0.001), default=60.0, show_default=True, help="Seconds at most.")
def query(adql: str, format_: str | None, output: Path | None, max_rows: int, timeout: float) -> None:
    """Answer an ADQL query on the published tables."""
    from catalog.database.connection import connect
    from catalog.database.roles import READER
    from catalog.service.query import run_query
    from catalog.service.writers import write
    from catalog.settings import load_settings

    text = _read(adql)
    with connect(load_settings(), role=READER.name) as connection:
        result = run_query(connection, text, max_rows, timeout)
    chosen = format_ or _BY_SUFFIX.get(output.suffix.lower() if output else "", "table")
    if output is None:
        write(result, chosen, sys.stdout)
    else:
        try:
            with output.open("w", encoding="utf-8", newline="") as stream:
                write(result, chosen, stream)
        except OSError as error:
            raise click.FileError(str(output), error.strerror or "cannot be written") from error
        click.echo(f"{len(result.rows)} rows written to {output}.", err=True)
    if result.truncated and (output is not None or chosen != "table"):
        click.echo(f"There are more than these {max_rows} rows: raise --max-rows to have them.", err=True)


def _read(adql: str) -> str:
    from catalog.errors import QueryError

    if adql != "-" and not adql.startswith("@"):
        return adql
    source = "standard input" if adql == "-" else adql[1:]
    try:
        return sys.stdin.read() if adql == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(
            f"Cannot read the query from {source}: {error}.", "Give a UTF-8 text file, or the query itself."
        ) from error

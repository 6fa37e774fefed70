"""`rvscat db`: the database server and its schema."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from alembic.util import CommandError

from catalog.database import embedded, migrate
from catalog.database.connection import database_url
from catalog.settings import Settings, load_settings, mask_password

__all__ = ["db"]


@click.group()
def db() -> None:
    """Run the database server and its schema.

    Unless RVSCAT_DATABASE_URL names another server, rvscat runs a PostgreSQL server of its own. Every command that
    needs it starts it; its data stay in the data folder between runs.
    """


@db.command()
def start() -> None:
    """Start the embedded server; the first time, make it."""
    settings = load_settings()
    if _external(settings, "start"):
        return
    already = embedded.server_status(settings).running
    embedded.ensure_server(settings)
    status = embedded.server_status(settings)
    click.echo(f"PostgreSQL {status.version} {'is running already' if already else 'started'}, data in {status.data}")


@db.command()
def stop() -> None:
    """Stop the embedded server. Transactions that are open are rolled back; what was committed is kept."""
    settings = load_settings()
    if _external(settings, "stop"):
        return
    stopped = embedded.stop_server(settings)
    click.echo("The embedded server has stopped." if stopped else "The embedded server is not running.")


def _external(settings: Settings, action: str) -> bool:
    if not settings.database_url:
        return False
    click.echo(
        f"RVSCAT_DATABASE_URL names another server ({mask_password(settings.database_url)}): nothing to {action} here."
    )
    return True


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def status(as_json: bool) -> None:
    """Show the server's state, version, place and size. Starts nothing."""
    found = embedded.server_status(load_settings())
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    for name, value in _lines(found):
        if value is not None:
            click.echo(f"{name:<12}{value}")


def _lines(found: embedded.ServerStatus) -> list[tuple[str, str | int | None]]:
    if found.running:
        state = "running" if found.embedded else "reachable"
    elif not found.embedded:
        state = "cannot be reached"
    elif found.data is None:
        state = "not made yet; `rvscat db start` makes it"
    else:
        state = f"process {found.pid} is starting or stopping" if found.pid else "stopped"
    size = _megabytes(found.size_bytes)
    if size and found.free_bytes is not None:
        size += f", {_megabytes(found.free_bytes)} free on that disk"
    return [
        ("server", f"{'embedded' if found.embedded else 'RVSCAT_DATABASE_URL'}, {state}"),
        ("problem", found.problem),
        ("version", f"PostgreSQL {found.version}" if found.version else None),
        ("process", f"{found.pid}, account {found.account}" if found.pid else None),
        ("url", found.url),
        ("data", str(found.data) if found.data else None),
        ("log", str(found.log) if found.log else None),
        ("size", size),
        *(("left behind", f"{folder} (an earlier database; remove it if unwanted)") for folder in found.left_behind),
    ]


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:,.0f} MB"


def _url(settings: Settings) -> str:
    # Another server is taken as it is: only commands that work with its tables may bring its schema up.
    return settings.database_url or database_url(settings)


@contextmanager
def _revision_errors() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        known = ", ".join(migrate.known_revisions())
        raise click.BadParameter(f"{error}. Known: base, {known}, head.", param_hint="REVISION") from error


@db.command()
@click.option("--masked", is_flag=True, help="Print *** in the place of the password.")
def url(masked: bool) -> None:
    """Print the database's URL, password included. Starts the embedded server if needed.

    \b
    Example:
      psql "$(rvscat db url)"
    """
    found = _url(load_settings())
    click.echo(mask_password(found) if masked else found)


@db.command(
    # -h is psql's own option for the host.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PSQL ARGUMENTS]...")
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; further arguments go to psql.

    \b
    Example:
      rvscat db psql -c "SELECT count(*) FROM catalogue.rvs_cnn"
    """
    settings = load_settings()
    program = embedded.psql_program(settings)
    environment, rest = embedded.client_environment(_url(settings), complete=not settings.database_url)
    sys.stdout.flush()
    command = [str(program), *(["-d", rest] if rest else []), *arguments]
    os.execve(program, command, environment)  # noqa: S606  psql takes the place of this process; a shell would read the arguments


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up to REVISION, by default the newest. Other commands do this by themselves."""
    found = _url(load_settings())
    with _revision_errors():
        migrate.upgrade(found, revision)
    click.echo(f"The schema of {mask_password(found)} is at revision {migrate.current_revision(found)}.")


@db.command()
@click.argument("revision", default="-1")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the schema down to REVISION, by default by one step. The data of what it drops are lost.

    REVISION may be `base`: every table of rvscat is dropped. The next command that needs the database brings the
    schema up again, empty.
    """
    found = _url(load_settings())
    if not yes:
        click.confirm(
            f"The tables that were added after {'the step before this one' if revision == '-1' else revision} will be "
            f"dropped from {mask_password(found)}, and ALL DATA in them are LOST. Go on?",
            abort=True,
        )
    with _revision_errors():
        migrate.downgrade(found, revision)
    left = migrate.current_revision(found) or "base (empty)"
    click.echo(f"The schema of {mask_password(found)} is at revision {left}.")

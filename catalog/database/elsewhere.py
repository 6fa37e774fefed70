"""Parts of a stage that other processes do, on this machine or another: the same run, database and version, or none.

A part is given numbers that name what it belongs to. Whoever does it looks them up by its own settings, so that no
password travels, and refuses to work where they lead to something else. Nor does it write for a command that has ended:
one that was killed may leave parts on a cluster, and another command may have taken its place.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import Connection

from catalog import __version__
from catalog.database.acting import current_role
from catalog.database.connection import connect
from catalog.database.ledger import Run, find_run
from catalog.errors import ConfigurationError, RvscatError
from catalog.settings import Settings, load_settings

__all__ = ["Assignment", "Elsewhere", "assign", "elsewhere"]

_CURRENT = "SELECT 1 FROM production.stage WHERE stage_id = %s AND status = 'running'"


@dataclass(frozen=True)
class Assignment:
    """What the parts of a stage belong to; travels as text and numbers."""

    run_id: int
    run_begun: str
    """When the run was begun: no other database has the same."""
    attempt: int | None
    """The ledger's number of the stage that waits for its parts; None for one that is not in the ledger."""
    embedded_on: str | None
    """Host of the embedded server; None where the database has a URL."""
    role: str
    """Role of the database that the stage acts as, and so its parts."""
    rvscat_version: str

    def values(self) -> dict[str, str | int | float | bool | None]:
        """Return what a part is given of it."""
        return dict(vars(self))


@dataclass(frozen=True)
class Elsewhere:
    """Where a part works."""

    connection: Connection
    run: Run
    settings: Settings
    assignment: Assignment

    def begin_writing(self, what: str) -> None:
        """Begin the transaction that writes a part, while nobody else writes the same.

        Parameters
        ----------
        what : str
            Names the part.

        Raises
        ------
        RvscatError
            The command that gave the part out has ended.
        """
        key = f"part {self.run.run_id} {what}"
        self.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
        attempt = self.assignment.attempt
        if attempt is not None and self.connection.execute(_CURRENT, (attempt,)).fetchone() is None:
            raise RvscatError(
                f"The command that gave out {what} of run {self.run.run_id} has ended: nothing was written.",
                "Another command has given it out again, or will.",
            )


def assign(connection: Connection, run: Run, stage: str, settings: Settings) -> Assignment:
    """Return what the parts of a stage of `run` are to be given.

    Parameters
    ----------
    connection : psycopg.Connection
        Acts as the stage does.
    run : Run
    stage : str
        Name of the stage.
    settings : Settings

    Returns
    -------
    Assignment
    """
    attempt = connection.execute(
        "SELECT max(stage_id) FROM production.stage WHERE run_id = %s AND name = %s AND status = 'running'",
        (run.run_id, stage),
    ).fetchone()
    assert attempt is not None
    embedded_on = None if settings.database_url else socket.gethostname()
    return Assignment(
        run.run_id, _begun(connection, run.run_id), attempt[0], embedded_on, current_role(connection), __version__
    )


@contextmanager
def elsewhere(assignment: Assignment) -> Iterator[Elsewhere]:
    """Open what a part belongs to, by the settings of this process.

    Parameters
    ----------
    assignment : Assignment

    Yields
    ------
    Elsewhere

    Raises
    ------
    ConfigurationError
        This process has another version of rvscat, another database, or cannot reach it.
    """
    settings, host = load_settings(), socket.gethostname()
    if assignment.rvscat_version != __version__:
        raise ConfigurationError(
            f"The worker on {host} has rvscat {__version__}; the command runs on {assignment.rvscat_version}.",
            "Install the same version everywhere.",
        )
    if settings.database_url is None and assignment.embedded_on != host:
        # Without this, each worker would start an empty database of its own.
        raise ConfigurationError(
            f"The worker on {host} is not told which database to use.",
            "Start workers with the RVSCAT_DATABASE_URL of a PostgreSQL server that all of them reach; the embedded "
            "server is for one machine."
            if assignment.embedded_on
            else "Start workers with the same RVSCAT_DATABASE_URL as the command.",
        )
    with connect(settings, role=assignment.role) as connection:
        known = _begun(connection, assignment.run_id)
        if known != assignment.run_begun:
            raise ConfigurationError(
                f"The worker on {host} has a database in which run {assignment.run_id} is another one, or none.",
                "Start workers with the same RVSCAT_DATABASE_URL and RVSCAT_HOME as the command.",
            )
        run = find_run(connection, assignment.run_id)
        connection.commit()
        yield Elsewhere(connection, run, settings, assignment)


def _begun(connection: Connection, run_id: int) -> str:
    row = connection.execute(
        "SELECT extract(epoch FROM started_at)::text FROM production.run WHERE run_id = %s", (run_id,)
    ).fetchone()
    return "" if row is None else str(row[0])

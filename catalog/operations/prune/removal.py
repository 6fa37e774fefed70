"""Removes what a plan names, so that a kill at any moment costs nothing but another start of the same command.

Rows go first, in small transactions: from the run's first moment in here it is superseded and has no stages, so that
nothing takes its rest for a whole run. Folders are renamed before their files are removed.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from psycopg import Connection, sql

from catalog.database.acting import acting
from catalog.database.roles import JOBS
from catalog.errors import ConfigurationError, DatabaseError
from catalog.operations.prune.files import REMOVING
from catalog.operations.prune.items import Item, Plan, Rules
from catalog.operations.prune.planning import plan_pruning
from catalog.operations.prune.runs import rows_of
from catalog.operations.work import held, pruning
from catalog.progress import Progress, silent
from catalog.settings import Settings

__all__ = ["prune"]

_BATCH = 20_000
"""Rows a transaction: a fraction of a second."""


def prune(connection: Connection, settings: Settings, rules: Rules, progress: Progress = silent) -> Plan:
    """Remove what nothing needs.

    Parameters
    ----------
    connection : psycopg.Connection
        Committed often.
    settings : Settings
    rules : Rules
    progress : Progress
        Told the items removed so far.

    Returns
    -------
    Plan
        What was removed and what stayed.

    Raises
    ------
    DatabaseError
        A process is working on a run, or another prune is at work; nothing was removed then.
    ConfigurationError
        See `plan_pruning`; or something to be removed lies outside the data folder.
    """
    with pruning(connection):
        plan = plan_pruning(connection, settings, rules)
        if plan.notes:
            raise DatabaseError(plan.notes[0], "Wait until it has ended: see `rvscat status`.")
        outside = [path for item in plan.items for path in item.paths if not _inside(path, settings.home)]
        if outside:
            raise ConfigurationError(
                f"{outside[0]} lies outside the data folder {settings.home}.", "Remove it by hand, or its row."
            )
        runs = [item for item in plan.items if item.kind == "run"]
        with ExitStack() as stack:
            for lock in {item.key[:7]: item for item in runs}.values():
                assert lock.number is not None
                stack.enter_context(held(connection, lock.number, lock.key))
            _remove_rows(connection, plan, runs, progress)
            for done, item in enumerate(plan.items):
                progress(len(runs) + done, len(runs) + len(plan.items), item.name)
                for path in item.paths:
                    remove_path(path)
    progress(1, 1, "done")
    return plan


def _remove_rows(connection: Connection, plan: Plan, runs: Sequence[Item], progress: Progress) -> None:
    numbers = [item.number for item in runs]
    connection.execute("UPDATE production.run SET status = 'superseded' WHERE run_id = ANY (%s)", (numbers,))
    connection.execute("DELETE FROM production.stage WHERE run_id = ANY (%s)", (numbers,))
    connection.commit()
    tables = rows_of(connection, "run_tables")
    for done, item in enumerate(runs):
        progress(done, len(runs) + len(plan.items), f"rows of {item.name}")
        for table in tables:
            _in_batches(connection, table["name"], table["column"], item.number)
    for item in plan.items:
        if item.kind == "ensemble":
            _in_batches(connection, "production.training_residual", "ensemble_id", item.number)
            connection.execute("DELETE FROM production.ensemble WHERE ensemble_id = %s", (item.number,))
        elif item.kind == "maps":
            connection.execute("DELETE FROM production.likeness_reference WHERE key = %s", (item.key,))
        elif item.kind == "job":
            with acting(connection, JOBS.name):
                connection.execute("DELETE FROM service.job WHERE job_id = %s", (item.key,))
        connection.commit()
    # A run that extends another goes before that one: the newest first.
    for number in sorted((number for number in numbers if number is not None), reverse=True):
        connection.execute("DELETE FROM production.run WHERE run_id = %s", (number,))
        connection.commit()


def _in_batches(connection: Connection, table: str, column: str, number: int | None) -> None:
    statement = sql.SQL(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {column} = %s LIMIT {batch}))"
    ).format(table=sql.SQL(table), column=sql.Identifier(column), batch=sql.Literal(_BATCH))
    while connection.execute(statement, (number,)).rowcount > 0:
        connection.commit()
    connection.commit()


def remove_path(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; links are not followed."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    going = path if path.name.startswith(REMOVING) else path.with_name(f"{REMOVING}{path.name}")
    if going != path:
        shutil.rmtree(going, ignore_errors=True)
        path.rename(going)
    shutil.rmtree(going)


def _inside(path: Path, home: Path) -> bool:
    return path.parent.resolve().is_relative_to(home.resolve())

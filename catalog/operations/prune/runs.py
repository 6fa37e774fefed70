"""Which runs stay, and why; all others can go."""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.queries import load
from catalog.operations.prune.items import Kept, Rules

__all__ = ["known_runs", "needed_runs", "rows_of"]

_Row = Mapping[str, Any]


def rows_of(connection: Connection, name: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a query of ``sql/operations``."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load(f"operations/{name}").statement, values or {}).fetchall()


def known_runs(connection: Connection) -> list[dict[str, Any]]:
    """Return all runs, newest first."""
    return rows_of(connection, "prunable_runs")


def needed_runs(
    runs: Iterable[_Row], rules: Rules, trained_by: Mapping[int, int | None], mapped_by: Mapping[str, int]
) -> dict[int, Kept]:
    """Return the runs that stay.

    Published runs stay, and the newest of each profile; with them what they stand on: the run that they extend, the
    one that trained their ensemble, and the one whose maps their stars were placed in.

    Parameters
    ----------
    runs : iterable of mapping
        As `known_runs` returns them.
    rules : Rules
    trained_by : mapping of int to int or None
        Run that trained each ensemble.
    mapped_by : mapping of str to int
        Run that made each set of maps.

    Returns
    -------
    dict of int to Kept
    """
    rows = {row["run_id"]: row for row in runs}
    kept: dict[int, Kept] = {}
    newest: dict[str, int] = {}
    finished: set[str] = set()
    for number, row in rows.items():  # newest first
        if row["versions"]:
            listed = ", ".join(f"v{version}" for version in row["versions"])
            kept[number] = Kept(number, f"published as {listed}")
        elif row["status"] != "superseded" and newest.get(row["profile"], 0) < rules.keep:
            kept[number] = Kept(number, f"among the newest of profile {row['profile']}")
        elif row["status"] == "complete" and row["profile"] not in finished:
            kept[number] = Kept(number, f"the newest of profile {row['profile']} that is complete")
        elif row["age_days"] < rules.days:
            kept[number] = Kept(number, f"{row['age_days']:.0f} days old")
        if row["status"] == "complete":
            finished.add(row["profile"])
        if row["status"] != "superseded":
            newest[row["profile"]] = newest.get(row["profile"], 0) + 1
    waiting = list(kept)
    while waiting:
        number = waiting.pop()
        for other, why in _stands_on(rows[number], trained_by, mapped_by):
            if other in rows and other not in kept:
                kept[other] = Kept(other, f"{why} run {number}")
                waiting.append(other)
    return kept


def _stands_on(
    row: _Row, trained_by: Mapping[int, int | None], mapped_by: Mapping[str, int]
) -> Iterable[tuple[int, str]]:
    if row["base_run_id"] is not None:
        yield row["base_run_id"], "extended by"
    for ensemble in row["ensembles"] or []:
        if (trainer := trained_by.get(ensemble)) is not None:
            yield trainer, "trained the ensemble of"
    for key in row["maps"] or []:
        if (maker := mapped_by.get(key.strip())) is not None:
            yield maker, "made the likeness maps of"

"""The two catalogues that are compared: two runs, or a run and the published catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.errors import ConfigurationError, NotFoundError, SampleError

__all__ = ["Side", "find_sides"]


@dataclass(frozen=True)
class Side:
    """One of the two catalogues."""

    run_id: int
    """0 for the published catalogue, as the queries have it."""
    release: str
    """Key of the survey rows."""
    version: str = ""
    """Of rvscat."""
    started_at: datetime | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    ensemble: Mapping[str, Any] = field(default_factory=dict)
    """``ensemble_id``, ``ensemble_key``, ``n_members``, ``n_training`` and ``settings``; empty when published."""
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Limits of each digit of the flag; empty before they are made, and when published."""
    repeated_rows: int = 0
    """Rows of the published catalogue with the id of another row: the first one counts."""

    @property
    def published(self) -> bool:
        """Whether it is the published catalogue."""
        return self.run_id == 0

    @property
    def title(self) -> str:
        """How sentences name it."""
        return "the published catalogue" if self.published else f"run {self.run_id}"

    @property
    def short(self) -> str:
        """How tables and figures name it."""
        return "published" if self.published else f"run {self.run_id}"

    @property
    def slug(self) -> str:
        """How file names name it."""
        return "published" if self.published else f"run-{self.run_id}"


def find_sides(connection: Connection, run_id: int, other: int | None) -> tuple[Side, Side]:
    """Find two catalogues that can be compared.

    Parameters
    ----------
    connection : psycopg.Connection
    run_id : int
        The run that is looked at.
    other : int or None
        The run that it is compared with; None for the published catalogue.

    Returns
    -------
    tuple of Side

    Raises
    ------
    ConfigurationError
        The same run was given twice.
    NotFoundError
        There is no such run, or no published catalogue was ingested.
    SampleError
        A run has no labels, or has not been validated; or both are of different releases.
    """
    if run_id == other:
        raise ConfigurationError(
            f"Run {run_id} cannot be compared with itself.", "Name another run: `rvscat status` lists them."
        )
    records = [_record(connection, each) for each in (run_id, other) if each is not None]
    releases = [record["release"] for record in records]
    if len(set(releases)) > 1:
        raise SampleError(
            f"Run {run_id} is of {releases[0]}, run {other} of {releases[1]}: source_id names other stars there, "
            "so that none can be compared.",
            "Compare runs of one release: `rvscat status` lists them.",
        )
    sides = [_run(record, validated=other is not None) for record in records]
    return sides[0], sides[1] if other is not None else _published(connection, releases[0])


def _record(connection: Connection, run_id: int) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(load("validation/against_run").statement, {"run_id": run_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}.", "`rvscat status` lists them.")
    return row


def _run(row: Mapping[str, Any], *, validated: bool) -> Side:
    run_id = row["run_id"]
    if not row["labelled"]:
        raise SampleError(
            f"Run {run_id} has no labels to compare.", f"Predict them first: `rvscat predict --run {run_id}`."
        )
    if validated and not row["validated"]:
        raise SampleError(
            f"Run {run_id} has not been validated: there are no results to set side by side.",
            f"Validate it first: `rvscat validate --run {run_id}`.",
        )
    names = ("ensemble_id", "ensemble_key", "n_members", "n_training", "settings")
    return Side(
        run_id=run_id,
        release=row["release"],
        version=row["version"],
        started_at=row["started_at"],
        profile=row["profile"],
        ensemble={name: row[name] for name in names},
        limits=row["limits"] or {},
    )


def _published(connection: Connection, release: str) -> Side:
    rows = connection.execute(load("validation/against_published").statement, {"release": release}).fetchone()
    if rows is None or not rows[0]:
        raise NotFoundError(
            f"The published RVS-CNN catalogue was not ingested for {release}.",
            "Put its file into the folder rvs_cnn beside the other surveys (`rvscat fetch rvs_cnn` downloads it), "
            "then `rvscat ingest`.",
        )
    renew_statistics(connection, "survey.rvs_cnn_star")
    return Side(run_id=0, release=release, repeated_rows=rows[0] - rows[1])

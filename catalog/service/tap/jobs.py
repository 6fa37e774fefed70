"""Jobs in the database: what UWS tells of them, kept across restarts (table ``service.job``)."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from catalog.database.queries import load
from catalog.service.tap.errors import ServiceError
from catalog.service.tap.execution import Outcome
from catalog.service.tap.limits import Limits
from catalog.service.tap.pool import Pool

__all__ = ["ACTIVE", "ROLE", "Job", "JobStore"]

ROLE = "rvscat_jobs"
"""Role that may write jobs, and nothing else."""

ACTIVE = ("QUEUED", "EXECUTING")

_COLUMNS = (
    "job_id, client, run_id, phase, parameters, execution_duration, destruction, created, started, ended, media_type, "
    "n_rows, n_bytes, overflow, error_message, error_status"
)


@dataclass(frozen=True)
class Job:
    """One row of ``service.job``."""

    job_id: str
    client: str
    run_id: str | None
    phase: str
    parameters: list[list[str]]
    execution_duration: int
    destruction: datetime
    created: datetime
    started: datetime | None
    ended: datetime | None
    media_type: str | None
    n_rows: int | None
    n_bytes: int
    overflow: bool | None
    error_message: str | None
    error_status: int | None

    @property
    def ended_well(self) -> bool:
        """Whether there is a result."""
        return self.phase == "COMPLETED"


class JobStore:
    """Jobs of one service.

    Parameters
    ----------
    pool : Pool
    service_id : str
        Of the data folder, whose service alone keeps these jobs' files.
    """

    def __init__(self, pool: Pool, service_id: str) -> None:
        self._pool = pool
        self._service_id = service_id

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._pool.connection() as connection, connection.transaction():
            connection.execute(f"SET LOCAL ROLE {ROLE}")
            yield connection

    def create(
        self, client: str, parameters: Sequence[tuple[str, str]], run_id: str | None, n_bytes: int, limits: Limits
    ) -> Job:
        """Make a job, PENDING.

        Raises
        ------
        ServiceError
            The client has too many jobs, or too large ones.
        """
        with self._writing() as connection:
            # One job of a client after the other, so that none slips through.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", (self._service_id, client))
            row = connection.execute(
                load("service/job_usage").statement, {"service_id": self._service_id, "client": client}
            ).fetchone()
            assert row is not None
            n_jobs, client_bytes, all_bytes = row
            if n_jobs >= limits.jobs_per_client:
                raise ServiceError(f"{n_jobs} jobs from your address are kept.", "Delete some of them first.", 429)
            if client_bytes + n_bytes > limits.client_bytes or all_bytes + n_bytes > limits.store_bytes:
                raise ServiceError("There is no room for results of further jobs.", "Delete jobs first.", 429)
            return self._row(
                connection,
                "INSERT INTO service.job (job_id, service_id, client, run_id, parameters, n_bytes, execution_duration, "
                "destruction) VALUES (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s)) "
                f"RETURNING {_COLUMNS}",
                (
                    secrets.token_hex(16),
                    self._service_id,
                    client,
                    run_id,
                    Jsonb([list(pair) for pair in parameters]),
                    n_bytes,
                    min(limits.job_seconds, limits.max_job_seconds),
                    min(limits.job_days, limits.max_job_days) * 86400,
                ),
            )

    def find(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        ServiceError
            There is none of that name (404).
        """
        with self._writing() as connection:
            return self._row(
                connection,
                f"SELECT {_COLUMNS} FROM service.job WHERE job_id = %s AND service_id = %s",
                (job_id, self._service_id),
            )

    def list_jobs(self, client: str, phases: Sequence[str], after: datetime | None, last: int | None) -> list[Job]:
        """Return the jobs of a client, the youngest first."""
        values = {"service_id": self._service_id, "client": client, "phases": list(phases), "after": after, "n": last}
        with self._writing() as connection, connection.cursor(row_factory=class_row(Job)) as cursor:
            return cursor.execute(
                f"SELECT {_COLUMNS} FROM service.job WHERE service_id = %(service_id)s AND client = %(client)s "
                "AND (phase = ANY (%(phases)s) OR (cardinality(%(phases)s::text[]) = 0)) "
                "AND (%(after)s::timestamptz IS NULL OR created > %(after)s) ORDER BY created DESC LIMIT %(n)s",
                values,
            ).fetchall()

    def enter(self, job_id: str, phase: str, allowed: Sequence[str]) -> bool:
        """Bring a job from one of the phases `allowed` to `phase`; False when it is in another one."""
        times = {
            "QUEUED": ", started = NULL, attempts = greatest(attempts - 1, 0)",
            "EXECUTING": ", started = clock_timestamp(), attempts = attempts + 1",
            "ABORTED": ", ended = clock_timestamp()",
        }
        with self._writing() as connection:
            done = connection.execute(
                f"UPDATE service.job SET phase = %s{times.get(phase, '')} "
                "WHERE job_id = %s AND service_id = %s AND phase = ANY (%s)",
                (phase, job_id, self._service_id, list(allowed)),
            )
            return done.rowcount == 1

    def complete(self, job_id: str, media_type: str, outcome: Outcome) -> None:
        """Enter the result of a job."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE service.job SET phase = 'COMPLETED', ended = clock_timestamp(), media_type = %s, n_rows = %s, "
                "overflow = %s, n_bytes = n_bytes + %s WHERE job_id = %s AND phase = 'EXECUTING'",
                (media_type, outcome.n_rows, outcome.overflow, outcome.n_bytes, job_id),
            )

    def fail(self, job_id: str, status: int, message: str) -> None:
        """Enter what a job failed by."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE service.job SET phase = 'ERROR', ended = clock_timestamp(), error_status = %s, "
                "error_message = %s WHERE job_id = %s AND phase = ANY (%s)",
                (status, message, job_id, list(ACTIVE)),
            )

    def set_parameters(self, job_id: str, parameters: Sequence[Sequence[str]], run_id: str | None) -> None:
        """Replace the parameters of a job that has not been started.

        Raises
        ------
        ServiceError
            It has been.
        """
        self._change(job_id, "parameters = %s, run_id = %s", (Jsonb([list(pair) for pair in parameters]), run_id))

    def set_duration(self, job_id: str, seconds: int) -> None:
        """Change the time that a job may take; see `set_parameters`."""
        self._change(job_id, "execution_duration = %s", (seconds,))

    def set_destruction(self, job_id: str, when: datetime) -> None:
        """Change when a job is deleted."""
        with self._writing() as connection:
            connection.execute("UPDATE service.job SET destruction = %s WHERE job_id = %s", (when, job_id))

    def delete(self, job_id: str) -> None:
        """Forget a job."""
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM service.job WHERE job_id = %s AND service_id = %s", (job_id, self._service_id)
            )

    def expired(self) -> list[str]:
        """Return the jobs whose time is over."""
        return self._ids("SELECT job_id FROM service.job WHERE service_id = %s AND destruction <= now()")

    def known(self) -> list[str]:
        """Return all jobs."""
        return self._ids("SELECT job_id FROM service.job WHERE service_id = %s")

    def interrupted(self, max_attempts: int) -> list[str]:
        """Bring jobs that a service left behind back into the queue; those that were begun too often fail.

        Returns
        -------
        list of str
            The jobs in the queue, the oldest first.
        """
        with self._writing() as connection:
            values = {"service_id": self._service_id, "max_attempts": max_attempts}
            rows = connection.execute(load("service/job_recovery").statement, values).fetchall()
        return [row[0] for row in rows]

    def _ids(self, statement: str) -> list[str]:
        with self._writing() as connection:
            return [row[0] for row in connection.execute(statement, (self._service_id,)).fetchall()]

    def _change(self, job_id: str, what: str, values: tuple[Any, ...]) -> None:
        with self._writing() as connection:
            done = connection.execute(
                f"UPDATE service.job SET {what} WHERE job_id = %s AND service_id = %s AND phase IN ('PENDING', 'HELD')",
                (*values, job_id, self._service_id),
            )
            if done.rowcount != 1:
                raise ServiceError("The job has been started: it cannot be changed any more.", "Make a new one.", 400)

    @staticmethod
    def _row(connection: Connection, statement: str, values: tuple[Any, ...]) -> Job:
        with connection.cursor(row_factory=class_row(Job)) as cursor:
            job = cursor.execute(statement, values).fetchone()
        if job is None:
            raise ServiceError("There is no such job.", "It may have been deleted, or its time may be over.", 404)
        return job

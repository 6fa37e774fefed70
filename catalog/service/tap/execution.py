"""One query on its way from the database to whoever reads the answer; it runs in a thread and can be stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import psycopg

from catalog.errors import QueryError, RvscatError
from catalog.service.answer import open_answer
from catalog.service.tap.errors import LOG, describe_error
from catalog.service.tap.formats import Format
from catalog.service.tap.limits import Limits
from catalog.service.tap.pool import Pool
from catalog.service.tap.upload import Upload, create_tables

if TYPE_CHECKING:
    from catalog.service.tap.origin import Origin

__all__ = ["Execution", "Outcome", "Stopped"]

_CANCEL_SECONDS = 10.0


class Stopped(RvscatError, RuntimeError):  # noqa: N818  (it is no mistake of anybody)
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Outcome:
    """What became of a query."""

    n_rows: int
    overflow: bool
    n_bytes: int


@dataclass
class Execution:
    """A query and how it is answered."""

    adql: str
    format: Format
    max_rows: int
    seconds: float
    limits: Limits
    uploads: Sequence[Upload] = ()
    origin: "Origin | None" = None
    """What the answer tells of where it comes from."""
    told_late: bool = field(default=False, init=False)
    """True when an error came after the first bytes, and the answer tells of it."""

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._connection: psycopg.Connection | None = None
        self._reason: RvscatError | None = None
        self._begun = False
        self._n_bytes = 0

    def run(self, pool: Pool, sink: Callable[[bytes], None], rest: Callable[[], None] | None = None) -> Outcome:
        """Answer the query, giving the bytes of the answer to `sink` as they come; call `rest` after each block.

        Raises
        ------
        RvscatError
            The query failed or was stopped; see also `told_late`.
        """
        with pool.connection() as connection:
            try:
                with self._lock:
                    self._check()
                    self._connection = connection
                return self._answer(connection, sink, rest)
            except Exception as error:
                if self._reason is None or self._reason is error:
                    raise
                # Stopped by us: the database only knows that it was cancelled.
                raise self._reason from error
            finally:
                with self._lock:
                    self._connection = None
                    if self._reason is not None:
                        # A cancellation may still be on its way: it must not meet the next query.
                        connection.close()

    def stop(self, reason: RvscatError) -> None:
        """Stop the query, from any thread: `run` raises `reason`."""
        with self._lock:
            self._reason = self._reason or reason
            if self._connection is not None:
                try:
                    self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
                except psycopg.Error as error:
                    LOG.warning("A query could not be cancelled: %s", error)

    def _check(self) -> None:
        if self._reason is not None:
            raise self._reason

    def _answer(
        self, connection: psycopg.Connection, sink: Callable[[bytes], None], rest: Callable[[], None] | None
    ) -> Outcome:
        with connection.transaction(force_rollback=True):
            uploads = create_tables(connection, self.uploads, self.limits) if self.uploads else None
            self._check()
            with open_answer(connection, self.adql, self.max_rows, self.seconds, uploads) as answer:
                facts = self.origin.facts(connection) if self.origin else []
                writer = self.format.writer(answer.columns, facts)
                try:
                    self._send(sink, writer.begin())
                    for block in answer.blocks:
                        self._send(sink, writer.write(block))
                        if rest is not None:
                            rest()
                    for piece in writer.end(answer.overflow):
                        self._send(sink, piece)
                except Exception as error:
                    reason = self._reason or error
                    ending = writer.fail(describe_error(reason)[1])
                    if self._begun and ending is not None and not isinstance(reason, Stopped):
                        self.told_late = True
                        sink(ending)
                    raise
                return Outcome(answer.n_rows, answer.overflow, self._n_bytes)

    def _send(self, sink: Callable[[bytes], None], data: bytes) -> None:
        self._check()
        if not data:
            return
        self._n_bytes += len(data)
        if self._n_bytes > self.limits.answer_bytes:
            raise QueryError(
                f"The answer is larger than {self.limits.answer_bytes / 1e6:g} MB.", "Select fewer columns or rows."
            )
        self._begun = True
        sink(data)

"""Connections to the database that are kept between queries; after a restart of the server, new ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus

from catalog.errors import DatabaseError

__all__ = ["Pool"]

_CONNECT_SECONDS = 5


class Pool:
    """Idle connections, the last used first; how many are in use at once is limited elsewhere.

    Parameters
    ----------
    find_url : callable
        Returns the URL of the database, or raises DatabaseError while it is not there.
    keep : int
        Idle connections that are kept.
    """

    def __init__(self, find_url: Callable[[], str], keep: int) -> None:
        self._find_url = find_url
        self._keep = keep
        self._idle: list[psycopg.Connection] = []
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Lend a connection in autocommit mode; one that comes back in a transaction or broken is closed.

        Raises
        ------
        DatabaseError
            The database is not there.
        """
        connection = self._take()
        try:
            yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseError(f"The database does not answer: {str(error).strip()}.") from error
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close all idle connections; those that are lent close when they come back."""
        with self._lock:
            self._closed = True
        self._drop()

    def _take(self) -> psycopg.Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            try:
                connection.execute("SELECT 1")
            except psycopg.Error:
                # The server was restarted: the other connections are as dead as this one.
                connection.close()
                self._drop()
            else:
                return connection

    def _connect(self) -> psycopg.Connection:
        try:
            connection = psycopg.connect(
                self._find_url(), autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="rvscat serve"
            )
            # What the service itself asks takes milliseconds; queries of clients set a limit of their own.
            connection.execute("SET statement_timeout = '60s'; SET lock_timeout = '10s'")
            return connection
        except psycopg.OperationalError as error:
            raise DatabaseError(f"The database cannot be reached: {str(error).strip()}.") from error

    def _give_back(self, connection: psycopg.Connection) -> None:
        if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
            with self._lock:
                if not self._closed and len(self._idle) < self._keep:
                    self._idle.append(connection)
                    return
        connection.close()

    def _drop(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

"""Tells others than the own terminal of a stage: in the ledger how far it is, in the log how it ended."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil
import psycopg

from catalog.database.acting import act_as
from catalog.database.connection import database_url
from catalog.errors import RvscatError
from catalog.progress import Listener
from catalog.settings import Settings

__all__ = ["logged", "recorded"]

_LOG = logging.getLogger(__name__)
# For the log alone: whoever ran the stage shows its error, and a display is not written over.
_LOG.addHandler(logging.NullHandler())
_SECONDS = 1.0
"""Between two writings, at least: one row is updated in place."""
_PATIENCE = 30.0
"""Seconds without writings after one has failed: a stage does not fail because nobody can watch it."""

_WRITE = """
UPDATE production.stage
SET progress_done = %(done)s, progress_total = %(total)s, progress_words = %(words)s, progress_at = clock_timestamp(),
    wall_s = extract(epoch FROM clock_timestamp() - started_at), cpu_s = %(cpu_s)s,
    peak_mb = greatest(peak_mb, CAST(%(rss_mb)s AS real))
WHERE run_id = %(run_id)s AND name = %(name)s AND status = 'running'
"""


@contextmanager
def recorded(settings: Settings, run_id: int, name: str, listener: Listener, role: str) -> Iterator[Listener]:
    """Give a listener that tells `listener` everything, and the ledger once a second.

    Parameters
    ----------
    settings : Settings
    run_id : int
    name : str
        Of the stage that is running.
    listener : Listener
    role : str
        Role of the database that it acts as.

    Yields
    ------
    Listener
    """
    recorder = _Recorder(settings, run_id, name, listener, role)
    try:
        yield recorder
    finally:
        recorder.close()


class _Recorder(Listener):
    def __init__(self, settings: Settings, run_id: int, name: str, listener: Listener, role: str) -> None:
        self._settings, self._listener, self._role = settings, listener, role
        self._place = {"run_id": run_id, "name": name}
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()
        self._next = 0.0
        self._cpu_before = _cpu_and_memory()[0]

    def __call__(self, done: float, total: float, what: str = "") -> None:
        self._listener(done, total, what)
        if time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._write(done, total, what)
            finally:
                self._lock.release()

    def parts(self, rows: Sequence[Mapping[str, str]]) -> None:
        self._listener.parts(rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _write(self, done: float, total: float, what: str) -> None:
        self._next = time.monotonic() + _SECONDS
        try:
            if self._connection is None or self._connection.closed:
                # Its own: the stage's transaction is nobody else's to see before it is committed.
                url = database_url(self._settings)
                self._connection = psycopg.connect(
                    url, autocommit=True, connect_timeout=5, application_name="rvscat progress"
                )
                act_as(self._connection, self._role)
                self._connection.execute("SET lock_timeout = '1s'; SET statement_timeout = '5s'")
            cpu_s, rss_mb = _cpu_and_memory()
            values = {"done": done, "total": total, "words": what, "cpu_s": cpu_s - self._cpu_before, "rss_mb": rss_mb}
            self._connection.execute(_WRITE, {**self._place, **values})
        except (psycopg.Error, RvscatError) as error:
            self._next = time.monotonic() + _PATIENCE
            self.close()
            self._connection = None
            _LOG.warning("progress cannot be written: %s", str(error).strip())


def _cpu_and_memory() -> tuple[float, float]:
    """Return CPU seconds and resident memory (MB) of this process and its children now."""
    own = psutil.Process()
    cpu_s, rss = 0.0, 0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss += process.memory_info().rss
        except psutil.Error:
            continue  # ended meanwhile
    return cpu_s, rss / 1e6


@contextmanager
def logged(run_id: int, name: str) -> Iterator[dict[str, object]]:
    """Log that a stage begins, and how it ended; what the caller enters is logged with its end.

    Parameters
    ----------
    run_id : int
    name : str
        Of the stage.
    """
    place: dict[str, object] = {"run_id": run_id, "stage": name}
    _LOG.info("stage begins", extra=place)
    began, told = time.monotonic(), dict[str, object]()
    try:
        yield told
    except BaseException as error:
        remedy = error.remedy if isinstance(error, RvscatError) else None
        message = error.message if isinstance(error, RvscatError) else f"{type(error).__name__}: {error}"
        took = round(time.monotonic() - began, 3)
        # The traceback of an error that was foreseen tells nothing that its message does not.
        unforeseen = not isinstance(error, RvscatError | KeyboardInterrupt)
        extra = {**place, "duration_s": took, "remedy": remedy}
        _LOG.error("stage failed: %s", message, extra=extra, exc_info=unforeseen)
        raise
    _LOG.info("stage done", extra={**place, **told, "duration_s": round(time.monotonic() - began, 3)})

"""Reading, computing and writing at the same time, in bounded memory and in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Generic, TypeVar

__all__ = ["in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_POLL_SECONDS = 0.1


def in_order(
    read: Callable[[], Iterator[_Item]], workers: Iterable[Callable[[_Item], _Result]], ahead: int = 2
) -> Generator[_Result]:
    """Give every item to one of the workers; yield the results in the order of the items.

    Items are read in a thread of their own, each worker runs in another, and whoever takes the results goes on in
    this one. When it stops taking, so do they.

    Parameters
    ----------
    read : callable
        Returns the items; called and used in the reading thread.
    workers : iterable of callable
        One a thread.
    ahead : int
        Items that may wait for a worker, and results that may wait to be taken.

    Yields
    ------
    object
        Result of each item.

    Raises
    ------
    BaseException
        Whatever reading or a worker raises, in its item's place.
    """
    idle: queue.SimpleQueue[Callable[[_Item], _Result]] = queue.SimpleQueue()
    n_workers = 0
    for worker in workers:
        idle.put(worker)
        n_workers += 1

    def work(item: _Item) -> _Result:
        worker = idle.get()
        try:
            return worker(item)
        finally:
            idle.put(worker)

    reader = _Reader(read, ahead)
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(n_workers, thread_name_prefix="predict") as pool, closing(reader):
        try:
            while (item := reader.take()) is not None:
                pending.append(pool.submit(work, item[0]))
                if len(pending) >= n_workers + ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
            reader.raise_error()
        finally:
            for future in pending:
                future.cancel()


class _Reader(Generic[_Item]):
    """Iterates in a thread of its own, a few items ahead."""

    def __init__(self, read: Callable[[], Iterator[_Item]], ahead: int) -> None:
        self._queue: queue.Queue[tuple[_Item] | None] = queue.Queue(max(1, ahead))
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(read,), name="read", daemon=True)
        self._thread.start()

    def take(self) -> tuple[_Item] | None:
        """Return the next item, or None when there is none, or none could be read."""
        return self._queue.get()

    def raise_error(self) -> None:
        """Raise what ended the reading before its time."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join()

    def _run(self, read: Callable[[], Iterator[_Item]]) -> None:
        try:
            items = read()
            for item in items:
                if not self._put((item,)):
                    break
            # Whatever the items hold open is closed in this thread.
            if hasattr(items, "close"):
                items.close()
        except BaseException as error:
            # For the thread that takes the items.
            self._error = error
        self._put(None)

    def _put(self, item: tuple[_Item] | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

"""Work done ahead of its use: an iterator that runs in a thread of its own."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Generic, TypeVar

__all__ = ["Ahead"]

Item = TypeVar("Item")

_PATIENCE_S = 0.1


class Ahead(Generic[Item]):
    """Items taken from an iterable by another thread, before they are asked for.

    For work that releases the interpreter, such as decompression, parsing and numpy: it then overlaps with
    what the caller does with the items. The other thread begins at once, and has ended when the context is
    left.

    Parameters
    ----------
    items : iterable
        Used in the other thread only. Its exceptions are raised where its items are asked for.
    depth : int
        Items that may wait; bounds the memory.
    """

    def __init__(self, items: Iterable[Item], depth: int = 1) -> None:
        self._items = items
        self._waiting: Queue[tuple[str, Any]] = Queue(depth)
        self._stop = Event()
        self._is_over = False
        self._thread = Thread(target=self._produce, name="ahead", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Ahead[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the other thread; what waits is thrown away."""
        self._stop.set()
        while self._thread.is_alive():
            with suppress(Empty):
                self._waiting.get_nowait()
            self._thread.join(_PATIENCE_S)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._is_over:
            raise StopIteration
        what, value = self._waiting.get()
        if what == "item":
            item: Item = value
            return item
        self._is_over = True
        if what == "error":
            raise value
        raise StopIteration

    def _produce(self) -> None:
        try:
            for item in self._items:
                self._put("item", item)
                if self._stop.is_set():
                    break
            if isinstance(self._items, Generator):
                # Closes the files that it has open.
                self._items.close()
        except BaseException as error:  # it is raised again in the thread that asks
            self._put("error", error)
        else:
            self._put("end", None)

    def _put(self, what: str, value: Any) -> None:
        is_put = False
        while not is_put and not self._stop.is_set():
            with suppress(Full):
                self._waiting.put((what, value), timeout=_PATIENCE_S)
                is_put = True

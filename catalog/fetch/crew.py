"""Several files at once, and an end to all of them when one thing forbids to go on."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from catalog.fetch.errors import FetchError
from catalog.fetch.meter import Meter

__all__ = ["in_parallel"]

_TICK = 0.2
_LAST_BYTES = 2.0

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_parallel(
    items: Iterable[Item],
    do: Callable[[Item], Outcome],
    jobs: int,
    meter: Meter,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Item, Outcome | FetchError]]:
    """Do something to each item, in threads, and give what came out as it comes.

    The threads die with the process, so that Ctrl-C does not wait for an archive. When the caller leaves the loop, or
    anything but a `FetchError` happens, the meter is stopped and no further item is begun.

    Parameters
    ----------
    items : iterable
    do : callable
        Called in a thread with one item.
    jobs : int
        Threads.
    meter : Meter
        Its `Meter.came` and `Meter.wait` end the threads once it is stopped.
    tick : callable
        Called in the caller's thread, some times a second.

    Yields
    ------
    (item, outcome)
        The outcome of `do`, or the `FetchError` that it raised.
    """
    waiting = deque(items)
    left = len(waiting)
    results: queue.SimpleQueue[tuple[Item, Outcome | BaseException]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                results.put((item, do(item)))
            except BaseException as error:
                results.put((item, error))
                if not isinstance(error, FetchError):
                    return

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, left))]
    for thread in threads:
        thread.start()
    try:
        while left:
            try:
                item, outcome = results.get(timeout=_TICK)
            except queue.Empty:
                tick()
                continue
            left -= 1
            if isinstance(outcome, BaseException) and not isinstance(outcome, FetchError):
                raise outcome
            tick()
            yield item, outcome
    finally:
        if left:
            meter.stop()
            waiting.clear()
            deadline = time.monotonic() + _LAST_BYTES
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

import threading
import time
from collections.abc import Iterator

import pytest

from catalog.ensemble.prediction.pipeline import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0.0)
        return item * item

    assert list(in_order(lambda: iter(range(30)), [slow_at_first] * 3)) == [item * item for item in range(30)]
    assert list(in_order(lambda: iter(()), [slow_at_first])) == []


def test_each_worker_serves_one_item_at_a_time() -> None:
    class Worker:
        busy = False

        def __call__(self, item: int) -> int:
            assert not self.busy
            self.busy = True
            time.sleep(0.002)
            self.busy = False
            return item

    assert list(in_order(lambda: iter(range(40)), [Worker(), Worker()])) == list(range(40))


def test_no_more_is_read_than_can_wait() -> None:
    n_read = 0

    def read() -> Iterator[int]:
        nonlocal n_read
        for item in range(1000):
            n_read += 1
            yield item

    results = in_order(read, [lambda item: item] * 2, ahead=2)
    for n_taken in range(1, 50):
        next(results)
        time.sleep(0.001)
        # Two at work, two results, two items, and the one that the reader holds.
        assert n_read <= n_taken + 7
    results.close()


def test_readers_and_workers_stop_with_the_taker() -> None:
    closed = threading.Event()

    def read() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.set()

    before = threading.active_count()
    results = in_order(read, [lambda item: item] * 2)
    next(results)
    results.close()
    assert closed.is_set()
    assert threading.active_count() == before


@pytest.mark.parametrize("where", ["reading", "working"])
def test_errors_come_in_their_place(where: str) -> None:
    def read() -> Iterator[int]:
        yield from range(5)
        if where == "reading":
            raise ValueError("the sixth item")
        yield from range(5, 100)

    def work(item: int) -> int:
        if where == "working" and item == 5:
            raise ValueError("the sixth item")
        return item

    taken: list[int] = []
    before = threading.active_count()
    with pytest.raises(ValueError, match="the sixth item"):
        taken.extend(in_order(read, [work] * 2))
    results = in_order(read, [work] * 2)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="the sixth item"):
        next(results)
    assert threading.active_count() == before

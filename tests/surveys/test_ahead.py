"""An iterator in a thread of its own: same items, same errors, and an end."""

import threading
from collections.abc import Iterator

import pytest

from catalog.surveys.ahead import Ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


def test_items_come_in_order() -> None:
    with Ahead(iter(range(100)), depth=3) as items:
        assert list(items) == list(range(100))
    assert threads() == []


def test_errors_are_raised_where_items_are_asked_for() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("row 2")

    with Ahead(failing()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="row 2"):
            next(items)
    assert threads() == []


def test_no_more_than_depth_items_wait() -> None:
    made = []
    reached = threading.Event()

    def counted() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            if i == 3:
                reached.set()
            yield i

    with Ahead(counted(), depth=2) as items:
        assert next(items) == 0
        # One taken, two waiting, one in hand.
        assert reached.wait(10)
        assert made == [0, 1, 2, 3]
        assert list(items) == list(range(1, 50))


def test_leaving_early_ends_the_other_thread() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Ahead(endless()) as items:
        next(items)
    assert threads() == []
    assert closed.wait(10)

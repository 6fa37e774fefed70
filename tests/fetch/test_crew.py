"""Several files at once: what comes out, and how all of it ends."""

import threading

import pytest

from catalog.fetch import FetchError
from catalog.fetch.crew import in_parallel
from catalog.fetch.meter import Meter, StoppedError, size_words


def test_everything_is_done_by_so_many_at_once() -> None:
    barrier = threading.Barrier(3, timeout=20)

    def square(n: int) -> int:
        barrier.wait()
        return n * n

    assert sorted(in_parallel([1, 2, 3], square, 3, Meter())) == [(1, 1), (2, 4), (3, 9)]


def test_a_failure_is_an_outcome_and_the_others_go_on() -> None:
    def odd(n: int) -> int:
        if n % 2 == 0:
            raise FetchError(f"{n} is even.")
        return n

    outcomes = dict(in_parallel(range(6), odd, 2, Meter()))
    assert [n for n, outcome in outcomes.items() if isinstance(outcome, FetchError)] == [0, 2, 4]
    assert str(outcomes[4]) == "4 is even."


def test_anything_else_ends_it_and_stops_the_threads() -> None:
    meter, begun = Meter(), list[int]()

    def fail(n: int) -> None:
        begun.append(n)
        raise ValueError(n)

    with pytest.raises(ValueError, match="0"):
        list(in_parallel(range(100), fail, 1, meter))
    assert begun == [0]
    with pytest.raises(StoppedError):
        meter.came(1)


def test_leaving_the_loop_stops_the_threads() -> None:
    meter, stopped = Meter(), threading.Event()

    def wait(n: int) -> int:
        if n == 0:
            return n
        try:
            meter.wait(60)
        except StoppedError:
            stopped.set()
            raise
        return n

    for _item, _outcome in in_parallel([0, 1], wait, 2, meter):
        break
    assert stopped.wait(20)


def test_the_caller_hears_the_clock_while_it_waits() -> None:
    ticks = threading.Semaphore(0)

    def until_ticked(_: int) -> bool:
        return ticks.acquire(timeout=20) and ticks.acquire(timeout=20)

    assert list(in_parallel([0], until_ticked, 1, Meter(), ticks.release)) == [(0, True)]


def test_nothing_to_do() -> None:
    assert list(in_parallel([], str, 4, Meter())) == []


def test_a_meter_estimates_what_it_does_not_know() -> None:
    meter = Meter(n_files=4)
    assert meter.total == 0
    meter.expect("a", 100)
    assert meter.total == 400
    meter.expect("b", 300)
    assert meter.total == 800
    meter.came(900)
    assert meter.total == 900
    meter.lost(500)
    assert (meter.done, meter.received) == (400, 900)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_400, "99.4 kB"),
        (99_600, "100 kB"),
        (999_600, "1.0 MB"),
        (21e9, "21.0 GB"),
        (8.2e12, "8.2 TB"),
        (3e18, "3000 PB"),
    ],
)
def test_sizes_as_people_say_them(size: float, words: str) -> None:
    assert size_words(size) == words

"""What is shown while archives send."""

import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from catalog.cli import fetch_display
from catalog.cli.fetch_display import FetchDisplay


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    # Of this module alone: event loops of other threads sleep by the true clock.
    monkeypatch.setattr(fetch_display, "time", SimpleNamespace(monotonic=clock))
    return clock


def words(display: FetchDisplay) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(display)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_amount_rate_and_time_left(clock: Clock) -> None:
    display = FetchDisplay(["rvs", "galah"], Console(file=io.StringIO()))
    display.begin("rvs", "RVS, by bulk", in_bytes=True)
    display(500_000_000, 2_000_000_000, "1 of 4 files")
    # What was there when it began is no speed.
    assert "/s" not in words(display)
    clock.now += 10
    display(1_000_000_000, 2_000_000_000, "2 of 4 files")
    shown = words(display)
    assert "50% 1.0 GB of 2.0 GB, 50.0 MB/s, about 0:20 left, 2 of 4 files" in shown
    assert "galah" in shown
    display.end("rvs", "4 files", failed=False)
    assert "✔ rvs" in words(display)
    display.begin("galah", "GALAH", in_bytes=True)
    display.end("galah", "failed", failed=True)
    assert "✘ galah" in words(display)


def test_rows_are_not_called_bytes(clock: Clock) -> None:
    display = FetchDisplay(["starhorse"], Console(file=io.StringIO()))
    display.begin("starhorse", "StarHorse, by tap", in_bytes=False)
    display(0, 200, "0 rows")
    clock.now += 10
    display(100, 200, "5,000 rows")
    assert "50% about 0:10 left, 5,000 rows" in words(display)
    assert "B/s" not in words(display)


def test_without_a_terminal_a_line_now_and_then(clock: Clock) -> None:
    out = io.StringIO()
    display = FetchDisplay(["rvs"], Console(file=out, width=200))
    with display.showing():
        display.begin("rvs", "RVS, by bulk", in_bytes=True)
        for second in range(60):
            clock.now += 1
            display(second * 1_000_000, 60_000_000, "")
        logging.getLogger("catalog.fetch.session").warning("The archive answers %s.", 503)
        display.end("rvs", "4 files", failed=False)
    lines = out.getvalue().splitlines()
    assert lines[0] == "rvs: RVS, by bulk ..."
    assert [line[:6] for line in lines[1:3]] == ["   33%", "   68%"]
    assert lines[-2:] == ["  The archive answers 503.", "rvs: 4 files (1:00)"]
    assert not logging.getLogger("catalog.fetch").handlers

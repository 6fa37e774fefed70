"""What a person sees while archives send: how much has come, how fast, and what is left."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration
from catalog.fetch.meter import size_words

__all__ = ["FetchDisplay"]

_LINE_SECONDS = 20.0
_WINDOW_SECONDS = 20.0
"""The rate is that of the last so many seconds."""


class FetchDisplay:
    """Shows the sources of a download: a bar for the one that comes, a line for each that has come.

    Parameters
    ----------
    names : sequence of str
        The sources, in their order.
    console : Console
        In a terminal it is drawn again and again; elsewhere a line is printed now and then.
    """

    def __init__(self, names: Sequence[str], console: Console) -> None:
        self._console = console
        self._state = dict.fromkeys(names, "waiting")
        self._words = dict.fromkeys(names, "")
        self._spent: dict[str, float] = {}
        self._current = ""
        self._in_bytes = False
        self._began = self._last_line = 0.0
        self._fraction = 0.0
        self._history: deque[tuple[float, float]] = deque()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the display on the screen inside this context, and show what the download remarks."""
        remarks, urllib3 = logging.getLogger("catalog.fetch"), logging.getLogger("urllib3")
        handler, level = _Remarks(self._console), urllib3.level
        remarks.addHandler(handler)
        # What urllib3 says of each new try is meant for developers; ours says what a person wants to know.
        urllib3.setLevel(logging.ERROR)
        try:
            if self._console.is_terminal:
                with Live(self, console=self._console, refresh_per_second=4):
                    yield
            else:
                yield
        finally:
            remarks.removeHandler(handler)
            urllib3.setLevel(level)

    def begin(self, name: str, words: str, *, in_bytes: bool) -> None:
        """Show that the download of `name` begins; `in_bytes` says that progress counts bytes."""
        self._current, self._in_bytes, self._fraction = name, in_bytes, 0.0
        self._began = self._last_line = time.monotonic()
        self._history.clear()
        self._state[name], self._words[name] = "running", words
        self._line(f"{name}: {words} ...")

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Show how much is there; a `catalog.progress.Progress`."""
        now = time.monotonic()
        self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > _WINDOW_SECONDS:
            self._history.popleft()
        self._fraction = min(1.0, done / total) if total else 0.0
        parts = [self._amounts(done, total), what]
        rate = self._rate()
        if rate > 0:
            parts[:1] = [parts[0], f"{size_words(rate)}/s" if self._in_bytes else "", self._left((total - done) / rate)]
        self._words[self._current] = ", ".join(part for part in parts if part)
        if now - self._last_line > _LINE_SECONDS:
            self._last_line = now
            self._line(f"  {self._fraction:4.0%} {self._words[self._current]}")

    def end(self, name: str, words: str, *, failed: bool) -> None:
        """Show what came of `name`."""
        self._state[name] = "failed" if failed else "done"
        self._words[name] = words
        self._spent[name] = time.monotonic() - self._began
        self._current = ""
        self._line(f"{name}: {words} ({duration(self._spent[name])})")

    def _amounts(self, done: float, total: float) -> str:
        return f"{size_words(done)} of {size_words(total)}" if self._in_bytes else ""

    def _rate(self) -> float:
        (first, least), (last, most) = self._history[0], self._history[-1]
        return (most - least) / (last - first) if last - first > 0.5 else 0.0

    def _left(self, seconds: float) -> str:
        return f"about {duration(seconds)} left" if seconds >= 0.5 else ""

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def __rich__(self) -> Table:
        """Draw all sources, one a line."""
        marks = {"waiting": "[dim]·[/]", "running": "[cyan]▸[/]", "done": "[green]✔[/]", "failed": "[red]✘[/]"}
        table = Table.grid(padding=(0, 1), expand=False)
        for name, state in self._state.items():
            words: RenderableType = Text(self._words[name], overflow="ellipsis", no_wrap=True)
            spent = ""
            if state == "running":
                bar = Table.grid(padding=(0, 1))
                text = Text(f"{self._fraction:4.0%} {self._words[name]}", overflow="ellipsis", no_wrap=True)
                bar.add_row(ProgressBar(total=1.0, completed=self._fraction, width=24), text)
                words, spent = bar, duration(time.monotonic() - self._began)
            elif name in self._spent:
                spent = duration(self._spent[name])
            title = escape(name) if state != "waiting" else f"[dim]{escape(name)}[/]"
            table.add_row(marks[state], title, words, spent)
        return table


class _Remarks(logging.Handler):
    """Prints log messages, above the bars where there are any."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        self._console.print(f"  {record.getMessage()}", highlight=False, soft_wrap=True, markup=False)

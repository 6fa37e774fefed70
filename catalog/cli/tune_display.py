"""What a person sees while a search is at work: how far it is, the trial at work, and how the others ended."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration
from catalog.ensemble.search import BASE, SearchListener, TrialRecord

__all__ = ["TuneDisplay"]

_LINE_SECONDS = 20.0
_LEAST = 0.2
"""Of a trial must be done before its pace tells anything."""


class TuneDisplay(SearchListener):
    """Shows a search: a bar and the trial at work in a terminal, lines elsewhere.

    Parameters
    ----------
    name : str
        Of the profile.
    console : rich.console.Console
    """

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console = name, console
        self._done, self._total, self._words = 0.0, 1.0, ""
        self._last_line = time.monotonic()
        self._before = 0
        # When this process began to train, and how many trials were done then.
        self._mark: tuple[float, float] | None = None
        self._parts: list[Mapping[str, str]] = []
        self._best: TrialRecord | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the display on the screen inside this context."""
        if self._console.is_terminal:
            with Live(self, console=self._console, refresh_per_second=4, transient=True):
                yield
        else:
            yield

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Show how far the search is: trials done, those asked for, and words on the one at work."""
        self._done, self._total, self._words = done, total, what
        if not self._console.is_terminal and time.monotonic() - self._last_line > _LINE_SECONDS:
            left = self._left()
            self._line(f"  {done / total:4.0%} {what}" + (f" ({left})" if left else ""))

    def parts(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Show how the trial at work stands."""
        self._parts = list(rows)
        if rows:
            self._begin()

    def trial(self, trial: TrialRecord, *, before: bool) -> None:
        """Show how a trial ended; those of before are counted only."""
        if trial.val_mse is not None and (self._best is None or trial.val_mse < (self._best.val_mse or 0.0)):
            self._best = trial
        if before:
            self._before += 1
            return
        self._begin()
        self._line(self._ended(trial))

    def seconds_left(self) -> float | None:
        """Return the estimate of the seconds left, at the pace of this process; None before there is one."""
        if self._mark is None or self._done - self._mark[1] < _LEAST:
            return None
        begin, done = self._mark
        return (time.monotonic() - begin) * (self._total - self._done) / (self._done - done)

    def _begin(self) -> None:
        """Remember where this process began to train."""
        if self._mark is not None:
            return
        self._mark = (time.monotonic(), self._done)
        if self._before:
            self._line(f"Taken up again after {self._before} {'trial' if self._before == 1 else 'trials'}.")

    def _ended(self, trial: TrialRecord) -> str:
        name = f"{self._name}'s own settings" if trial.number == BASE else f"Trial {trial.number}"
        if trial.val_mse is None:
            return f"{name} failed: {trial.message}"
        same = "" if trial.same_as is None else f", the same as trial {trial.same_as}"
        best = " (best so far)" if self._best is trial and trial.number != BASE else ""
        return f"{name}: validation MSE {trial.val_mse:.6f} after {trial.epochs} epochs{same}{best}"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(Text(text), soft_wrap=True)

    def _left(self) -> str:
        left = self.seconds_left()
        return "" if left is None else f"about {duration(left)} left"

    def __rich__(self) -> RenderableType:
        """Draw the bar and, below it, the trial at work."""
        # The table below says the rest.
        words = self._words.split(":")[0] if self._parts else self._words
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1.0, completed=self._done / self._total, width=24),
            Text(f"{self._done / self._total:4.0%} {words}", overflow="ellipsis", no_wrap=True),
            Text(self._left(), style="dim"),
        )
        if not self._parts:
            return bar
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in self._parts[0]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in self._parts:
            table.add_row(*map(Text, row.values()))
        return Group(bar, Padding(table, (0, 0, 0, 2)))

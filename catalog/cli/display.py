"""What a person sees while stages run: bars in a terminal, lines elsewhere, and what is left."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration, stage_words
from catalog.profiles import Profile
from catalog.progress import Listener
from catalog.stages import Stage

__all__ = ["StageDisplay"]

_LINE_SECONDS = 20.0
_NOTES = 6
_PARTS = 12
"""Shown at once: the screen of a person is not endless."""


class StageDisplay(Listener):
    """Shows the stages of a run as they go, and estimates what is left.

    The estimate starts from the profile's or the stages' own guesses and is scaled by how this machine
    has done so far.
    """

    def __init__(self, profile: Profile, stages: Sequence[Stage], console: Console) -> None:
        self._stages = list(stages)
        self._expected = {stage.name: profile.expected_seconds.get(stage.name, stage.seconds) for stage in stages}
        self._console = console
        self._state: dict[str, str] = {stage.name: "waiting" for stage in stages}
        self._spent: dict[str, float] = {}
        self._words: dict[str, str] = {}
        self._parts: list[Mapping[str, str]] = []
        self._fraction = 0.0
        self._current: Stage | None = None
        self._began = 0.0
        self._last_line = 0.0

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the display on the screen inside this context."""
        if self._console.is_terminal:
            with Live(self, console=self._console, refresh_per_second=4, transient=False):
                yield
        else:
            yield

    def begin(self, stage: str) -> None:
        """Show that `stage` begins."""
        self._current = next(each for each in self._stages if each.name == stage)
        self._began, self._fraction, self._parts = time.monotonic(), 0.0, []
        self._last_line = self._began
        self._state[stage] = "running"
        self._line(f"{self._current.title} ...")

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Show how far the current stage is."""
        if self._current is None:
            return
        self._fraction = min(1.0, done / total) if total else 0.0
        self._words[self._current.name] = what
        if time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self._line(f"  {self._fraction:4.0%} {what} ({self._left()})")
            if len(self._parts) > 1:
                for row in self._parts:
                    self._line("       " + ", ".join(f"{name} {value}" for name, value in row.items()))

    def parts(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Show how the parts of the current stage stand that are worked on at once."""
        self._parts = list(rows)

    def end(self, stage: str, counts: Mapping[str, Any], notes: Sequence[str], skipped: bool) -> None:
        """Show that `stage` is done, with a few words on what came out."""
        assert self._current is not None
        name, words = stage, stage_words(stage, counts)
        self._state[name] = "skipped" if skipped else "done"
        self._spent[name] = time.monotonic() - self._began
        self._words[name] = words
        title, self._current, self._parts = self._current.title, None, []
        took = "already done" if skipped else f"{duration(self._spent[name])}; {self._left()}"
        self._line(f"{title}: {words} ({took})")
        for note in [] if skipped else notes[:_NOTES]:
            self._console.print(f"  {note}", highlight=False, soft_wrap=True, markup=False)
        if len(notes) > _NOTES and not skipped:
            self._console.print(f"  {len(notes) - _NOTES} further notes: rvscat status --notes", highlight=False)

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def seconds_left(self) -> float:
        """Return the estimate of the seconds left."""
        done = [name for name, state in self._state.items() if state == "done" and self._expected[name] >= 5]
        expected = sum(self._expected[name] for name in done)
        pace = min(5.0, max(0.2, sum(self._spent[name] for name in done) / expected)) if expected else 1.0
        left = sum(self._expected[s.name] for s in self._stages if self._state[s.name] == "waiting") * pace
        if self._current is not None:
            elapsed = time.monotonic() - self._began
            guess = max(0.0, self._expected[self._current.name] * pace - elapsed)
            measured = elapsed * (1 - self._fraction) / self._fraction if self._fraction > 0 else guess
            weight = min(1.0, self._fraction * 4)
            left += weight * measured + (1 - weight) * guess
        return left

    def _left(self) -> str:
        left = self.seconds_left()
        return "nothing left" if left < 0.5 else f"about {duration(left)} left"

    def __rich__(self) -> RenderableType:
        """Draw all stages, one a line, and below them the parts at work."""
        table = Table.grid(padding=(0, 1), expand=False)
        for stage in self._stages:
            state = self._state[stage.name]
            mark = {"waiting": "[dim]·[/]", "running": "[cyan]▸[/]", "done": "[green]✔[/]", "skipped": "[green]✔[/]"}[
                state
            ]
            words: RenderableType = Text(self._words.get(stage.name, ""), overflow="ellipsis", no_wrap=True)
            spent = ""
            if state == "running":
                bar = Table.grid(padding=(0, 1))
                bar.add_row(
                    ProgressBar(total=1.0, completed=self._fraction, width=24),
                    Text(f"{self._fraction:4.0%} {self._words.get(stage.name, '')}", overflow="ellipsis", no_wrap=True),
                )
                words = bar
                spent = duration(time.monotonic() - self._began)
            elif state == "done":
                spent = duration(self._spent[stage.name])
            elif state == "skipped":
                spent = "[dim]was done[/]"
            title = f"[dim]{escape(stage.title)}[/]" if state == "waiting" else escape(stage.title)
            table.add_row(mark, title, words, spent)
        if self._current is not None:
            table.add_row("", f"[dim]{self._left()}[/]", "", "")
        return Group(table, self._draw_parts()) if self._parts else table

    def _draw_parts(self) -> RenderableType:
        shown, hidden = self._parts[:_PARTS], self._parts[_PARTS:]
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in shown[0]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in shown:
            table.add_row(*(Text(value) for value in row.values()))
        more = [Text(f"and {len(hidden)} more", style="dim")] if hidden else []
        return Padding(Group(table, *more), (0, 0, 0, 2))

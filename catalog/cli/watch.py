"""`rvscat status --watch`: the stages of a run while they go, from any terminal."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from catalog.cli.words import duration, stage_words
from catalog.operations.watching import RunState, StageState

__all__ = ["watch"]

_MARKS = {
    "done": ("✔", "green"),
    "running": ("▸", "cyan"),
    "waiting": ("·", "dim"),
    "failed": ("✘", "bold red"),
    "interrupted": ("✘", "yellow"),
}
_LINE_SECONDS = 10.0
"""Between two lines about the same stage, where lines cannot be written over."""


def watch(look: Callable[[], RunState | None], console: Console, seconds: float, as_json: bool) -> None:
    """Show what `look` returns again and again, until Ctrl-C.

    Parameters
    ----------
    look : callable
    console : rich.console.Console
        Drawn on where it is a terminal; otherwise lines, one a change.
    seconds : float
        Between two looks.
    as_json : bool
        One JSON object a line and look instead.
    """
    try:
        if as_json:
            while True:
                click.echo(json.dumps(plain(look()), default=str))
                time.sleep(seconds)
        elif console.is_terminal:
            with Live(draw(look()), console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(seconds)
                    live.update(draw(look()), refresh=True)
        else:
            lines = _Lines()
            while True:
                for line in lines.about(look()):
                    click.echo(line)
                time.sleep(seconds)
    except KeyboardInterrupt:
        pass  # how a person ends it


def plain(state: RunState | None) -> dict[str, object] | None:
    """Return a run as JSON can hold it."""
    if state is None:
        return None
    told = asdict(state)
    for stage in told["stages"]:
        del stage["counts"]  # the same at every look: `rvscat status --json` has them
    return told


def draw(state: RunState | None) -> RenderableType:
    """Draw a run: a line a stage, and what is left."""
    if state is None:
        return Text("No run yet: `rvscat run` makes one.")
    table = Table.grid(padding=(0, 1), expand=False)
    for stage in state.stages:
        mark, style = _MARKS[stage.state]
        words: RenderableType = Text(_words(stage), overflow="ellipsis", no_wrap=True)
        if stage.fraction is not None:
            words = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=1.0, completed=stage.fraction, width=24)
            words.add_row(bar, Text(_words(stage), overflow="ellipsis", no_wrap=True))
        title = Text(stage.title, style="dim" if stage.state == "waiting" else "", no_wrap=True)
        table.add_row(Text(mark, style=style), title, words, Text(_usage(stage), style="dim", no_wrap=True))
    return Group(Text(_head(state), style="bold"), table, Text(_foot(state), style="dim"))


def _head(state: RunState) -> str:
    extends = f", extends run {state.base_run_id}" if state.base_run_id else ""
    published = f", published as v{state.version}" if state.version else ""
    return f"Run {state.run_id}, profile {state.profile}{extends}: {state.state}{published}"


def _foot(state: RunState) -> str:
    now = f"{datetime.now().astimezone():%H:%M:%S}"
    if state.left_s is not None:
        return f"about {duration(state.left_s)} left  ({now}; Ctrl-C ends this view, not the run)"
    if state.state == "stopped":
        return f"Nobody works on it; `rvscat run --profile {state.profile}` goes on.  ({now})"
    return f"({now}; Ctrl-C ends)"


def _words(stage: StageState) -> str:
    if stage.state == "done":
        return stage_words(stage.name, stage.counts)
    if stage.state == "running":
        told = f"{stage.fraction:4.0%} {stage.words}" if stage.fraction is not None else stage.words
        rate = f", {stage.fraction / stage.wall_s:.1%}/s" if stage.fraction and stage.wall_s else ""
        left = f", {duration(stage.left_s)} left" if stage.left_s else ""
        heard = f", silent for {duration(stage.silent_s)}" if stage.silent_s and stage.silent_s > 60 else ""
        return f"{told}{rate}{left}{heard}"
    return f"{stage.state}: {stage.words}" if stage.state in ("failed", "interrupted") else ""


def _usage(stage: StageState) -> str:
    if stage.wall_s is None:
        return ""
    memory = f" {stage.peak_mb:,.0f} MB" if stage.peak_mb else ""
    return f"{duration(stage.wall_s)}{memory}"


class _Lines:
    """Tells what has changed, for a log."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}

    def about(self, state: RunState | None) -> list[str]:
        """Return the lines about what is new since the last time."""
        if state is None:
            return self._new("", "No run yet: `rvscat run` makes one.", "")
        lines = self._new("", _head(state), _head(state))
        for stage in state.stages:
            if stage.state == "waiting":
                continue
            state_word = stage.state if stage.state in ("done", "running") else ""
            said = [f"  {stage.title}:", state_word, _words(stage), f"({_usage(stage)})" if _usage(stage) else ""]
            text = " ".join(part for part in said if part)
            lines += self._new(f"{state.run_id}/{stage.name}", text, stage.state)
        return lines

    def _new(self, about: str, text: str, state: str) -> list[str]:
        before, when = self._told.get(about, ("", 0.0))
        if before == state and not (state == "running" and time.monotonic() - when >= _LINE_SECONDS):
            return []
        if about in self._told and before == state == "":
            return []
        self._told[about] = (state, time.monotonic())
        return [text]

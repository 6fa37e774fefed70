"""Parts of a stage that somebody else can do: another process, another machine.

A part is a function, named as ``module:function``, and what it is called with: text and numbers, never arrays or
connections. Whoever does it sees the same database and the same data folder. Nothing here knows who that is: the flows
put a task runner in place, see `flows.distribution`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.errors import ConfigurationError, RvscatError
from catalog.settings import Settings

__all__ = ["ATTEMPTS", "Idle", "LostPart", "OnEnd", "Part", "TaskRunner", "distribute_by", "do_parts", "task_runner"]

ATTEMPTS = 3
"""How often a part is given out that is lost each time."""

Part = Mapping[str, str | int | float | bool | None]
OnEnd = Callable[[int, Any], None]
Idle = Callable[[], None]


@dataclass(frozen=True)
class LostPart:
    """A part that came to no end, since whoever did it is gone."""

    number: int
    """Its place among the parts."""
    message: str


class TaskRunner(Protocol):
    """Does parts of a stage."""

    def run(self, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[LostPart]:
        """Do all parts, several at once, in any order.

        Parameters
        ----------
        target : str
            ``module:function``; takes the entries of a part by name and returns what JSON can hold.
        parts : sequence of Part
        on_end : callable
            Told, in this thread, the place of each part that has ended, and what it returned.
        idle : callable
            Called in this thread while nothing has ended, at least every second.

        Returns
        -------
        list of LostPart
            May be done again.

        Raises
        ------
        RvscatError
            Whatever a part raised; those that have not begun are not done any more.
        """
        ...


_runner: ContextVar[TaskRunner | None] = ContextVar("task_runner", default=None)


def task_runner(settings: Settings) -> TaskRunner | None:
    """Return who does parts of a stage, or None where the stage is to do them by itself.

    Raises
    ------
    ConfigurationError
        The settings name a task runner, and this process has none.
    """
    runner = _runner.get()
    if runner is None and settings.task_runner != "local":
        raise ConfigurationError(
            f"The task runner {settings.task_runner!r} is set (RVSCAT_TASK_RUNNER), and this process has none.",
            "Use `rvscat run` or the command of the stage, call it inside flows.distribution.distributed(), or set "
            "RVSCAT_TASK_RUNNER=local.",
        )
    return runner


@contextmanager
def distribute_by(runner: TaskRunner) -> Iterator[None]:
    """Let `runner` do the parts of stages that run inside this context."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def do_parts(runner: TaskRunner, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[str]:
    """Do all parts; those that are lost with their workers are done again.

    Parameters
    ----------
    runner : TaskRunner
    target, parts, on_end, idle
        See `TaskRunner.run`. A part may be done twice, and by two workers at once: it must come to the same.

    Returns
    -------
    list of str
        A sentence on the parts that were done again, if there were any.

    Raises
    ------
    RvscatError
        A part was lost `ATTEMPTS` times, or what a part raised.
    """
    waiting = list(range(len(parts)))
    times_lost: Counter[int] = Counter()
    while waiting:

        def ended(place: int, value: Any, numbers: Sequence[int] = waiting) -> None:
            on_end(numbers[place], value)

        lost = runner.run(target, [parts[number] for number in waiting], ended, idle)
        times_lost.update(waiting[part.number] for part in lost)
        for part in lost:
            number = waiting[part.number]
            if times_lost[number] >= ATTEMPTS:
                raise RvscatError(
                    f"Part {number + 1} of {len(parts)} was lost {ATTEMPTS} times: {part.message}",
                    "Parts that were done are kept. Look at the workers' logs and memory, then run the command again.",
                )
        waiting = sorted(waiting[part.number] for part in lost)
    if not times_lost:
        return []
    return [f"Lost with their workers and done again: {len(times_lost)} of {len(parts)} parts."]

"""A task runner for tests: parts in this process, in an odd order, some of them lost at first."""

import json
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

from catalog.tasks import Idle, LostPart, OnEnd, Part

__all__ = ["OddRunner"]


class OddRunner:
    """Does the last part first, tells what JSON can hold, and loses the parts `lost`, by their first place, once each.

    Parameters
    ----------
    lost : sequence of int
    stop_after : int, optional
        Parts after which the command that waits for them is stopped.
    """

    def __init__(self, lost: Sequence[int] = (), stop_after: int | None = None) -> None:
        self._lost, self._stop_after = list(lost), stop_after
        self.done: list[dict[str, Any]] = []

    def run(self, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[LostPart]:
        lost = []
        for number in reversed(range(len(parts))):
            idle()
            if number in self._lost:
                self._lost.remove(number)
                lost.append(LostPart(number, "Its worker was lost."))
                continue
            if len(self.done) == self._stop_after:
                raise KeyboardInterrupt
            part = json.loads(json.dumps(dict(parts[number])))
            value = json.loads(json.dumps(resolve_name(target)(**part)))
            self.done.append(part)
            on_end(number, value)
        return lost

"""How a long function tells how far it is, without knowing who listens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["Listener", "Progress", "listen", "listener", "silent"]


class Progress(Protocol):
    """Called with the work done so far, the whole, and a few words on what it is."""

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Hear of `done` out of `total`."""


class Listener:
    """Hears stages begin, go on and end; this one ignores it all."""

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Hear how far the current stage is."""

    def parts(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Hear how those parts of the current stage stand that are worked on at once.

        Parameters
        ----------
        rows : sequence of mapping
            One a part, with the same columns each, in the order in which they are to be shown; none when no part is
            at work any more.
        """

    def begin(self, stage: str) -> None:
        """Hear that `stage` begins."""

    def end(self, stage: str, counts: Mapping[str, Any], notes: Sequence[str], skipped: bool) -> None:
        """Hear that `stage` is done and what came out."""


silent = Listener()
"""Listens to nothing: the default of every stage."""

_listener: ContextVar[Listener] = ContextVar("listener", default=silent)


def listener() -> Listener:
    """Return whoever listens to the stages of this process."""
    return _listener.get()


@contextmanager
def listen(who: Listener) -> Iterator[None]:
    """Let `who` hear the stages that run inside this context."""
    token = _listener.set(who)
    try:
        yield
    finally:
        _listener.reset(token)

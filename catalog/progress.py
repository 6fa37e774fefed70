"""How a long function tells how far it is, without knowing who listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

__all__ = ["Progress", "listen", "listener", "silent"]


class Progress(Protocol):
    """Called with the work done so far, the whole, and a few words on what it is."""

    def __call__(self, done: float, total: float, what: str = "") -> None: ...


def silent(done: float, total: float, what: str = "") -> None:
    """Listen to nothing: the default of every stage."""


_listener: ContextVar[Progress] = ContextVar("listener", default=silent)


def listener() -> Progress:
    """Return whoever listens to the stages of this process."""
    return _listener.get()


@contextmanager
def listen(progress: Progress) -> Iterator[None]:
    """Let `progress` hear the stages that run inside this context."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)

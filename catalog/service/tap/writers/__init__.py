"""Writers of answers: given blocks of rows as the database sends them, they return bytes for the client."""

from collections.abc import Iterator
from typing import Protocol

from catalog.service.answer import Block

__all__ = ["AnswerWriter"]


class AnswerWriter(Protocol):
    """Writes one answer: begun, given its blocks, ended."""

    def begin(self) -> bytes:
        """Return what comes before the first row."""

    def write(self, block: Block) -> bytes:
        """Return the rows of `block`; empty while the writer must wait for the last one."""

    def end(self, overflow: bool) -> Iterator[bytes]:
        """Yield what comes after the last row; `overflow` tells that rows were left out."""

    def fail(self, message: str) -> bytes | None:
        """Return an end that tells of an error; None when the format has no place for that."""

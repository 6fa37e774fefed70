"""What can be removed, and what stays and why."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Item", "Kept", "Plan", "Rules"]


@dataclass(frozen=True)
class Rules:
    """What a person wants to keep."""

    keep: int = 1
    """Newest runs of each profile that stay."""
    days: float = 0.0
    """What is younger stays."""


@dataclass(frozen=True)
class Item:
    """One thing to remove."""

    kind: str
    """``run``, ``ensemble``, ``maps``, ``job`` (rows, and their files) or ``files``."""
    name: str
    n_bytes: int
    why: str
    """Why nothing needs it."""
    number: int | None = None
    """``run_id`` or ``ensemble_id``."""
    key: str = ""
    """Of the run, of the maps, or of the job."""
    paths: tuple[Path, ...] = ()
    """Files and folders that go with it."""
    n_rows: int = 0


@dataclass(frozen=True)
class Kept:
    """One run that stays."""

    run_id: int
    why: str


@dataclass(frozen=True)
class Plan:
    """All of it."""

    items: tuple[Item, ...]
    """In the order in which they are removed: what refers to others before these."""
    kept: tuple[Kept, ...]
    notes: tuple[str, ...] = ()
    """What was left alone although it looks old, and why."""

    @property
    def n_bytes(self) -> int:
        """What is gained, bytes; rows give their room to later rows rather than to the disk."""
        return sum(item.n_bytes for item in self.items)

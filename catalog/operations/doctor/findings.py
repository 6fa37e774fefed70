"""What was looked at, and what was found."""

from dataclasses import dataclass

from psycopg import Connection

from catalog.profiles import Profile
from catalog.settings import Settings

__all__ = ["FAILURE", "OK", "WARNING", "Finding", "Patient", "failure", "fine", "gigabytes", "warning"]

OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    area: str
    state: str
    """``ok``, ``warning`` (works, but a person should look) or ``failure`` (a run would fail, or be wrong)."""
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Patient:
    """What is examined."""

    settings: Settings
    profile: Profile
    connection: Connection | None
    """To the database, where it can be reached; read from only."""
    problem: str = ""
    """Why there is no connection."""
    stopped: bool = False
    """The database is the embedded one, and nobody has started it: not a fault."""
    online: bool = False
    """Ask archives, too."""


def fine(area: str, text: str) -> Finding:
    """Make a finding that all is well."""
    return Finding(area, OK, text)


def warning(area: str, text: str, remedy: str) -> Finding:
    """Make a finding that a person should look at."""
    return Finding(area, WARNING, text, remedy)


def failure(area: str, text: str, remedy: str) -> Finding:
    """Make a finding that keeps a run from its end."""
    return Finding(area, FAILURE, text, remedy)


def gigabytes(n_bytes: float) -> str:
    """Return a size as people say it: GB of 10^9 bytes, MB below one."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"

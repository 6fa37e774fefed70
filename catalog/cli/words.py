"""Numbers, times and results as people say them."""

from collections.abc import Mapping
from typing import Any

__all__ = ["duration", "stage_words", "thousands"]


def duration(seconds: float) -> str:
    """Return `seconds` as people say it: ``0:07``, ``3:25``, ``1:02:05``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def thousands(number: float) -> str:
    """Return a whole number with thin groups of three digits."""
    return f"{number:,.0f}".replace(",", "\u202f")


def stage_words(counts: Mapping[str, Any]) -> str:
    """Return what came out of a stage in a few words.

    Parameters
    ----------
    counts : mapping
        As the stage returned them; the first few that are plain numbers are said.
    """
    said = []
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        number = thousands(value) if float(value).is_integer() else f"{value:.3g}"
        said.append(f"{number} {name.replace('_', ' ')}")
    return ", ".join(said[:4])

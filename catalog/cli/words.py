"""Numbers, times and results as people say them."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["duration", "stage_words", "thousands"]

# What of a stage's counts is worth a line: key and words. A zero is said only where it is good news.
_SAID: dict[str, tuple[tuple[str, str], ...]] = {
    "mock": (("rvs_mean_spectrum", "spectra"), ("apogee", "APOGEE"), ("galah", "GALAH"), ("k2gap", "K2 stars")),
    "ingest": (
        ("files_read", "files read"),
        ("files_skipped", "files known"),
        ("files_refused", "files refused"),
        ("rows_quarantined", "rows quarantined"),
    ),
    "sample": (
        ("spectra", "spectra"),
        ("training", "training"),
        ("observed", "observed"),
        ("added", "added"),
        ("rejected", "rejected"),
        ("kept", "kept"),
    ),
    "train": (("members", "members"), ("training", "training stars")),
    "predict": (("labelled", "stars labelled"), ("left_out", "left out"), ("kept", "kept")),
    "study": (("done", "studies done"), ("known", "studies known")),
    "flag": (("inside", "observed stars inside all limits"), ("training_unlike", "training-unlike")),
    "validate": (("pass", "checks passed"), ("warn", "warned"), ("fail", "failed"), ("not_run", "not run")),
    "publish": (("rows", "rows"), ("columns", "columns")),
}


def duration(seconds: float) -> str:
    """Return `seconds` as people say it: ``0:07``, ``3:25``, ``1:02:05``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def thousands(number: float) -> str:
    """Return a whole number with thin groups of three digits."""
    return f"{number:,.0f}".replace(",", "\u202f")


def stage_words(stage: str, counts: Mapping[str, Any]) -> str:
    """Return what came out of a stage in a few words.

    Parameters
    ----------
    stage : str
        Name of the stage.
    counts : mapping
        As the stage returned them.
    """
    parts = [f"{thousands(counts[key])} {_of(counts[key], words)}" for key, words in _SAID[stage] if counts.get(key)]
    if stage == "publish" and counts.get("version"):
        parts.insert(0, f"version {counts['version']}")
    return ", ".join(parts)


def _of(count: float, words: str) -> str:
    return re.sub(r"\b(file|row|check|member|star)s\b", r"\1", words) if count == 1 else words

"""What a download leaves: the files, and what could not be had."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from catalog.fetch.errors import FetchError

__all__ = ["FetchResult"]


@dataclass
class FetchResult:
    """What came of one source by one route."""

    files: list[Path] = field(default_factory=list)
    """Every file of the selection that is whole and verified, new or from before."""
    n_bytes: int = 0
    """Bytes that came over the network this time."""
    n_skipped: int = 0
    """Files, or parts of a table, that were there before."""
    n_rows: int | None = None
    """Rows received, where the route counts them."""
    missing_ids: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Identifiers asked for that the archive has no product of: int64."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, one sentence each."""
    failures: list[FetchError] = field(default_factory=list)
    """Files or parts that failed while the others went on; the command then ends with status 1."""

"""What part of a source is wanted: sources by identifier, a range of the sky, or only so much.

A Gaia source_id holds the HEALPix pixel (nested, ICRS) of its star: ``source_id >> (59 - 2 * level)`` is the pixel
at a level from 0 to 12 (Gaia data model, source_id). Pixels, and so files and queries, are ranges of identifiers.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from catalog.errors import ConfigurationError, FormatError

__all__ = ["HealpixRange", "Selection", "n_pixels", "parse_healpix", "pixel_of", "read_source_ids"]

_LEVELS = range(13)


def n_pixels(level: int) -> int:
    """Return how many HEALPix pixels the sky has at `level`."""
    return 12 * 4**level


def pixel_of(source_ids: np.ndarray, level: int) -> np.ndarray:
    """Return the nested HEALPix pixels of Gaia identifiers: int64, same shape."""
    return np.asarray(source_ids, dtype=np.int64) >> (59 - 2 * level)


@dataclass(frozen=True)
class HealpixRange:
    """Pixels from `first` to `last`, both included, of a HEALPix level."""

    level: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.level not in _LEVELS or not 0 <= self.first <= self.last < n_pixels(self.level):
            raise ConfigurationError(
                f"{self} is no range of HEALPix pixels.",
                "Levels go from 0 to 12; level n has pixels 0 to 12 * 4**n - 1, and the first is not above the last.",
            )

    def __str__(self) -> str:
        return f"{self.level}:{self.first}-{self.last}"

    @property
    def source_ids(self) -> tuple[int, int]:
        """Lowest and highest identifier of the range, both included."""
        shift = 59 - 2 * self.level
        return self.first << shift, ((self.last + 1) << shift) - 1

    def at_level(self, level: int) -> "HealpixRange":
        """Return the smallest range of `level` that holds this one."""
        lowest, highest = self.source_ids
        shift = 59 - 2 * level
        return HealpixRange(level, lowest >> shift, highest >> shift)


@dataclass(frozen=True)
class Selection:
    """What part of a source is wanted; without any limit, all of it."""

    source_ids: np.ndarray | None = None
    """Gaia identifiers, int64, sorted and unique (`read_source_ids` gives them so)."""
    healpix: HealpixRange | None = None
    limit: int | None = None
    """Most files (bulk), rows (tap) or sources (datalink)."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is wanted."""
        return self.source_ids is None and self.healpix is None and self.limit is None

    @property
    def wanted_ids(self) -> np.ndarray | None:
        """The identifiers inside the HEALPix range; None when no identifiers are given."""
        if self.source_ids is None or self.healpix is None:
            return self.source_ids
        lowest, highest = self.healpix.source_ids
        return self.source_ids[(self.source_ids >= lowest) & (self.source_ids <= highest)]

    def touches(self, lowest: int, highest: int) -> bool:
        """Return whether something wanted may lie among the identifiers `lowest` to `highest`, both included."""
        if self.healpix is not None:
            first, last = self.healpix.source_ids
            if highest < first or lowest > last:
                return False
            lowest, highest = max(lowest, first), min(highest, last)
        if self.source_ids is None:
            return True
        return bool(np.searchsorted(self.source_ids, lowest) < np.searchsorted(self.source_ids, highest, side="right"))

    def pixels(self, level: int) -> np.ndarray:
        """Return the pixels of `level` that hold something wanted: int64, sorted."""
        if (wanted := self.wanted_ids) is not None:
            return np.unique(pixel_of(wanted, level))
        within = self.healpix.at_level(level) if self.healpix else HealpixRange(level, 0, n_pixels(level) - 1)
        return np.arange(within.first, within.last + 1, dtype=np.int64)

    def id_ranges(self, level: int) -> list[tuple[int, int, int]]:
        """Return (pixel, lowest, highest) of each wanted pixel of `level`: identifiers, both included.

        The ranges are cut to the HEALPix range, so that together they hold what was asked for and nothing else.
        """
        first, last = self.healpix.source_ids if self.healpix else (0, 2**63 - 1)
        ranges = []
        for pixel in self.pixels(level).tolist():
            lowest, highest = HealpixRange(level, pixel, pixel).source_ids
            ranges.append((pixel, max(lowest, first), min(highest, last)))
        return ranges

    def __str__(self) -> str:
        parts = []
        if self.source_ids is not None:
            parts.append(f"{len(self.source_ids)} source_ids")
        if self.healpix is not None:
            parts.append(f"HEALPix {self.healpix}")
        if self.limit is not None:
            parts.append(f"limit {self.limit}")
        return ", ".join(parts) or "all"


def parse_healpix(text: str) -> HealpixRange:
    """Read ``LEVEL:FIRST-LAST`` or ``LEVEL:PIXEL``.

    Raises
    ------
    ConfigurationError
        It is no such range.
    """
    match = re.fullmatch(r"(\d{1,2}):(\d+)(?:-(\d+))?", text.strip(), re.ASCII)
    if match is None:
        raise ConfigurationError(f"{text!r} is no HEALPix range.", "Write LEVEL:FIRST-LAST, for instance 5:0-47.")
    level, first = int(match[1]), int(match[2])
    return HealpixRange(level, first, first if match[3] is None else int(match[3]))


def read_source_ids(file: Path | TextIO) -> np.ndarray:
    """Read Gaia identifiers: one a line, or the column ``source_id`` of a CSV file.

    Empty lines and lines that begin with ``#`` are passed over. Without a header, the first column counts.

    Parameters
    ----------
    file : Path or text stream
        Text; a stream is for standard input.

    Returns
    -------
    ndarray of int64
        Sorted, each once.

    Raises
    ------
    FormatError
        A line holds no Gaia identifier, or there is none at all.
    """
    if isinstance(file, Path):
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                return _parse_ids(stream, str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{file} cannot be read: {error}.", "Give a text or CSV file of source_ids.") from error
    return _parse_ids(file, "standard input")


def _parse_ids(lines: Iterable[str], name: str) -> np.ndarray:
    remedy = "Give one source_id a line, or a CSV file with a column source_id."
    values: list[int] = []
    column: int | None = None
    rows = csv.reader(line for line in lines)
    for row in rows:
        if not row or not "".join(row).strip() or row[0].lstrip().startswith("#"):
            continue
        if column is None:
            header = [cell.strip().lower() for cell in row]
            column = header.index("source_id") if "source_id" in header else 0
            if "source_id" in header:
                continue
        cell = row[column].strip() if column < len(row) else ""
        number = int(cell) if re.fullmatch(r"[0-9]{1,19}", cell) else 0
        # The highest pixel of level 12 bounds the identifiers.
        if not 0 < number < n_pixels(12) << 35:
            raise FormatError(f"{name}, line {rows.line_num}: {cell!r} is no Gaia source_id.", remedy)
        values.append(number)
    if not values:
        raise FormatError(f"{name} holds no source_id.", remedy)
    return np.unique(np.array(values, dtype=np.int64))

"""Into which queries a table is cut, and their ADQL.

Names come from the release file, numbers are integers: nothing that a user typed becomes part of a query.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import ConfigurationError
from catalog.fetch.selection import HealpixRange, Selection
from catalog.releases.model import TapRoute

__all__ = [
    "MAX_LEVEL",
    "TapPart",
    "count_query",
    "file_name",
    "id_range_of",
    "plan_parts",
    "rows_query",
    "split_part",
]

MAX_LEVEL = 12
"""Deepest HEALPix level that a Gaia identifier holds."""


@dataclass(frozen=True)
class TapPart:
    """One query's share of a table."""

    label: str
    """Tells the part in file names and messages."""
    lowest: int | None = None
    """Lowest identifier; None for the whole table."""
    highest: int | None = None
    """Highest identifier, included."""
    ids: tuple[int, ...] = ()
    """Identifiers one by one, instead of a range."""
    pixel: tuple[int, int] | None = None
    """HEALPix level and pixel that holds the range."""
    top: int | None = None
    """Most rows wanted; None for all."""


def plan_parts(route: TapRoute, selection: Selection, ids_per_query: int) -> list[TapPart]:
    """Cut what is wanted into parts.

    Parameters
    ----------
    route : TapRoute
    selection : Selection
    ids_per_query : int
        Most identifiers that one query names.

    Returns
    -------
    list of TapPart
        The same for the same selection, so that a download can be taken up again. Parts of one selection are disjoint.

    Raises
    ------
    ConfigurationError
        The selection asks for stars or pixels of a table whose key is no Gaia identifier, or for none at all.
    """
    if not route.ordered_by_position:
        if selection.source_ids is not None or selection.healpix is not None:
            raise ConfigurationError(
                f"{route.table} has no Gaia identifier to choose rows by: its key is {route.key}.",
                "Fetch it whole, or with --limit for a trial.",
            )
        return [TapPart("all") if selection.limit is None else TapPart(f"top{selection.limit}", top=selection.limit)]
    if (wanted := selection.wanted_ids) is not None:
        if not len(wanted):
            raise ConfigurationError("None of the identifiers lies in the HEALPix range.", "Leave --healpix out.")
        ids = wanted[: selection.limit].tolist()
        return [_ids_part(ids[start : start + ids_per_query]) for start in range(0, len(ids), ids_per_query)]
    if selection.limit is not None:
        label = f"top{selection.limit}"
        if selection.healpix is None:
            return [TapPart(label, top=selection.limit)]
        within = selection.healpix
        label += f"_healpix{within.level}-{within.first}-{within.last}"
        return [TapPart(label, *within.source_ids, top=selection.limit)]
    return [_range_part(route.level, *each) for each in selection.id_ranges(route.level)]


def split_part(part: TapPart) -> list[TapPart]:
    """Return a part's four child pixels, or those of them that are wanted; nothing if it cannot be split."""
    if part.pixel is None or part.pixel[0] >= MAX_LEVEL:
        return []
    assert part.lowest is not None
    assert part.highest is not None
    level, pixel = part.pixel[0] + 1, part.pixel[1]
    children = []
    for child in range(4 * pixel, 4 * pixel + 4):
        first, last = HealpixRange(level, child, child).source_ids
        lowest, highest = max(first, part.lowest), min(last, part.highest)
        if lowest <= highest:
            children.append(_range_part(level, child, lowest, highest))
    return children


def file_name(name: str, part: TapPart) -> str:
    """Return the file that holds a part of the source `name`."""
    return f"{name}_{part.label}.vot"


def id_range_of(name: str, file_name: str) -> tuple[int, int] | None:
    """Return lowest and highest identifier that a file may hold, by its name; None if it is not of source `name`."""
    labels = r"healpix(\d+)-(\d+)|range-(\d+)-(\d+)|all|ids-[0-9a-f]{12}|top\d+(?:_healpix[\d-]+)?"
    match = re.fullmatch(rf"{re.escape(name)}_(?:{labels})\.vot", file_name)
    if match is None:
        return None
    if match[1] is not None:
        level, pixel = int(match[1]), int(match[2])
        return HealpixRange(level, pixel, pixel).source_ids
    return (int(match[3]), int(match[4])) if match[3] is not None else (0, 2**63 - 1)


def rows_query(route: TapRoute, part: TapPart) -> str:
    """Return the ADQL that gives the part's rows."""
    top = "" if part.top is None else f"TOP {part.top:d} "
    columns = ", ".join("t.*" if name == "*" else f"t.{_identifier(name)}" for name in route.columns)
    return f"SELECT {top}{columns} {_from_where(route, part)}"


def count_query(route: TapRoute, part: TapPart) -> str:
    """Return the ADQL that counts the part's rows, as if there were no `top`."""
    return f"SELECT COUNT(*) AS n_rows {_from_where(route, part)}"


def _from_where(route: TapRoute, part: TapPart) -> str:
    key = f"t.{_identifier(route.key)}"
    conditions = [f"({route.where})"] if route.where else []
    if part.ids:
        conditions.append(f"{key} IN ({', '.join(f'{number:d}' for number in part.ids)})")
    elif part.lowest is not None and part.highest is not None:
        conditions.append(f"{key} >= {part.lowest:d} AND {key} < {part.highest + 1:d}")
    words = [f"FROM {route.table} AS t", route.join, f"WHERE {' AND '.join(conditions)}" if conditions else ""]
    return " ".join(word for word in words if word)


def _identifier(name: str) -> str:
    """Return a column's name as ADQL writes it: bare, or in double quotes."""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _ids_part(ids: Sequence[int]) -> TapPart:
    # Named by what it asks for: other identifiers never land in the same file.
    digest = hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:12]
    return TapPart(f"ids-{digest}", ids=tuple(ids))


def _range_part(level: int, pixel: int, lowest: int, highest: int) -> TapPart:
    is_whole = (lowest, highest) == HealpixRange(level, pixel, pixel).source_ids
    label = f"healpix{level}-{pixel}" if is_whole else f"range-{lowest}-{highest}"
    return TapPart(label, lowest, highest, pixel=(level, pixel))

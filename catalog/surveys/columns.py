"""Columns of a survey table: their names in files, their types, and how they are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from catalog.errors import FormatError
from catalog.surveys.tables import BULK, IMAGE, RawTable

__all__ = ["Column", "Kind", "Notices", "find_columns"]

Kind = Literal["smallint", "integer", "bigint", "real", "double", "text", "bool", "array"]


@dataclass(frozen=True)
class Column:
    """One column that is taken over."""

    name: str
    """In the database: the archive's own name."""
    kind: Kind
    required: bool = False
    """A file without it is refused; other columns become null."""
    names: tuple[str, ...] = ()
    """Names in files, the most trusted first; `name` alone when empty."""

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names to look for."""
        return self.names or (self.name,)


@dataclass
class Notices:
    """What a person should know about a file that was read."""

    texts: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """Columns of the file that are not taken over."""

    @property
    def sentences(self) -> list[str]:
        """All of it in words."""
        unused = [f"columns not used: {len(self.unused)} ({_listed(self.unused, 4)})"] if self.unused else []
        return self.texts + unused


def find_columns(
    columns: Sequence[Column], table: RawTable, product: str, notices: Notices, also_used: Sequence[str] = ()
) -> dict[str, str]:
    """Find columns by their names, never by position; upper and lower case are one unless both occur.

    Parameters
    ----------
    columns : sequence of Column
    table : RawTable
    product : str
        For messages.
    notices : Notices
        Receives the columns that are missing or not used.
    also_used : sequence of str
        Names in the file that the caller uses besides.

    Returns
    -------
    dict of str to str
        Database name to the name in the file, for the columns that it has.

    Raises
    ------
    FormatError
        A required column is missing (in bulk files of the archive: any column), or a name is ambiguous.
    """
    if table.form == IMAGE:
        raise FormatError(
            f"{table.path} holds no table but an image of {table.meta['shape']} values; {product} needs a table.",
            "Give the archive's own file.",
        )
    lower: dict[str, list[str]] = {}
    for file_name in table.names:
        lower.setdefault(file_name.lower(), []).append(file_name)
    found: dict[str, str] = {}
    for column in columns:
        if (name := _find(column, table, lower)) is not None:
            found[column.name] = name
    missing = [column for column in columns if column.name not in found]
    refused = [column for column in missing if column.required or table.form == BULK]
    if refused:
        raise FormatError(
            f"{table.path} ({table.form}) lacks {_listed([' or '.join(c.file_names) for c in refused])}, "
            f"which {product} needs.",
            "Is it a file of another product, or was it made with fewer columns?",
        )
    if missing:
        notices.texts.append(f"{product}: null because the file lacks them: {_listed([c.name for c in missing])}")
    used = {*found.values(), *also_used}
    notices.unused = [name for name in table.names if name not in used]
    return found


def _find(column: Column, table: RawTable, lower: Mapping[str, list[str]]) -> str | None:
    for wanted in column.file_names:
        if wanted in table.names:
            return wanted
        candidates = lower.get(wanted.lower(), [])
        if len(candidates) > 1:
            raise FormatError(f"{table.path}: columns {' and '.join(candidates)} differ by case only.")
        if candidates:
            return candidates[0]
    return None


def _listed(names: Sequence[str], limit: int = 12) -> str:
    text = ", ".join(names[:limit])
    return text if len(names) <= limit else f"{text} and {len(names) - limit} more"

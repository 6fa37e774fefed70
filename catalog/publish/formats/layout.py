"""What all formats share: the type of a row, the facts of a version, and how a writer is used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from catalog.errors import DatabaseError
from catalog.metadata.columns import Column, TableInfo

__all__ = ["NOBODY", "Facts", "Nulls", "Writer", "fits_unit", "plain_rows", "refuse", "row_type"]

_NUMBERS = {"short": "i2", "int": "i4", "long": "i8", "float": "f4", "double": "f8"}

NOBODY = "not stated"
REFERENCE = "Guiglion et al. 2024, A&A 682, A9 (method)"

Nulls = Mapping[str, np.ndarray]
"""Which rows of a block are null, by column; columns without nulls are left out."""


@dataclass(frozen=True)
class Facts:
    """What the header of every file says of the version."""

    title: str
    version: int
    run_id: int
    n_rows: int
    sha256: str
    """Of the version's content."""
    published_at: str
    """ISO 8601, UTC."""
    software: str
    reference: str = REFERENCE
    validation: str = "not recorded"
    """What validation said when the version was published, and why failed checks were accepted."""
    author: str = NOBODY
    """Whose catalogue it is."""
    publisher: str = ""
    citation: str = ""
    """Identifier by which it is cited."""
    rights: str = ""
    """Licence."""
    rights_uri: str = ""
    """Where the licence can be read."""

    def as_text(self) -> dict[str, str]:
        """Return all facts as text, by name; what nobody has said is left out."""
        return {name: str(value) for name, value in asdict(self).items() if value != ""}


class Writer(Protocol):
    """Writes one file: made with its path, table and facts, then given blocks of rows, then closed."""

    extension: ClassVar[str]

    def __init__(self, path: Path, info: TableInfo, facts: Facts) -> None: ...

    def write(self, rows: np.ndarray, nulls: Nulls | None = None) -> None:
        """Append rows, shape (n,), that have the fields of `row_type` by name; what is null has a filler."""

    def close(self) -> None:
        """Finish the file."""


def row_type(info: TableInfo) -> np.dtype:
    """Return the structured type of a row of `info`: text as fixed-width bytes, numbers in native order."""
    return np.dtype([(column.name, _kind(column)) for column in info.columns])


def _kind(column: Column) -> str:
    return _NUMBERS[column.datatype] if column.arraysize is None else f"S{column.arraysize.rstrip('*')}"


def plain_rows(rows: np.ndarray, nulls: Nulls, kind: np.dtype, form: str) -> np.ndarray:
    """Return `rows` as `kind` for a format that has ASCII text of fixed width alone.

    Parameters
    ----------
    rows : numpy.ndarray, shape (n,)
    nulls : mapping
    kind : numpy.dtype
        Structured; byte order may differ from that of `rows`.
    form : str
        Name of the format, for the message.

    Returns
    -------
    numpy.ndarray, shape (n,)

    Raises
    ------
    DatabaseError
        A text would not come back as it is: not printable ASCII, empty, or with blanks at an end.
    """
    plain = np.zeros(len(rows), dtype=kind)
    for name in kind.names or ():
        if kind[name].kind == "S" and len(rows):
            _refuse_text(rows, name, nulls.get(name), form)
        plain[name] = rows[name]
    return plain


def refuse(rows: np.ndarray, bad: np.ndarray, name: str, form: str) -> None:
    """Raise DatabaseError for the first star whose value of `name` a format cannot hold, if there is one."""
    if not bad.any():
        return
    at = int(np.argmax(bad))
    star = rows[at]["sourceid"].decode()
    value = rows[at][name]
    raise DatabaseError(
        f"Star {star}: {name} is {value.decode() if isinstance(value, bytes) else value!r}, which {form} cannot hold.",
        "Leave this format out, or take Parquet.",
    )


def _refuse_text(rows: np.ndarray, name: str, null: np.ndarray | None, form: str) -> None:
    texts = np.ascontiguousarray(rows[name])
    characters = texts.view(np.uint8).reshape(len(texts), -1)
    # Zeros pad: PostgreSQL's text holds none.
    bad = ((characters != 0) & ((characters < ord(" ")) | (characters > ord("~")))).any(axis=1)
    lengths = np.char.str_len(texts)
    empty = lengths == 0
    last = characters[np.arange(len(texts)), np.maximum(lengths - 1, 0)]
    bad |= empty | (characters[:, 0] == ord(" ")) | (last == ord(" "))
    refuse(rows, bad if null is None else bad & ~null, name, form)


def fits_unit(unit: str | None) -> str | None:
    """Return a VOUnit without the quotes that VOUnits alone has: ``'dex'`` is dex elsewhere."""
    return unit.strip("'") if unit else None

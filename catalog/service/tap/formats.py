"""Formats of answers: under which names clients ask for them, and how they are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catalog.service.query import ResultColumn
from catalog.service.tap.errors import ServiceError
from catalog.service.tap.writers import AnswerWriter
from catalog.service.tap.writers.fits import FitsAnswer
from catalog.service.tap.writers.parquet import ParquetAnswer
from catalog.service.tap.writers.text import CsvAnswer, JsonAnswer, TsvAnswer
from catalog.service.tap.writers.votable import Binary2Answer, TableDataAnswer

__all__ = ["DEFAULT_FORMAT", "FORMATS", "Format", "find_format"]

_TAPREGEXT = "ivo://ivoa.net/std/TAPRegExt#output-"


@dataclass(frozen=True)
class Format:
    """A format of answers."""

    media_type: str
    """As in the Content-Type header."""
    aliases: tuple[str, ...]
    """Short names that are declared."""
    extension: str
    writer: Callable[[Sequence[ResultColumn], Sequence[tuple[str, str]]], AnswerWriter]
    """Made with the columns and with facts about the query."""
    standard_id: str | None = None
    names: tuple[str, ...] = ()
    """Further names that are understood."""


FORMATS: tuple[Format, ...] = (
    Format(
        "application/x-votable+xml;serialization=BINARY2",
        ("votable", "votable/b2"),
        "vot",
        Binary2Answer,
        f"{_TAPREGEXT}votable-binary2",
        ("application/x-votable+xml", "text/xml", "votable_plain"),
    ),
    Format(
        "application/x-votable+xml;serialization=TABLEDATA",
        ("votable/td",),
        "vot",
        TableDataAnswer,
        f"{_TAPREGEXT}votable-td",
        ("text/xml;serialization=tabledata",),
    ),
    Format("application/fits", ("fits",), "fits", FitsAnswer, None, ("image/fits",)),
    Format("text/csv;header=present", ("csv",), "csv", CsvAnswer, None, ("text/csv",)),
    Format("text/tab-separated-values", ("tsv",), "tsv", TsvAnswer),
    Format("application/json", ("json",), "json", JsonAnswer),
    Format("application/vnd.apache.parquet", ("parquet",), "parquet", ParquetAnswer, None, ("application/parquet",)),
)
"""The default comes first."""

DEFAULT_FORMAT = FORMATS[0]

_BY_NAME = {
    name.lower(): format_ for format_ in FORMATS for name in (format_.media_type, *format_.aliases, *format_.names)
}


def find_format(name: str | None) -> Format:
    """Return the format of that name or media type.

    Raises
    ------
    ServiceError
        There is none.
    """
    if not name or not name.strip():
        return DEFAULT_FORMAT
    # Blanks have no meaning in media types, nor has case.
    plain = "".join(name.lower().split())
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    known = ", ".join(format_.aliases[0] for format_ in FORMATS)
    raise ServiceError(f"Answers are not written as {name[:100]!r}.", f"RESPONSEFORMAT may be {known}.", 400)

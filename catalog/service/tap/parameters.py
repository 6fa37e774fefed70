"""Parameters of a request: names in any case, from the address or the body, with everything bounded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from catalog.service.tap.errors import ServiceError
from catalog.service.tap.formats import Format, find_format
from catalog.service.tap.limits import Limits
from catalog.service.tap.upload import parse_upload_parameter

__all__ = ["LANGUAGES", "Parameters", "TapQuery", "client_of", "file_of", "read_max_rows", "read_parameters"]

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
"""What LANG may be."""

_MAX_FIELDS = 200
_MAX_FIELD_BYTES = 1_000_000
_SPOOLED = "multipart/form-data"


@dataclass
class Parameters:
    """Parameters by their names in upper case, in order; and the parts of a form that are files."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, BinaryIO] = field(default_factory=dict)
    form: FormData | None = None

    def all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def get(self, name: str) -> str | None:
        """Return the last value of a parameter, without blanks around it; None when it is absent or empty."""
        values = [value.strip() for value in self.all(name)]
        return values[-1] or None if values else None

    async def close(self) -> None:
        """Forget the files."""
        if self.form is not None:
            await self.form.close()


@dataclass(frozen=True)
class TapQuery:
    """A query as TAP's parameters ask it."""

    adql: str
    format: Format
    max_rows: int
    uploads: dict[str, str]
    """Table name -> part of the form."""

    @classmethod
    def of(cls, parameters: Parameters, limits: Limits) -> "TapQuery":
        """Read the parameters of a query.

        Raises
        ------
        ServiceError
            One is missing, or cannot be used.
        """
        request = parameters.get("REQUEST")
        if request is not None and request != "doQuery":
            raise ServiceError(f"REQUEST is {request[:100]!r}.", "It may be doQuery, or be left out.")
        language = parameters.get("LANG")
        if language is None:
            raise ServiceError("LANG is missing.", f"It may be {', '.join(LANGUAGES)}.")
        if language.upper() not in LANGUAGES:
            raise ServiceError(f"LANG is {language[:100]!r}.", f"It may be {', '.join(LANGUAGES)}.")
        adql = parameters.get("QUERY")
        if adql is None:
            raise ServiceError("QUERY is missing.", "Give it a query in ADQL.")
        return cls(
            adql,
            find_format(parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT")),
            read_max_rows(parameters.get("MAXREC"), limits.default_rows, limits.max_rows),
            parse_upload_parameter(parameters.all("UPLOAD"), limits),
        )


def read_max_rows(text: str | None, default: int, most: int) -> int:
    """Return what MAXREC says, `default` when it says nothing, and `most` at most.

    Raises
    ------
    ServiceError
        It is no whole number, or negative.
    """
    if text is None:
        return min(default, most)
    if not (text.isascii() and text.removeprefix("+").isdigit() and len(text) <= 18):
        raise ServiceError(f"MAXREC is {text[:50]!r}.", "Give a whole number of rows, 0 or more.")
    return min(int(text), most)


def client_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


async def read_parameters(request: Request, limits: Limits) -> Parameters:
    """Read all parameters of a request.

    Raises
    ------
    ServiceError
        The body is too large, or no form.
    """
    result = Parameters()
    _add(result, request.query_params.multi_items())
    if request.method == "POST":
        form = await _form(request, limits)
        result.form = form
        texts: list[tuple[str, str]] = []
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                result.files[name] = value.file
            else:
                texts.append((name, value))
        _add(result, texts)
    return result


def _add(result: Parameters, pairs: Iterable[tuple[str, str]]) -> None:
    result.pairs += [(name.upper(), value) for name, value in pairs]


async def _form(request: Request, limits: Limits) -> FormData:
    multipart = request.headers.get("content-type", "").lower().startswith(_SPOOLED)
    most = limits.request_bytes if multipart else min(limits.request_bytes, 2 * _MAX_FIELD_BYTES)
    declared = request.headers.get("content-length", "")
    too_large = ServiceError(f"The request is larger than {most / 1e6:g} MB.", "Send less at once.", 413)
    if declared.isdigit() and int(declared) > most:
        raise too_large
    inner = request.receive
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await inner()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_large
        return message

    bounded = Request(request.scope, receive)
    try:
        return await bounded.form(max_files=limits.uploads + 1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
    except HTTPException as error:
        raise ServiceError(f"The form cannot be read: {error.detail}.") from error


def file_of(parameters: Parameters, part: str, table: str) -> BinaryIO:
    """Return the part of the form that holds an uploaded table.

    Raises
    ------
    ServiceError
        The request has no such part.
    """
    for name, stream in parameters.files.items():
        if name == part or name.upper() == part.upper():
            return stream
    raise ServiceError(f"The request has no part {part[:100]!r} for the table {table}.", _ADVICE)


_ADVICE = "Send the table as a file of a multipart form."

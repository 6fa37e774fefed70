"""The page that a browser shows: what the catalogue is, its columns and its sky, and a box for queries."""

import asyncio
import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog import __version__
from catalog.errors import DatabaseError
from catalog.metadata.tap_schema import SCHEMAS
from catalog.publish.handover.producer import Producer
from catalog.service.tap.errors import LOG, ServiceError
from catalog.service.tap.examples import EXAMPLES
from catalog.service.tap.formats import FORMATS
from catalog.service.tap.landing_facts import Counted, Counts, Version, read_version
from catalog.service.tap.landing_sky import graticule
from catalog.service.tap.limits import Limits
from catalog.service.tap.state import base_url, state_of
from catalog.service.tap.vosi import Table, fetch_tables
from catalog.validation.pages import page_environment

__all__ = ["CONTENT_SECURITY_POLICY", "ROUTES", "landing_document"]

_FOLDER = Path(__file__).parent / "page"
_FILES = {"landing.css": "text/css", "landing.js": "text/javascript", "icon.svg": "image/svg+xml"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page takes nothing from elsewhere and runs no script but its own file."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ALWAYS_ASKED = "no-cache"
# Addresses of files end in their hash.
_KEPT = "public, max-age=31536000, immutable"


def landing_document(
    url: str,
    tables: list[Table] | None,
    version: Version | None,
    counts: Counts | None,
    limits: Limits,
    producer: Producer,
) -> str:
    """Return the page of the service at `url`.

    Parameters
    ----------
    url : str
    tables : list or None
        As of `catalog.service.tap.vosi.fetch_tables`; None when the database is away.
    version : Version or None
        None when nothing is published.
    counts : Counts or None
        None while they are not there.
    limits : Limits
    producer : Producer

    Returns
    -------
    str
    """
    template = _environment().get_template("landing.html.j2")
    return template.render(
        url=url,
        root=urlsplit(url).path.rstrip("/"),
        hashes={name: _hash(data) for name, (data, _) in _files().items()},
        sky_hash=_hash(counts.sky.png) if counts else None,
        title=SCHEMAS["catalogue"].partition(":")[0],
        software=__version__,
        tables=tables,
        version=version,
        counts=counts,
        graticule=graticule(),
        examples=EXAMPLES,
        formats=[format_ for format_ in FORMATS if format_.aliases[0] != "votable/td"],
        limits=limits,
        producer=producer,
    )


@cache
def _environment() -> Environment:
    environment = page_environment()
    environment.loader = FileSystemLoader(_FOLDER)
    # VOUnits that the standard does not list stand in quotes.
    environment.filters["plain_unit"] = lambda unit: unit.strip("'")
    return environment


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    return {name: ((_FOLDER / name).read_bytes(), kind) for name, kind in _FILES.items()}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _counted(request: Request) -> Counted:
    state = request.app.state
    if not hasattr(state, "counted"):
        state.counted = Counted()
    counted: Counted = state.counted
    return counted


async def _landing(request: Request) -> Response:
    state = state_of(request)
    tables, version, counts = None, None, None
    try:
        tables = await asyncio.to_thread(fetch_tables, state)
        version = await asyncio.to_thread(read_version, state.pool, tables)
        counts = await _counted(request).of(state.pool, version) if version else None
    except DatabaseError as error:
        LOG.warning("%s", error)
    page = landing_document(base_url(request), tables, version, counts, state.limits, state.producer)
    headers = {} if tables is not None else {"Retry-After": "5"}
    return _answer(request, page.encode(), "text/html", _ALWAYS_ASKED, 200 if tables is not None else 503, headers)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "sky.png":
        state = state_of(request)
        version = await asyncio.to_thread(lambda: read_version(state.pool, fetch_tables(state)))
        counts = await _counted(request).of(state.pool, version) if version else None
        if counts is None:
            raise ServiceError("There is no picture of the sky at present.", "Try again later.", 404)
        data, kind = counts.sky.png, "image/png"
    elif name in _FILES:
        data, kind = _files()[name]
    else:
        raise ServiceError("There is nothing at this address.", "", 404)
    current = request.query_params.get("v") == _hash(data)
    return _answer(request, data, kind, _KEPT if current else _ALWAYS_ASKED)


def _answer(
    request: Request,
    data: bytes,
    kind: str,
    caching: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    tag = f'"{_hash(data)}"'
    headers = {**_HEADERS, **(headers or {}), "ETag": tag, "Cache-Control": caching}
    asked = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if status == 200 and tag in asked:
        return Response(None, 304, headers)
    return Response(data, status, headers, kind)


ROUTES = [
    Route("/", _landing),
    Route("/tap", _landing),
    Route("/tap/", _landing),
    Route("/page/{name}", _file),
]

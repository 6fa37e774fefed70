"""VOSI 1.1: availability and the tables; capabilities are in `catalog.service.tap.capabilities`."""

import asyncio
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.database.queries import load
from catalog.errors import DatabaseError
from catalog.publish.formats.votable_document import element
from catalog.service.query import READER
from catalog.service.tap.capabilities import capabilities_document
from catalog.service.tap.errors import ServiceError
from catalog.service.tap.state import State, base_url, state_of
from catalog.service.tap.uws import timestamp

__all__ = ["ROUTES", "availability_document", "fetch_tables", "tableset_document"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XML = "text/xml"
_TABLES_NAMESPACES = {
    "xmlns:vosi": "http://www.ivoa.net/xml/VOSITables/v1.0",
    "xmlns:vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_STARTED = datetime.now(UTC)

Table = dict[str, Any]


def fetch_tables(state: State) -> list[Table]:
    """Return all published tables: the columns of ``sql/service/tableset.sql``.

    Raises
    ------
    DatabaseError
    """
    with state.pool.connection() as connection, connection.transaction():
        connection.execute(f"SET LOCAL ROLE {READER}")
        cursor = connection.execute(load("service/tableset").statement)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tableset_document(tables: list[Table], *, detail: bool) -> str:
    """Return a VODataService tableset of `tables`; with their columns and keys when `detail`."""
    schemas = []
    for name, members in groupby(tables, key=lambda table: str(table["schema_name"])):
        group = list(members)
        parts = [_text("name", name), _text("description", group[0]["schema_description"])]
        schemas.append(element("schema", {}, "\n".join([*parts, *(_table(table, detail) for table in group)])))
    return _HEAD + element("vosi:tableset", _TABLES_NAMESPACES, "\n".join(schemas)) + "\n"


def _table_document(table: Table) -> str:
    return _HEAD + _table(table, True, "vosi:table", _TABLES_NAMESPACES) + "\n"


def _table(table: Table, detail: bool, tag: str = "table", attributes: dict[str, str] | None = None) -> str:
    parts = [_text("name", table["table_name"]), _text("description", table["description"])]
    if detail:
        parts += [_column(*column) for column in table["columns"]]
        parts += [_key(*key) for key in table["keys"]]
    return element(tag, {**(attributes or {}), "type": table["table_type"]}, "\n".join(filter(None, parts)))


def _column(
    name: str,
    datatype: str,
    arraysize: str | None,
    xtype: str | None,
    unit: str | None,
    ucd: str | None,
    utype: str | None,
    description: str | None,
    indexed: bool,
    principal: bool,
    std: bool,
) -> str:
    attributes = {"xsi:type": "vs:VOTableType", "arraysize": arraysize, "extendedType": xtype}
    parts = [
        _text("name", name),
        _text("description", description),
        _text("unit", unit),
        _text("ucd", ucd),
        _text("utype", utype),
        element("dataType", attributes, escape(datatype)),
        "<flag>indexed</flag>" if indexed else "",
        "<flag>primary</flag>" if principal else "",
    ]
    return element("column", {"std": "true" if std else "false"}, "".join(parts))


def _key(target: str, description: str | None, utype: str | None, pairs: list[list[str]]) -> str:
    columns = [
        element("fkColumn", {}, _text("fromColumn", start) + _text("targetColumn", end)) for start, end in pairs or []
    ]
    parts = [_text("targetTable", target), *columns, _text("description", description), _text("utype", utype)]
    return element("foreignKey", {}, "".join(parts))


def _text(name: str, text: str | None) -> str:
    return element(name, {}, escape(text)) if text else ""


def availability_document(available: bool, note: str) -> str:
    """Return a VOSI availability document."""
    attributes = {"xmlns:vosi": "http://www.ivoa.net/xml/VOSIAvailability/v1.0"}
    parts = [
        element("vosi:available", {}, "true" if available else "false"),
        element("vosi:upSince", {}, timestamp(_STARTED)),
        element("vosi:note", {}, escape(note)),
    ]
    return _HEAD + element("vosi:availability", attributes, "\n".join(parts)) + "\n"


async def _availability(request: Request) -> Response:
    try:
        tables = await asyncio.to_thread(fetch_tables, state_of(request))
    except DatabaseError:
        return Response(availability_document(False, "The database does not answer at present."), media_type=_XML)
    if not tables:
        note = "Nothing is published yet: `rvscat run` or `rvscat publish` publishes a catalogue."
        return Response(availability_document(False, note), media_type=_XML)
    return Response(availability_document(True, f"{len(tables)} tables are served."), media_type=_XML)


async def _tables(request: Request) -> Response:
    detail = request.query_params.get("detail", "max")
    if detail not in ("min", "max"):
        raise ServiceError(f"detail is {detail[:50]!r}.", "It may be min or max.")
    tables = await asyncio.to_thread(fetch_tables, state_of(request))
    document = tableset_document(tables, detail=detail == "max")
    if "user-agent" not in request.headers:
        document = _for_tap_plus(document)
    return Response(document, media_type=_XML, headers={"Vary": "User-Agent"})


def _for_tap_plus(document: str) -> str:
    """Return a tableset that astroquery's TapPlus can read: it fails on columns without an attribute of the ESA's.

    The standard's schema does not allow that attribute. TapPlus does not name itself when it asks for tables, and no
    other client in use asks without a name.
    """
    names = ' xmlns:esatapplus="http://esa.int/xml/EsaTapPlus"'
    return document.replace("<vosi:tableset", f"<vosi:tableset{names}", 1).replace(
        "<column std=", '<column esatapplus:flags="0" std='
    )


async def _one_table(request: Request) -> Response:
    name = request.path_params["name"].lower()
    tables = await asyncio.to_thread(fetch_tables, state_of(request))
    found = next((table for table in tables if table["table_name"] == name), None)
    if found is None:
        raise ServiceError("There is no such table.", f"{base_url(request)}/tap/tables lists them all.", 404)
    return Response(_table_document(found), media_type=_XML)


async def _capabilities(request: Request) -> Response:
    return Response(capabilities_document(base_url(request), state_of(request).limits), media_type=_XML)


ROUTES = [
    Route("/availability", _availability),
    Route("/capabilities", _capabilities),
    Route("/tables", _tables),
    Route("/tables/{name}", _one_table),
]
"""Below the address of the TAP service."""

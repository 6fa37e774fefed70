"""Example queries, for people and (RDFa, DALI 1.1 section 2.3) for clients."""

from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.metadata.columns import PUBLISHED_TABLES, RVS_CNN, RVS_CNN_EXTENDED
from catalog.service.tap.state import base_url

__all__ = ["EXAMPLES", "ROUTES", "Example", "examples_document"]


@dataclass(frozen=True)
class Example:
    """One query."""

    identifier: str
    name: str
    words: str
    query: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        "inside",
        "Labels inside the training sample",
        "Stars whose digits of flag_boundary are all zero resemble the training sample: their labels can be used.",
        f"SELECT TOP 100 sourceid, teff, logg, mh, alpham\nFROM {RVS_CNN.qualified_name}\n"
        "WHERE flag_boundary = '00000000'",
    ),
    Example(
        "cone",
        "Stars around a position",
        "All stars within 5 degrees of the Pleiades, the nearest first; positions and radius are in degrees.",
        "SELECT sourceid, ra, dec, teff, logg, mh,\n"
        "  DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 56.75, 24.12)) AS separation\n"
        f"FROM {RVS_CNN_EXTENDED.qualified_name}\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 56.75, 24.12, 5.0))\nORDER BY separation",
    ),
    Example(
        "kiel",
        "Kiel diagram",
        "Stars a cell of 100 K and 0.1 in log g.",
        "SELECT FLOOR(teff / 100) * 100 AS teff_cell, FLOOR(logg / 0.1) * 0.1 AS logg_cell, COUNT(*) AS n\n"
        f"FROM {RVS_CNN.qualified_name}\nGROUP BY teff_cell, logg_cell",
    ),
    Example(
        "precise",
        "Metal-poor giants with small uncertainties",
        "The overall uncertainty (sigma_mh) adds what the networks disagree about (emh) to how far they are from the "
        "training labels.",
        f"SELECT sourceid, teff, logg, mh, sigma_mh, alpham\nFROM {RVS_CNN.qualified_name}\n"
        "WHERE logg < 3 AND mh < -1 AND sigma_mh < 0.15 AND flag_boundary = '00000000'",
    ),
    Example(
        "columns",
        "What the columns mean",
        "Units, UCDs and descriptions of all columns.",
        "SELECT column_name, datatype, unit, ucd, description\nFROM tap_schema.columns\n"
        f"WHERE table_name = '{RVS_CNN.qualified_name}'",
    ),
)


def examples_document(url: str) -> str:
    """Return the examples of the service at `url` as XHTML."""
    published = [info.qualified_name for info in PUBLISHED_TABLES]
    parts = []
    for example in EXAMPLES:
        tables = [name for name in published if f"FROM {name}" in example.query]
        parts.append(
            f'<div typeof="example" id="{example.identifier}" resource="#{example.identifier}">\n'
            f'<h2 property="name">{escape(example.name)}</h2>\n'
            f"<p>{escape(example.words)}</p>\n"
            + "".join(f'<p>Table: <span property="table">{escape(name)}</span></p>\n' for name in dict.fromkeys(tables))
            + f'<pre property="query">{escape(example.query)}</pre>\n</div>\n'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en">\n<head>\n<title>Example queries</title>\n</head>\n'
        '<body vocab="http://www.ivoa.net/rdf/examples#">\n<h1>Example queries</h1>\n'
        f'<p>In ADQL, for the TAP service at <a href="{escape(url)}/tap">{escape(url)}/tap</a>.</p>\n'
        f"{''.join(parts)}</body>\n</html>\n"
    )


async def _examples(request: Request) -> Response:
    return Response(examples_document(base_url(request)), media_type="application/xhtml+xml")


ROUTES = [Route("/examples", _examples)]
"""Below the address of the TAP service."""

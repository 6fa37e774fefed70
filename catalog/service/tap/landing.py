"""The page that a browser shows at the address of the service: what there is, and where."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from catalog.service.tap.state import base_url

__all__ = ["ROUTES", "landing_document"]

_LINKS = (
    ("tap/tables", "Tables and columns"),
    ("tap/examples", "Example queries"),
    ("tap/capabilities", "What the service can do"),
    ("tap/availability", "Whether it is available"),
)


def landing_document(url: str) -> str:
    """Return the page of the service at `url`."""
    links = "".join(f'<li><a href="{escape(url)}/{path}">{escape(words)}</a></li>\n' for path, words in _LINKS)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>rvscat</title></head>\n<body>\n'
        "<h1>Stellar labels of Gaia RVS spectra</h1>\n"
        f"<p>The TAP service, for TOPCAT, pyvo, astroquery and others, is at <code>{escape(url)}/tap</code>; "
        f"cone search is at <code>{escape(url)}/cone?RA=…&amp;DEC=…&amp;SR=…</code>.</p>\n<ul>\n{links}</ul>\n"
        "</body>\n</html>\n"
    )


async def _landing(request: Request) -> Response:
    return HTMLResponse(landing_document(base_url(request)))


ROUTES = [Route("/", _landing), Route("/tap", _landing), Route("/tap/", _landing)]

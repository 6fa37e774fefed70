"""Which scripts of other web sites may read answers in a browser (CORS): Aladin Lite, notebooks, portals."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CrossOrigin"]

# Lists of jobs and their results are their owner's: no other site may read them through the owner's browser.
_OWN = "/tap/async"


class CrossOrigin:
    """Lets scripts of `origins` read what anyone may read.

    Parameters
    ----------
    app : ASGI application
    origins : sequence of str
        As browsers name them, or ``*``; none switches it off.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._closed = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST", "HEAD", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=["Content-Disposition", "Retry-After"],
            max_age=86400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        private = scope["type"] != "http" or scope["path"] == _OWN or scope["path"].startswith(f"{_OWN}/")
        await (self._closed if private else self._open)(scope, receive, send)

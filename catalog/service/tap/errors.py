"""Errors as DALI wants them told: a VOTable whose QUERY_STATUS is ERROR, with the right HTTP status."""

import logging

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.errors import DatabaseError, NotFoundError, QueryError, RvscatError
from catalog.publish.formats.votable_document import info_element, votable_head

__all__ = ["LOG", "VOTABLE", "ServiceError", "Unforeseen", "describe_error", "error_document", "error_response"]

LOG = logging.getLogger("rvscat.service")

VOTABLE = "application/x-votable+xml"

_RETRY_SECONDS = "5"


class ServiceError(RvscatError, ValueError):
    """A request that is not answered.

    Parameters
    ----------
    message, remedy : str
        As of `RvscatError`.
    status : int
        HTTP status.
    """

    def __init__(self, message: str, remedy: str = "", status: int = 400) -> None:
        super().__init__(message, remedy)
        self.status = status

    # With the status; that of `RvscatError` has two arguments.
    def __reduce__(self) -> tuple[type, tuple[str, str, int]]:  # type: ignore[override]
        return type(self), (self.message, self.remedy, self.status)


def describe_error(error: BaseException) -> tuple[int, str]:
    """Return the HTTP status and the words of `error`; what nobody foresaw goes to the log, not to the client."""
    if isinstance(error, ServiceError):
        return error.status, str(error)
    if isinstance(error, NotFoundError | DatabaseError):
        # Nothing is published yet, or the database is away: both pass.
        if isinstance(error, DatabaseError):
            LOG.warning("%s", error)
            return 503, "The database does not answer at present. Try again in a moment."
        return 503, str(error)
    if isinstance(error, QueryError):
        return 400, str(error)
    LOG.error("A request failed", exc_info=error)
    return 500, "The service failed: this is its own fault. Its log tells more."


def error_document(message: str) -> str:
    """Return a VOTable that tells of an error."""
    return votable_head(None, [info_element("QUERY_STATUS", "ERROR", message)]) + " </RESOURCE>\n</VOTABLE>\n"


def error_response(error: BaseException) -> Response:
    """Return the answer to a request that failed by `error`."""
    status, message = describe_error(error)
    headers = {"Retry-After": _RETRY_SECONDS} if status in (429, 503) else None
    return Response(error_document(message), status, headers, VOTABLE)


class Unforeseen:
    """Answers requests that failed by what nobody foresaw.

    Starlette does so only outside of all middleware, where no header is added any more: scripts of other sites would
    see no answer at all.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await error_response(error)(scope, receive, send)

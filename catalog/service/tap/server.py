"""The HTTP server around the application."""

import logging
import socket

import uvicorn

from catalog import __version__
from catalog.database.connection import database_url
from catalog.errors import ConfigurationError
from catalog.service.tap.app import create_app, own_folder
from catalog.settings import Settings

__all__ = ["make_server", "run_server"]

# How long answers that are being sent may take when the service is told to end.
_GRACE_SECONDS = 5


def make_server(settings: Settings, public_url: str | None = None, *, quiet: bool = False) -> uvicorn.Server:
    """Return the server, not yet running.

    Parameters
    ----------
    settings : Settings
    public_url : str, optional
        See `create_app`.
    quiet : bool
        Do not log requests.
    """
    config = uvicorn.Config(
        create_app(settings, public_url=public_url),
        log_level="warning" if quiet else "info",
        access_log=not quiet,
        server_header=False,
        headers=[("Server", f"rvscat/{__version__}")],
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws="none",
    )
    return uvicorn.Server(config)


def run_server(settings: Settings, host: str, port: int, public_url: str | None = None, *, quiet: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Parameters
    ----------
    settings : Settings
    host : str
    port : int
        0 takes a free one.
    public_url : str, optional
        See `create_app`.
    quiet : bool
        Do not log requests.

    Raises
    ------
    ConfigurationError
        The port is taken, or ``service.toml`` cannot be used.
    DatabaseError
        The database cannot be started or reached.
    """
    database_url(settings)
    with own_folder(settings.home / "service"):
        pass  # said here, where it is a message: while the application starts it would be a traceback
    server = make_server(settings, public_url, quiet=quiet)
    with _listen(host, port) as listening:
        address, taken = listening.getsockname()[:2]
        place = f"[{address}]" if ":" in address else address
        logging.getLogger("uvicorn.error").info("TAP service: %s/tap", public_url or f"http://{place}:{taken}")
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen at {host}, port {port}: {error.strerror or error}.", "Choose another --port or --host."
        ) from error
    return listening

"""Uploads that lie elsewhere (TAP wants it): fetched from public addresses alone, without redirects, and bounded.

Who asks decides what this machine connects to, so it must not reach anything that the asker could not reach: the name
is resolved once, every address must be public, and the connection goes to the address that was looked at.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from catalog import __version__
from catalog.service.tap.errors import ServiceError

__all__ = ["fetch_table"]

_PORTS = {"http": 80, "https": 443}
_CONNECT_SECONDS = 10.0
_SECONDS = 60.0
_CHUNK = 65_536


def fetch_table(url: str, path: Path, max_bytes: int) -> None:
    """Fetch `url` into the file `path`.

    Parameters
    ----------
    url : str
        ``http`` or ``https`` at its usual port.
    path : Path
    max_bytes : int

    Raises
    ------
    ServiceError
        The address is not public, does not answer with a document at once, or with too large a one.
    """
    parts = _split(url)
    try:
        connection = _connect(parts)
        try:
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("GET", target, headers={"User-Agent": f"rvscat/{__version__}"})
            response = connection.getresponse()
            if response.status != 200:
                raise _refusal(url, f"answers with HTTP status {response.status}; redirects are not followed")
            _read(response, url, path, max_bytes)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, ServiceError):
            raise
        # Not what exactly failed: that would tell strangers about this machine's network.
        raise _refusal(url, "cannot be fetched") from error


def _refusal(url: str, why: str) -> ServiceError:
    return ServiceError(f"The table at {url[:200]} {why}.", "Send it along: UPLOAD=mytable,param:part.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usual = parts.hostname and parts.port in (None, _PORTS.get(parts.scheme))
    except ValueError as error:
        raise _refusal(url, "has no address") from error
    if (
        parts.scheme not in _PORTS
        or not usual
        or parts.username is not None
        or not url.isascii()
        or not url.isprintable()
    ):
        raise _refusal(url, "is not fetched: only http and https at their usual ports are")
    return parts


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    host, port = str(parts.hostname), _PORTS[parts.scheme]
    addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not addresses or not all(_is_public(address) for address in addresses):
        raise _refusal(parts.geturl(), "is not fetched: its address is not public")
    raw = socket.create_connection((addresses[0], port), timeout=_CONNECT_SECONDS)
    connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
    try:
        connection.sock = (
            ssl.create_default_context().wrap_socket(raw, server_hostname=host) if parts.scheme == "https" else raw
        )
    except BaseException:
        raw.close()
        raise
    return connection


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (inner is None or inner.is_global)


def _read(response: http.client.HTTPResponse, url: str, path: Path, max_bytes: int) -> None:
    end = time.monotonic() + _SECONDS
    n_bytes = 0
    with path.open("wb") as file:
        while data := response.read1(_CHUNK):
            n_bytes += len(data)
            if n_bytes > max_bytes:
                raise _refusal(url, f"is larger than {max_bytes / 1e6:g} MB")
            if time.monotonic() > end:
                raise _refusal(url, f"did not arrive in {_SECONDS:g} s")
            file.write(data)

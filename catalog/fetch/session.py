"""How archives are asked: one HTTP session that waits, tries again and gives up with a message.

Answers that tell of a passing trouble (429 and 5xx) and connections that fail are tried again after a pause that
doubles, with jitter; an archive's own ``Retry-After`` is respected. Bodies that break off are the business of
`catalog.fetch.transfer`, which asks for the rest.
"""

import logging
import platform
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from catalog import __version__
from catalog.fetch.errors import FetchError

__all__ = [
    "GO_ON",
    "ArchiveSession",
    "Patience",
    "ask",
    "attempts_of",
    "check_address",
    "open_session",
    "trouble",
    "words_of",
]

GO_ON = "The same command goes on from here."
"""Remedy of every trouble that may pass."""

_LOG = logging.getLogger(__name__)
_REMARKABLE = 3.0
"""Pauses, s, that are told of."""
_PASSING = (429, 500, 502, 503, 504)
_RETRY_AFTER_MAX = 900
"""Longest pause, s, that is made at an archive's wish; asked for more, it is asked again after this."""


@dataclass(frozen=True)
class Patience:
    """How often and how slowly a request is tried again."""

    retries: int = 5
    """Tries after the first one."""
    backoff: float = 1.0
    """Pause, s, before the second retry; each further one doubles it (the first follows at once)."""
    backoff_max: float = 60.0
    """Longest pause, s."""

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after `failures` failures in a row."""
        return 0.0 if failures <= 1 else min(self.backoff_max, self.backoff * 2 ** (failures - 1))


class ArchiveSession(requests.Session):
    """A session with the patience that it was opened with."""

    patience: Patience = Patience()


class _Retry(urllib3.Retry):
    """Says that it waits, where a person would wonder."""

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait as the base class does."""
        wait = (response is not None and self.get_retry_after(response)) or self.get_backoff_time()
        if wait >= _REMARKABLE:
            what = "cannot be reached" if response is None else f"answers {response.status}"
            _LOG.warning("The archive %s and is asked again in %.0f s.", what, wait)
        super().sleep(response)


class _Adapter(HTTPAdapter):
    """Gives every request a time limit, which `requests` does not."""

    def __init__(self, timeout: tuple[float, float], **settings: Any) -> None:
        self._timeout = timeout
        super().__init__(**settings)

    def send(self, request: requests.PreparedRequest, *args: Any, **settings: Any) -> requests.Response:
        """Send as the base class does."""
        if settings.get("timeout") is None:
            settings["timeout"] = self._timeout
        return super().send(request, *args, **settings)


def open_session(
    retries: int = 5,
    timeout: tuple[float, float] = (20.0, 120.0),
    *,
    backoff: float = 1.0,
    backoff_max: float = 60.0,
    connections: int = 8,
) -> ArchiveSession:
    """Open a session to the archives; threads may share it.

    Parameters
    ----------
    retries : int
        Tries after the first one, of each request.
    timeout : (float, float)
        Seconds to wait for a connection, and for the next bytes.
    backoff, backoff_max : float
        Pauses between tries, s: see `Patience`.
    connections : int
        Connections to one host that are kept open.

    Returns
    -------
    ArchiveSession
        A ``requests.Session``, for pyvo as well; close it or use it in a ``with``.
    """
    session = ArchiveSession()
    session.patience = Patience(retries, backoff, backoff_max)
    policy = _Retry(
        total=retries,
        # Every POST of ours asks a question or makes a job that does not run yet: asking twice does no harm.
        allowed_methods=frozenset({"GET", "HEAD", "POST", "DELETE"}),
        status_forcelist=_PASSING,
        backoff_factor=backoff,
        backoff_max=backoff_max,
        backoff_jitter=backoff / 2,
        # The last answer comes back, so that `ask` can say what it was.
        raise_on_status=False,
        retry_after_max=_RETRY_AFTER_MAX,
    )
    adapter = _Adapter(timeout, max_retries=policy, pool_maxsize=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = f"rvscat/{__version__} (Python/{platform.python_version()}; {platform.system()})"
    return session


def ask(
    session: requests.Session,
    url: str,
    *,
    method: str = "GET",
    allow: Collection[int] = (),
    headers: Mapping[str, str] | None = None,
    **settings: Any,
) -> requests.Response:
    """Ask an archive, and turn each failure into a `FetchError`.

    An answer that breaks off is asked for again, unless it is streamed: then its reader has to see to that.

    Parameters
    ----------
    session : requests.Session
        As `open_session` makes it.
    url : str
        Absolute, http or https.
    method : str
        ``GET``, ``HEAD``, ``POST`` or ``DELETE``.
    allow : collection of int
        Statuses from 400 up that the caller reads itself.
    headers : mapping, optional
        Request headers.
    **settings
        As of ``requests.Session.request``: ``params``, ``data``, ``stream``, ``timeout``.

    Raises
    ------
    FetchError
        The archive cannot be reached, or answers 400 or above.
    """
    check_address(url)
    patience = getattr(session, "patience", Patience())
    failures = 0
    while True:
        try:
            response = session.request(method, url, headers=headers, **settings)
            break
        except requests.RequestException as error:
            failures += 1
            if not _body_broke_off(error):
                raise trouble(url, error, patience.retries + 1 if _gave_up(error) else failures) from error
            if failures > patience.retries:
                raise trouble(url, error, failures) from error
        time.sleep(patience.pause(failures))
    if response.status_code < 400 or response.status_code in allow:
        return response
    response.close()
    raise _refusal(url, response)


def attempts_of(response: requests.Response) -> int:
    """Return how often the question was asked until this answer came."""
    policy = getattr(response.raw, "retries", None)
    return 1 if policy is None else 1 + len(policy.history)


def trouble(url: str, error: Exception, attempts: int) -> FetchError:
    """Return what to tell of a connection that failed.

    Parameters
    ----------
    url : str
        What was asked for.
    error : Exception
        Of ``requests``, urllib3 or the socket.
    attempts : int
        How often it was tried.
    """
    return FetchError(f"{url}: {words_of(error)} ({_times(attempts)}).", f"Check the network. {GO_ON}")


def words_of(error: BaseException) -> str:
    """Return what the innermost of nested network errors says."""
    while True:
        causes = [getattr(error, "reason", None), *reversed(error.args)]
        inner = next((each for each in causes if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    # urllib3 begins with the name of its own object.
    return re.sub(r"^\w+\(host=[^)]*\): ", "", str(error)).strip(" .") or type(error).__name__


def check_address(url: str) -> None:
    """Refuse an address that is not http or https, or names no host.

    Raises
    ------
    FetchError
        With the address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(
            f"{url!r} is not an address to download from.", "Give one that starts with https:// or http://."
        )


def _refusal(url: str, response: requests.Response) -> FetchError:
    status, attempts = response.status_code, attempts_of(response)
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    if status == 429 or status >= 500:
        remedy = f"The archive is busy or down. {GO_ON}"
        if asked := response.headers.get("Retry-After"):
            remedy = f"The archive asks to wait {f'{asked} s' if asked.isdecimal() else f'until {asked}'}. {GO_ON}"
    elif status in (401, 403):
        remedy = "The archive refuses access to this address."
    else:
        remedy = "Has the archive moved it? Another address can be given with --endpoint NAME=URL."
    return FetchError(f"{url}: the archive answered {words} ({_times(attempts)}).", remedy)


def _gave_up(error: requests.RequestException) -> bool:
    return bool(error.args) and isinstance(error.args[0], urllib3.exceptions.MaxRetryError)


def _body_broke_off(error: requests.RequestException) -> bool:
    """Tell whether the answer had begun: urllib3 does not try such a request again."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.exceptions.ChunkedEncodingError) or isinstance(
        cause, urllib3.exceptions.ReadTimeoutError
    )


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"

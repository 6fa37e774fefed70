"""A TAP service as pyvo speaks to it, with failures in words.

Jobs follow UWS 1.1: they are made, started, looked at until they are over, read and deleted. What can be asked again
without harm is asked again as often as the session's patience allows.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

import requests
import urllib3
from astropy.io.votable import parse
from pyvo.dal import AsyncTAPJob, TAPResults, TAPService
from pyvo.dal.exceptions import DALAccessError, DALFormatError, DALQueryError

from catalog.fetch.errors import FetchError
from catalog.fetch.meter import Meter
from catalog.fetch.session import GO_ON, Patience, trouble
from catalog.fetch.tap_messages import is_too_slow, refusal, refused, remedy_for, service_words

__all__ = ["JobFailedError", "JobGoneError", "Polling", "Service", "UnreachableError"]

Answer = TypeVar("Answer")

_FAILED = ("ERROR", "ABORTED")
_TOO_SLOW = (408, 502, 504)


class UnreachableError(FetchError):
    """No connection to the service: another one may be asked."""


class JobGoneError(FetchError):
    """The service no longer has the job, or its result."""


class JobFailedError(FetchError):
    """The job is over and has no result."""


@dataclass(frozen=True)
class Polling:
    """How a running job is looked at."""

    first: float = 1.0
    """Pause, s, before the second look."""
    factor: float = 1.5
    """Each pause is this much longer than the one before."""
    longest: float = 30.0
    """Longest pause, s."""
    limit: float = 4 * 3600.0
    """Longest time, s, that a job may take; Gaia ends anonymous ones after two hours."""


class _WholeAnswers:
    """A session for pyvo, which leaves streamed answers unread: their connections would be lost."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def get(self, url: str, **settings: Any) -> requests.Response:
        return _read(self._session.get(url, **settings))

    def post(self, url: str, **settings: Any) -> requests.Response:
        return _read(self._session.post(url, **settings))

    def delete(self, url: str, **settings: Any) -> requests.Response:
        return _read(self._session.delete(url, **settings))


def _read(response: requests.Response) -> requests.Response:
    retries = getattr(response.raw, "retries", None)
    body = io.BytesIO(response.content)
    response.raw = urllib3.HTTPResponse(body, preload_content=False, retries=retries)
    return response


class Service:
    """One TAP service.

    Parameters
    ----------
    url : str
        Base address.
    session : requests.Session
    meter : Meter
        Its `Meter.wait` ends the waiting when all is to stop.
    """

    def __init__(self, url: str, session: requests.Session, meter: Meter) -> None:
        self.url = url
        self._session = _WholeAnswers(session)
        self._meter = meter
        self._patience: Patience = getattr(session, "patience", Patience())
        self._tap = TAPService(url, session=self._session)

    def count(self, query: str, polling: Polling) -> int:
        """Return the number that `query` selects.

        A synchronous query, which archives end after a minute or so; if that is too short, a job.

        Raises
        ------
        FetchError
            The service refuses the query, or its answer holds no number.
        """
        number = self._patiently(f"{self.url}/sync", lambda: self._sync_number(query))
        if number is not None:
            return number
        job = self.submit(query, maxrec=10)
        self.start(job)
        self.wait(job, polling)
        url = self.result_url(job)
        number = self._patiently(url, lambda: self._number(query, self._session.get(url).content))
        self.delete(job)
        return number

    def submit(self, query: str, maxrec: int) -> AsyncTAPJob:
        """Make a job, which does not run yet.

        Parameters
        ----------
        query : str
            ADQL.
        maxrec : int
            More rows than expected, or the service would cut them off at its default.

        Raises
        ------
        FetchError
            The service refuses the query, or has no room for it.
        """
        # FORMAT pinned: what a service gives without it has changed before.
        return self._patiently(
            f"{self.url}/async", lambda: self._tap.submit_job(query, maxrec=maxrec, FORMAT="votable")
        )

    def find(self, job_url: str) -> AsyncTAPJob:
        """Return a job made earlier.

        Raises
        ------
        JobGoneError
            The service does not know it any more.
        """
        return self._patiently(job_url, lambda: AsyncTAPJob(job_url, session=self._session, delete=False))

    def phase(self, job: AsyncTAPJob) -> str:
        """Return a job's phase, one of UWS 1.1, section 2.1.3."""
        return self._patiently(job.url, lambda: job.phase) or "UNKNOWN"

    def start(self, job: AsyncTAPJob) -> None:
        """Let a job run."""
        self._patiently(job.url, job.run)

    def wait(self, job: AsyncTAPJob, polling: Polling, tell: Callable[[str], object] | None = None) -> None:
        """Wait until a job has its result.

        Parameters
        ----------
        job : AsyncTAPJob
        polling : Polling
        tell : callable, optional
            Told the phase at each look.

        Raises
        ------
        JobFailedError
            With the service's words.
        FetchError
            It takes too long, and is left running.
        JobGoneError
            It is not there any more, or its result is not.
        """
        end, pause = time.monotonic() + polling.limit, polling.first
        while True:
            phase = self.phase(job)
            if tell is not None:
                tell(phase)
            if phase == "COMPLETED":
                return
            if phase in _FAILED:
                words = self._words(job)
                remedy = remedy_for(words) or f"If it passes: {GO_ON[0].lower()}{GO_ON[1:]}"
                raise JobFailedError(f"{job.url}: the job ended with {phase}: {words or 'no reason given'}.", remedy)
            if phase == "ARCHIVED":
                raise JobGoneError(f"{job.url}: the service has thrown the result away.", GO_ON)
            if time.monotonic() > end:
                raise FetchError(
                    f"{job.url}: the job is {phase} after {polling.limit / 60:.0f} minutes.",
                    "It is left running: the same command goes on waiting for it.",
                )
            self._meter.wait(pause)
            pause = min(polling.longest, pause * polling.factor)

    def result_url(self, job: AsyncTAPJob) -> str:
        """Return where the result of a completed job is; some services name results by their formats."""
        by_format = {result.id_: result.href for result in job.results or () if result.href}
        return job.result_uri or by_format.get("votable") or f"{job.url}/results/result"

    def delete(self, job: AsyncTAPJob) -> str:
        """Delete a job; return what went wrong, or nothing."""
        url = job.url
        try:
            self._patiently(url, job.delete)
        except JobGoneError:
            return ""
        except FetchError as error:
            return f"The job {url} could not be deleted ({error.message}); the service drops it in some days."
        return ""

    def _sync_number(self, query: str) -> int | None:
        """Return the answer to a synchronous query; None if that takes too long."""
        response = self._tap.create_query(query).submit()
        content: bytes = response.content
        if response.status_code >= 400 and b"QUERY_STATUS" not in content:
            if response.status_code in _TOO_SLOW:
                return None
            raise refused(f"{self.url}/sync", response, service_words(content))
        try:
            return self._number(query, content)
        except DALQueryError as error:
            if is_too_slow(str(error)):
                return None
            raise refused(f"{self.url}/sync", response, " ".join(str(error).split())) from error

    def _number(self, query: str, content: bytes) -> int:
        try:
            return int(TAPResults(parse(io.BytesIO(content)), url=self.url).resultstable.array[0][0])
        except (DALFormatError, ValueError, IndexError, TypeError) as error:
            words = service_words(content) or type(error).__name__
            raise FetchError(f"{self.url}: no number came for {query[:200]}: {words}", GO_ON) from error

    def _words(self, job: AsyncTAPJob) -> str:
        """Return why a job failed: from its summary, or its error document."""
        summary = self._patiently(job.url, lambda: job.job).errorsummary
        words = str(summary.message.content or "") if summary is not None and summary.message is not None else ""
        if not words.strip():
            response = self._session.get(f"{job.url}/error")
            words = service_words(response.content) if response.status_code < 400 else ""
        return " ".join(words.split()).rstrip(".")

    def _patiently(self, url: str, do: Callable[[], Answer]) -> Answer:
        """Ask, and ask again when the answer breaks off; the session sees to busy services and lost connections."""
        failures = 0
        while True:
            try:
                return do()
            except FetchError:
                raise
            except (DALAccessError, requests.RequestException, ExpatError, ValueError) as error:
                if not _is_broken(error):
                    raise self._failure(url, error) from error
                failures += 1
                if failures > self._patience.retries:
                    raise FetchError(f"{url}: the answer broke off {failures} times ({error}).", GO_ON) from error
            self._meter.wait(self._patience.pause(failures))

    def _failure(self, url: str, error: Exception) -> FetchError:
        cause = _cause(error)
        response = getattr(cause, "response", None)
        if response is not None:
            failure = refusal(url, response)
            return JobGoneError(failure.message, failure.remedy) if response.status_code in (404, 410) else failure
        if isinstance(cause, (requests.ConnectionError, requests.Timeout)):
            told = trouble(url, cause, self._patience.retries + 1)
            return UnreachableError(told.message, told.remedy)
        words = " ".join(str(error).split())
        return FetchError(f"{url}: the service refuses: {words}", remedy_for(words) or GO_ON)


def _cause(error: Exception) -> Exception | None:
    """Return what happened on the network, which pyvo wraps."""
    return error if isinstance(error, requests.RequestException) else getattr(error, "cause", None)


def _is_broken(error: Exception) -> bool:
    """Tell whether an answer came, but not whole, or not as a document that can be read."""
    if isinstance(error, ExpatError | ValueError) and not isinstance(error, requests.RequestException):
        return True
    cuts = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
    return isinstance(_cause(error), cuts)

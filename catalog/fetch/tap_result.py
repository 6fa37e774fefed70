"""The result of a TAP job: received whole, and compared with what was asked for."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import requests
import urllib3

from catalog.errors import FormatError
from catalog.fetch.errors import FetchError
from catalog.fetch.meter import Meter
from catalog.fetch.session import GO_ON, Patience, ask
from catalog.fetch.tap_service import JobFailedError, JobGoneError
from catalog.fetch.tap_votable import VotableSummary, summarise_votable
from catalog.fetch.transfer import part_of
from catalog.releases.model import TapRoute

__all__ = ["check_result", "lacking_columns", "receive"]

_CHUNK = 1 << 20


def receive(session: requests.Session, url: str, file: Path, meter: Meter) -> tuple[VotableSummary, str]:
    """Stream a result into the part of `file`, again from its beginning if it breaks off.

    Parameters
    ----------
    session : requests.Session
    url : str
        Of the result.
    file : Path
        Where it will lie.
    meter : Meter

    Returns
    -------
    summary : VotableSummary
    checksum : str
        Of the file.

    Raises
    ------
    JobGoneError
        The service has no such result any more.
    JobFailedError
        The document is damaged each time.
    FetchError
        The connection breaks off each time.
    """
    patience: Patience = getattr(session, "patience", Patience())
    failures = 0
    while True:
        hasher = hashlib.sha256()
        try:
            with part_of(file).open("wb") as stream:
                for chunk in _chunks(session, url, meter):
                    stream.write(chunk)
                    hasher.update(chunk)
            return summarise_votable(part_of(file)), f"sha256:{hasher.hexdigest()}"
        except (requests.RequestException, urllib3.exceptions.HTTPError, FormatError) as error:
            part_of(file).unlink()
            failures += 1
            if failures > patience.retries:
                is_damaged = isinstance(error, FormatError)
                raise (JobFailedError if is_damaged else FetchError)(
                    f"{url}: the result broke off {failures} times ({error}).", GO_ON
                ) from error
        meter.wait(patience.pause(failures))


def _chunks(session: requests.Session, url: str, meter: Meter) -> Iterator[bytes]:
    with ask(session, url, stream=True, allow=(404, 410)) as response:
        if response.status_code >= 400:
            raise JobGoneError(f"{url}: the service has no such result ({response.status_code}).", GO_ON)
        for chunk in response.iter_content(_CHUNK):
            meter.came(len(chunk))
            yield chunk


def check_result(what: str, route: TapRoute, summary: VotableSummary, n_rows: int) -> None:
    """Refuse a result that is not what was asked for.

    Parameters
    ----------
    what : str
        Names the job and the part, for messages.
    route : TapRoute
    summary : VotableSummary
    n_rows : int
        Rows that it must have.

    Raises
    ------
    FormatError
        It lacks a column.
    JobFailedError
        It is an error, overflowed, or has other rows than were counted.
    """
    if summary.status == "ERROR":
        raise JobFailedError(f"{what} is an error: {summary.message or 'no reason given'}.", GO_ON)
    if lacking := lacking_columns(route, summary):
        raise FormatError(
            f"{what} lacks {', '.join(lacking)} of {route.table}; "
            f"it has {', '.join(summary.names[:20])}{' ...' if len(summary.names) > 20 else ''}.",
            "Has the archive renamed them? Correct `columns` of the source in the release file.",
        )
    if summary.n_rows == n_rows:
        # Though some services say OVERFLOW whenever they were given a MAXREC.
        return
    if summary.status == "OVERFLOW":
        raise JobFailedError(
            f"{what} is an OVERFLOW: the service cut it at {summary.n_rows:,} rows of {n_rows:,}.",
            "It gives fewer rows a query than expected: raise `level` of the source in the release file, "
            "or fetch less at once with --healpix.",
        )
    raise JobFailedError(
        f"{what} has {summary.n_rows:,} rows, COUNT(*) says {n_rows:,}.",
        f"The service cut it, or the table is just changing. {GO_ON}",
    )


def lacking_columns(route: TapRoute, summary: VotableSummary) -> list[str]:
    """Return the columns that were asked for and did not come; archives change upper and lower case."""
    there = {name.lower() for name in summary.names}
    return [name for name in route.columns if name != "*" and name.lower() not in there]

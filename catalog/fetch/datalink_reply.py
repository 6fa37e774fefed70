"""One call of the archive's data server: asked, received whole, verified.

Parameters as the archive's own client sends them: ID, RELEASE, RETRIEVAL_TYPE, DATA_STRUCTURE, FORMAT, VALID_DATA,
USE_ZIP_ALWAYS. The format is pinned: the archive's default has changed before.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import requests
import urllib3

from catalog.errors import FormatError
from catalog.fetch.datalink_ids import check_archive, delivered_ids
from catalog.fetch.errors import FetchError
from catalog.fetch.meter import Meter
from catalog.fetch.session import GO_ON, Patience, ask
from catalog.fetch.tap_messages import refusal, refused, service_words
from catalog.fetch.transfer import part_of
from catalog.releases.model import DatalinkRoute

__all__ = ["parameters", "receive"]

_PIECE = 1 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_LONGEST_MESSAGE = 1 << 16
_NO_CONTENT = 204


def parameters(route: DatalinkRoute, ids: np.ndarray) -> dict[str, str]:
    """Return the parameters of a call.

    Parameters
    ----------
    route : DatalinkRoute
    ids : ndarray of int64
    """
    return {
        "ID": ",".join(map(str, ids.tolist())),
        "RELEASE": route.release,
        "RETRIEVAL_TYPE": route.retrieval_type,
        "DATA_STRUCTURE": route.data_structure,
        "FORMAT": route.format,
        # Also data that the archive holds invalid: what to use is decided here, by the sample's cuts.
        "VALID_DATA": "false",
        "USE_ZIP_ALWAYS": "true",
    }


def receive(
    session: requests.Session,
    route: DatalinkRoute,
    ids: np.ndarray,
    file: Path,
    meter: Meter,
    timeout: tuple[float, float],
) -> tuple[np.ndarray, str]:
    """Ask for products and receive the archive that holds them into `file`'s part.

    Parameters
    ----------
    session : requests.Session
    route : DatalinkRoute
    ids : ndarray of int64
    file : Path
        Where the archive will lie.
    meter : Meter
    timeout : (float, float)
        Seconds to wait for a connection, and for the next bytes: the archive works for minutes before the first one.

    Returns
    -------
    ids : ndarray of int64
        Identifiers whose products came; none, and no part, when there is no product at all.
    checksum : str

    Raises
    ------
    FetchError
        The archive refuses, in its words; the answer breaks off again and again; or it holds other stars.
    """
    patience: Patience = getattr(session, "patience", Patience())
    failures = 0
    while True:
        try:
            return _attempt(session, route, ids, file, meter, timeout)
        except (requests.RequestException, urllib3.exceptions.HTTPError, FormatError) as error:
            part_of(file).unlink(missing_ok=True)
            failures += 1
            if failures > patience.retries:
                raise FetchError(
                    f"{route.url}: the answer for {len(ids):,} identifiers was damaged or broke off "
                    f"{failures} times ({error}).",
                    GO_ON,
                ) from error
        meter.wait(patience.pause(failures))


def _attempt(
    session: requests.Session,
    route: DatalinkRoute,
    ids: np.ndarray,
    file: Path,
    meter: Meter,
    timeout: tuple[float, float],
) -> tuple[np.ndarray, str]:
    none = np.empty(0, dtype=np.int64)
    data = parameters(route, ids)
    every_status = range(400, 600)
    with ask(
        session, route.url, method="POST", data=data, stream=True, timeout=timeout, allow=every_status
    ) as response:
        if response.status_code >= 400:
            raise refusal(route.url, response)
        if response.status_code == _NO_CONTENT:
            return none, ""
        checksum = _store(response, file, meter)
        if checksum is None:
            # Content that is no archive: an error page or an error document, whatever its status says.
            words = service_words(part_of(file).read_bytes()[:_LONGEST_MESSAGE]) or "something else"
            part_of(file).unlink()
            raise refused(route.url, response, words)
    if check_archive(part_of(file)) == 0:
        part_of(file).unlink()
        return none, ""
    received = delivered_ids(part_of(file), route.data_structure)
    strange = np.setdiff1d(received, ids)
    if len(strange):
        part_of(file).unlink()
        raise FetchError(
            f"{route.url}: the answer holds {len(strange):,} stars that were not asked for, {strange[0]} for one.",
            f"Nothing of it was kept: is {route.release} the release that these identifiers belong to?",
        )
    return received, checksum


def _store(response: requests.Response, file: Path, meter: Meter) -> str | None:
    """Write the body into the part; return its checksum, or None if it is no archive."""
    hasher, n_bytes = hashlib.sha256(), 0
    with part_of(file).open("w+b") as stream:
        for piece in response.iter_content(_PIECE):
            stream.write(piece)
            hasher.update(piece)
            n_bytes += len(piece)
            meter.came(len(piece))
            if n_bytes >= _LONGEST_MESSAGE and not _is_archive(stream):
                # A message is shorter: the rest, however long, is not wanted.
                return None
        return f"sha256:{hasher.hexdigest()}" if _is_archive(stream) else None


def _is_archive(stream: BinaryIO) -> bool:
    end = stream.tell()
    stream.seek(0)
    start = stream.read(4)
    stream.seek(end)
    return start in _ZIP

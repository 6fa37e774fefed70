"""Route ``file``: one whole file.

Such archives publish no checksum: the file's size is compared with what the archive says, its end with what its format
demands, and its SHA-256 is remembered.
"""

import dataclasses
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from catalog.errors import ConfigurationError, FormatError
from catalog.fetch.checksums import check_name
from catalog.fetch.crew import in_parallel
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import COMPLETE, Journal, Part
from catalog.fetch.meter import Meter
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import Selection
from catalog.fetch.session import ArchiveSession
from catalog.fetch.space import check_space, versions_of
from catalog.fetch.transfer import Download, digest_of, discard, part_of, put_in_place
from catalog.fetch.whole import check_whole
from catalog.progress import Progress, silent
from catalog.releases.model import FileRoute, Source

__all__ = ["fetch_file", "file_name"]


def file_name(url: str) -> str:
    """Return the name under which the file of an address is kept.

    Raises
    ------
    FetchError
        The address ends in no name that may be written into a folder.
    """
    return check_name(urlsplit(url).path.rsplit("/", 1)[-1], url)


def fetch_file(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    progress: Progress = silent,
    *,
    replace: bool = False,
) -> FetchResult:
    """Download one file.

    Parameters
    ----------
    name : str
        Name of the source.
    source : Source
        With absolute addresses.
    folder : Path
        Folder of the product, locked by the caller.
    selection : Selection
        Everything: a file comes whole.
    session : ArchiveSession
    progress : Progress
        Told bytes of all bytes.
    replace : bool
        Let the archive's file take the place of one with the same name and other content.

    Returns
    -------
    FetchResult

    Raises
    ------
    ConfigurationError
        A part of the file was asked for.
    FetchError
        The archive does not give it, what came is not whole, or another file of that name is there.
    """
    if not selection.is_whole:
        raise ConfigurationError(
            f"{name} is one file and comes whole; {selection} was asked for.", "Leave the selection out."
        )
    route = source.file
    assert route is not None
    journal, target = Journal(folder), folder / file_name(route.url)
    result = FetchResult(files=[target])
    parts, trouble = versions_of({target.name: route.url})
    archive = parts.get(target.name, Part(url=route.url))
    if target.exists():
        if trouble:
            result.notes.append(f"Whether the archive has changed the file is not known: {trouble}")
        verdict, why = _judge(target, archive, journal, route, result)
        if verdict == "keep":
            result.n_skipped = 1
            return result
        if verdict == "changed" and not replace:
            raise FetchError(f"{target}: {why}.", "With --replace the archive's file takes its place.")
        result.notes.append(f"{target.name} is downloaded again: {why}.")
    begun = part_of(target).stat().st_size if part_of(target).exists() else 0
    size = archive.bytes or route.bytes or 0
    check_space(folder, size - begun)
    meter = Meter(done=begun, sizes={target.name: size})

    def tick() -> None:
        progress(meter.done, meter.total, target.name)

    def bring(_: Path) -> None:
        _bring(target, route, session, journal, meter)

    for _, outcome in in_parallel([target], bring, 1, meter, tick):
        if outcome is not None:
            raise outcome
    result.n_bytes = meter.received
    return result


def _judge(
    target: Path, archive: Part, journal: Journal, route: FileRoute, result: FetchResult
) -> tuple[Literal["keep", "changed", "damaged"], str]:
    """Say what becomes of a file that is there, and why."""
    known, algorithm = journal[target.name], "md5" if route.md5 else "sha256"
    if known.status != COMPLETE:
        return _judge_foreign(target, archive, journal, route, result)
    if not journal.untouched(target.name):
        if digest_of(target, known.checksum.split(":")[0] or algorithm) != known.checksum.split(":")[-1]:
            return "damaged", "it is not as it was when it was downloaded"
        journal.record_file(target.name, known)
    pairs = [(known.bytes, archive.bytes), (known.checksum, route.md5 and f"md5:{route.md5}")]
    if known.url == archive.url:
        pairs += [(known.etag, archive.etag), (known.last_modified, archive.last_modified)]
    if any(old and new and old != new for old, new in pairs):
        return "changed", "the archive has changed the file since it was downloaded"
    return "keep", ""


def _judge_foreign(
    target: Path, archive: Part, journal: Journal, route: FileRoute, result: FetchResult
) -> tuple[Literal["keep", "changed"], str]:
    """Judge a file that something else brought here."""
    size = target.stat().st_size
    if archive.bytes is not None and size != archive.bytes:
        return "changed", f"it has {size:,} bytes, the archive's file {archive.bytes:,}"
    algorithm = "md5" if route.md5 else "sha256"
    digest = digest_of(target, algorithm)
    if route.md5 and digest != route.md5:
        return "changed", f"it has MD5 {digest}, and should have {route.md5}"
    try:
        check_whole(target, target.name)
    except FormatError as error:
        return "changed", error.message.rstrip(".")
    journal.record_file(target.name, dataclasses.replace(archive, checksum=f"{algorithm}:{digest}"))
    result.notes.append(f"{target.name} was there before; it is whole and its size is right, and so it was kept.")
    return "keep", ""


def _bring(target: Path, route: FileRoute, session: ArchiveSession, journal: Journal, meter: Meter) -> None:
    """Download the file, twice if what came is not right, and put it in its place."""
    algorithm, wrong = "md5" if route.md5 else "sha256", ""
    for _ in range(2):
        digest = Download(session, route.url, target, journal, meter, algorithm, has_checksum=bool(route.md5)).run()
        wrong = f"MD5 {digest} in place of {route.md5}" if route.md5 and digest != route.md5 else ""
        try:
            check_whole(part_of(target), target.name)
        except FormatError as error:
            wrong = wrong or error.message.rstrip(".")
        if not wrong:
            put_in_place(target, journal, f"{algorithm}:{digest}")
            return
        discard(target, meter)
    raise FetchError(
        f"{route.url}: {wrong}; it was downloaded twice and thrown away.",
        "Is this the right address? Another one can be given with --endpoint NAME=URL.",
    )

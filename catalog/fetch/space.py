"""How large a download will be, and whether the disk has room for it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from catalog.fetch.crew import in_parallel
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import Part
from catalog.fetch.meter import Meter, size_words
from catalog.fetch.session import ask, open_session

__all__ = ["check_space", "free_bytes", "sizes_of", "versions_of"]

_SAMPLE = 64
"""Most files whose size the archive is asked for; further ones are estimated from these."""
_UNWILLING = 3
"""Failures after which an archive is not asked for further sizes."""
_RESERVE = 100_000_000
"""Bytes that are left free: the journal, and whatever else lives on the disk."""


def versions_of(urls: Mapping[str, str], jobs: int = 1) -> tuple[dict[str, Part], str]:
    """Ask an archive, without much patience, what it has: the download itself waits for an archive that is busy.

    Parameters
    ----------
    urls : mapping
        Address of each file by its name.
    jobs : int
        Questions at once.

    Returns
    -------
    parts : dict
        Size and version by name, where the archive answered.
    trouble : str
        What went wrong otherwise.
    """

    def look(name: str) -> Part:
        with ask(session, urls[name], method="HEAD", headers={"Accept-Encoding": "identity"}) as response:
            length = response.headers.get("Content-Length", "")
            return Part(
                url=urls[name],
                bytes=int(length) if length.isdecimal() else None,
                etag=response.headers.get("ETag", ""),
                last_modified=response.headers.get("Last-Modified", ""),
            )

    parts: dict[str, Part] = {}
    troubles: list[str] = []
    with open_session(retries=1, timeout=(10.0, 30.0), backoff=0) as session:
        for name, outcome in in_parallel(urls, look, jobs, Meter()):
            if not isinstance(outcome, FetchError):
                parts[name] = outcome
                continue
            troubles.append(outcome.message)
            if len(troubles) == _UNWILLING:
                break
    return parts, troubles[0] if troubles else ""


def sizes_of(urls: Mapping[str, str], jobs: int) -> tuple[dict[str, int], bool]:
    """Ask an archive for the sizes of files.

    Parameters
    ----------
    urls : mapping
        Address of each file by its name.
    jobs : int
        Questions at once.

    Returns
    -------
    sizes : dict
        Bytes by name; empty when the archive does not tell.
    is_exact : bool
        False when some sizes are the mean of the others.
    """
    step = max(1, -(-len(urls) // _SAMPLE))
    asked = dict(list(urls.items())[::step])
    parts, _ = versions_of(asked, jobs)
    sizes = {name: part.bytes for name, part in parts.items() if part.bytes is not None}
    if len(sizes) == len(urls):
        return sizes, True
    if 2 * len(sizes) < len(asked):
        return {}, False
    mean = sum(sizes.values()) // len(sizes)
    return {name: sizes.get(name, mean) for name in urls}, False


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk of `folder`, which need not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_space(folder: Path, needed: int) -> None:
    """Refuse a download for which the disk has no room.

    Raises
    ------
    FetchError
        With what is needed and what is free.
    """
    free = free_bytes(folder)
    if needed + _RESERVE > free:
        raise FetchError(
            f"{folder}: {size_words(needed)} are still to come, and {size_words(free)} are free on its disk.",
            "Free some, choose another folder with --to, or fetch a part with --healpix, --source-ids or --limit.",
        )

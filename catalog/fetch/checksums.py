"""`_MD5SUM.txt`: what files a bulk folder holds, and their checksums."""

import re
from dataclasses import dataclass

from catalog.fetch.errors import FetchError
from catalog.fetch.selection import HealpixRange, n_pixels

__all__ = ["ArchiveFile", "archive_files", "check_name"]

_LINE = re.compile(r"([0-9a-fA-F]{32})\s+\*?(?:\./)?(\S.*)")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ArchiveFile:
    """A file of a bulk folder, as the archive lists it."""

    name: str
    md5: str
    source_ids: tuple[int, int]
    """Lowest and highest identifier that its pixels may hold, both included."""


def check_name(name: str, where: str) -> str:
    """Return `name` if it may be written into a folder.

    Raises
    ------
    FetchError
        It holds anything but letters, digits, ``.``, ``_`` and ``-``, or begins with a dot or dash.
    """
    if _NAME.fullmatch(name) is None:
        raise FetchError(
            f"{where}: {name!r} is not taken as a file name.",
            "Names hold letters, digits, '.', '_' and '-' only; is this the right archive?",
        )
    return name


def archive_files(text: str, prefix: str, level: int, url: str) -> tuple[list[ArchiveFile], list[str]]:
    """Read a list of checksums.

    Parameters
    ----------
    text : str
        Lines of an MD5 in hexadecimal, blanks, and a name.
    prefix : str
        Of the wanted files: ``<prefix>_<first pixel>-<last pixel>.csv.gz``.
    level : int
        HEALPix level of the pixels in their names.
    url : str
        Of the list, for messages.

    Returns
    -------
    files : list of ArchiveFile
        Sorted by name.
    others : list of str
        Names that follow another pattern.

    Raises
    ------
    FetchError
        A line is no such pair, a name could leave the folder or stands twice, or no file is left.
    """
    pattern = re.compile(rf"{re.escape(prefix)}_(\d+)-(\d+)\.csv\.gz")
    files: dict[str, ArchiveFile] = {}
    others = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{url}, line {number}"
        if (pair := _LINE.fullmatch(line.strip())) is None:
            raise FetchError(
                f"{where}: {line.strip()[:80]!r} is not a checksum and a name.", "Is this the right address?"
            )
        md5, name = pair[1].lower(), check_name(pair[2].strip(), where)
        match = pattern.fullmatch(name)
        if match is None or not int(match[1]) <= int(match[2]) < n_pixels(level):
            others.append(name)
            continue
        if name in files and files[name].md5 != md5:
            raise FetchError(f"{where}: {name} stands there twice, with different checksums.", "Try again later.")
        files[name] = ArchiveFile(name, md5, HealpixRange(level, int(match[1]), int(match[2])).source_ids)
    if not files:
        raise FetchError(f"{url} lists no file {prefix}_<first>-<last>.csv.gz.", "Is this the right address?")
    return [files[name] for name in sorted(files)], others

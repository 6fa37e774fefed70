"""One file over the network into its ``.part``: taken up where it broke off, never spliced from two versions.

The rest of a file is asked for with ``Range`` and, where the archive names its versions, ``If-Range``: if the file
has changed, or the archive knows no ranges, the whole file comes and the part is thrown away (RFC 9110, Sect. 13.1.5
and 14). The checksum is computed while the bytes come.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import requests
import urllib3

from catalog.fetch.errors import FetchError
from catalog.fetch.journal import Journal, Part, sync_folder
from catalog.fetch.meter import Meter
from catalog.fetch.session import GO_ON, ArchiveSession, Patience, ask, words_of

__all__ = ["Download", "digest_of", "discard", "part_of", "put_in_place"]

_CHUNK = 1 << 18
_GAIN = 1 << 20
"""Bytes that make an attempt count as progress: a connection that keeps breaking off still brings a large file."""


def part_of(file: Path) -> Path:
    """Return where `file` grows until it is whole."""
    return file.with_name(f"{file.name}.part")


def digest_of(file: Path, algorithm: str) -> str:
    """Return the checksum of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: _hasher(algorithm)).hexdigest()


def discard(file: Path, meter: Meter) -> None:
    """Throw the part of `file` away."""
    part = part_of(file)
    meter.lost(_size(part))
    part.unlink(missing_ok=True)


@dataclass
class Download:
    """The download of one file into ``<file>.part``.

    Parameters
    ----------
    session : ArchiveSession
    url : str
    file : Path
        Where it will lie; `part_of` it is written.
    journal : Journal
        Of the file's folder: remembers which version the part belongs to.
    meter : Meter
    algorithm : str
        Of the checksum: ``md5`` or ``sha256``.
    has_checksum : bool
        Whether the checksum will be compared. Only then may a part be taken up whose version the archive does not name.
    """

    session: ArchiveSession
    url: str
    file: Path
    journal: Journal
    meter: Meter
    algorithm: str
    has_checksum: bool

    def __post_init__(self) -> None:
        self._part = part_of(self.file)
        self._hasher, self._hashed = _hasher(self.algorithm), 0
        self._received, self._attempts = 0, 0

    def run(self) -> str:
        """Bring the file and return its checksum, in hexadecimal.

        Raises
        ------
        FetchError
            The archive refuses, or the connection breaks off again and again without bringing more.
        StoppedError
            The meter was stopped.
        """
        patience: Patience = self.session.patience
        failures = 0
        while True:
            before = self._received
            self._attempts += 1
            try:
                return self._attempt()
            except urllib3.exceptions.HTTPError as error:
                failures = 1 if self._received - before >= _GAIN else failures + 1
                if failures > patience.retries:
                    raise FetchError(
                        f"{self.url}: the connection broke off after {_size(self._part):,} of "
                        f"{self._total()} bytes, {self._attempts} attempts ({words_of(error)}).",
                        GO_ON,
                    ) from error
            self.meter.wait(patience.pause(failures))

    def _attempt(self) -> str:
        known, offset = self.journal[self.file.name], _size(self._part)
        if known.url != self.url:
            known = Part()  # versions are told apart within one archive only
        condition = _condition(known)
        if offset and not condition and not self.has_checksum:
            discard(self.file, self.meter)
            offset = 0
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if condition:
                headers["If-Range"] = condition
        with ask(self.session, self.url, headers=headers, stream=True, allow=(416,)) as response:
            fresh = Part(
                url=self.url,
                etag=response.headers.get("ETag", ""),
                last_modified=response.headers.get("Last-Modified", ""),
            )
            same = offset > 0 and not _differs(known, fresh)
            if response.status_code == 416 and same and _range_of(response) == (None, offset):
                # The part is the whole file: the run before ended just before its renaming.
                return self._checksum(offset)
            if response.status_code == 206 and same:
                start, total = _range_of(response)
                if start == offset:
                    return self._take(response, offset, total)
            if response.status_code in (206, 416):
                discard(self.file, self.meter)
                raise urllib3.exceptions.ProtocolError("the archive sent another part than it was asked for")
            if response.status_code != 200:
                raise FetchError(f"{self.url}: the archive answered {response.status_code} and sent no file.", GO_ON)
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity" and self.file.suffix != ".gz":
                raise FetchError(f"{self.url}: the archive sent it as {encoding}, which it was not asked for.", GO_ON)
            if offset:
                discard(self.file, self.meter)
            self.journal.record(self.file.name, fresh)
            length = response.headers.get("Content-Length", "")
            return self._take(response, 0, int(length) if length.isdecimal() else None)

    def _take(self, response: requests.Response, offset: int, total: int | None) -> str:
        if total is not None:
            self.meter.expect(self.file.name, total)
        # Read before the file is opened for writing: what is hashed is what lies on the disk.
        self._catch_up(offset)
        with self._part.open("ab") as stream:
            size = self._copy(response, stream, offset)
        if total is not None and size != total:
            raise urllib3.exceptions.ProtocolError(f"{size} of {total} bytes came")
        return self._hasher.hexdigest()

    def _copy(self, response: requests.Response, stream: BinaryIO, size: int) -> int:
        # As it comes: what an archive sent before it fell silent is kept.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            stream.write(chunk)
            self._hasher.update(chunk)
            size += len(chunk)
            self._hashed = size
            self._received += len(chunk)
            self.meter.came(len(chunk))
        return size

    def _checksum(self, size: int) -> str:
        self.meter.expect(self.file.name, size)
        self._catch_up(size)
        return self._hasher.hexdigest()

    def _catch_up(self, offset: int) -> None:
        """Bring the checksum to `offset`, from the disk if need be."""
        if self._hashed == offset:
            return
        self._hasher = _hasher(self.algorithm)
        if offset:
            with self._part.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    self._hasher.update(chunk)
        self._hashed = offset

    def _total(self) -> str:
        size = self.meter.sizes.get(self.file.name)
        return "?" if size is None else f"{size:,}"


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _hasher(algorithm: str) -> Any:
    return hashlib.new(algorithm, usedforsecurity=False)


def _condition(part: Part) -> str:
    """Return what names the version of `part` for If-Range; weak names may not be used there."""
    return part.etag if part.etag and not part.etag.startswith("W/") else part.last_modified


def _differs(old: Part, new: Part) -> bool:
    return any(a and b and a != b for a, b in ((old.etag, new.etag), (old.last_modified, new.last_modified)))


def _range_of(response: requests.Response) -> tuple[int | None, int | None]:
    """Return first byte and full size of Content-Range, None where it does not say."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    return (None if match[1] is None else int(match[1])), (None if match[2] is None else int(match[2]))


def put_in_place(file: Path, journal: Journal, checksum: str) -> None:
    """Give a verified part its name, for good: on the disk, in the journal, in the folder.

    The journal knows the file first: killed in between, the next run finds a part that is whole.
    """
    part = part_of(file)
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    journal.record_file(file.name, replace(journal[file.name], checksum=checksum), part)
    part.replace(file)
    sync_folder(file.parent)

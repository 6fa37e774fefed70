"""What a folder of downloads knows of itself: `_fetch.json`, one entry a file or part.

The journal says which files are whole and verified, so that the same command skips them, and how far a remote job
is, so that it can be taken up again. It is written atomically; a journal that was lost or damaged
costs time (files are verified again), never correctness.
"""

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

__all__ = ["COMPLETE", "FILE_NAME", "Journal", "Part", "sync_folder"]

FILE_NAME = "_fetch.json"
"""Files whose names begin with ``_`` are not ingested."""

COMPLETE = "complete"
"""Status of a part whose file is whole and verified."""

_VERSION = 1
_SMALL = 512
"""Parts up to which the journal is written after each change: it takes a millisecond."""
_SECONDS = 1.0
"""Time between writings of a larger one. What is lost with a killed process is verified again."""


@dataclass(frozen=True)
class Part:
    """One file, or one part of a table that becomes a file."""

    status: str = "started"
    """``started``, ``complete`` or ``failed``."""
    url: str = ""
    """Where it comes from."""
    checksum: str = ""
    """Of the file: ``md5:...`` or ``sha256:...``."""
    bytes: int | None = None
    """Size of the file."""
    mtime_ns: int | None = None
    """Modification time of the file when it was verified: an untouched file is not read again."""
    rows: int | None = None
    """Rows of the file, where the route counts them."""
    etag: str = ""
    """The archive's name of this version of the file, for going on with a part of it."""
    last_modified: str = ""
    """The archive's time of this version, where there is no ``etag``."""
    job: str = ""
    """Address of a remote job."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else a route wants to remember; plain JSON."""


class Journal:
    """The journal of one folder; threads may share it, processes may not (`catalog.fetch.lock`).

    Whoever records many parts uses it in a ``with``, or calls `flush` at the end.

    Parameters
    ----------
    folder : Path
        Folder of the files; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._lines: dict[str, str] = {}
        self._written = 0.0
        self._is_dirty = False
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def __getitem__(self, name: str) -> Part:
        """Return what is known of `name`; an empty part if nothing is."""
        with self._lock:
            return self._parts.get(name, Part())

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._parts

    def names(self) -> list[str]:
        """Return the names of all parts, sorted."""
        with self._lock:
            return sorted(self._parts)

    def record(self, name: str, part: Part) -> None:
        """Remember `part` under `name`, on the disk before this returns; a large journal within a second."""
        with self._lock:
            if self._parts.get(name) != part:
                self._parts[name] = part
                self._lines[name] = json.dumps(asdict(part))
                self._is_dirty = True
                if len(self._lines) <= _SMALL or time.monotonic() - self._written > _SECONDS:
                    self._write()

    def flush(self) -> None:
        """Write what is not on the disk yet."""
        with self._lock:
            if self._is_dirty:
                self._write()

    def record_file(self, name: str, part: Part, file: Path | None = None) -> None:
        """Remember the verified file `name` of the folder, with its size and modification time.

        Parameters
        ----------
        name : str
            Name of the file in the folder.
        part : Part
            What is known; status, size and time are filled in.
        file : Path, optional
            Where the file lies now, if not yet in its place. Renaming keeps size and time, so a file that is recorded
            before it is renamed leaves no moment at which it is there and unknown.
        """
        status = (file or self.folder / name).stat()
        self.record(name, replace(part, status=COMPLETE, bytes=status.st_size, mtime_ns=status.st_mtime_ns))

    def forget(self, name: str) -> None:
        """Drop what is known of `name`."""
        with self._lock:
            if self._parts.pop(name, None) is not None:
                del self._lines[name]
                self._write()

    def untouched(self, name: str) -> Part | None:
        """Return the part `name` if its file is there as it was when it was verified; None otherwise."""
        part = self[name]
        try:
            status = (self.folder / name).stat()
        except FileNotFoundError:
            return None
        same = (status.st_size, status.st_mtime_ns) == (part.bytes, part.mtime_ns)
        return part if part.status == COMPLETE and same else None

    def _read(self) -> None:
        known = {each.name for each in fields(Part)}
        try:
            content = json.loads(self.path.read_text())
            parts = content["parts"] if content["version"] == _VERSION else {}
            self._parts = {
                name: Part(**{key: value for key, value in part.items() if key in known})
                for name, part in parts.items()
            }
            self._lines = {name: json.dumps(asdict(part)) for name, part in self._parts.items()}
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            # Damaged: kept for whoever wants to look, and every file is verified anew.
            self.path.replace(self.path.with_suffix(".damaged.json"))

    def _write(self) -> None:
        # One line a part: readable, and of thousands of parts only the changed one is encoded again.
        lines = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in sorted(self._lines.items()))
        fresh = self.path.with_suffix(".json.part")
        with fresh.open("w") as stream:
            stream.write(f'{{"version": {_VERSION}, "parts": {{\n{lines}\n}}}}\n')
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.path)
        self._written, self._is_dirty = time.monotonic(), False


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last through a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

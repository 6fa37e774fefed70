"""Files that are whole or absent: written beside their place, then renamed; and how old files are."""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["age_days", "sha256_file", "write_whole"]


def age_days(path: Path) -> float:
    """Return the days since a file, or the newest file below a folder, was changed."""
    try:
        newest = max(each.lstat().st_mtime for each in (path, *path.rglob("*")))
    except FileNotFoundError:
        return 0.0  # somebody is at work in it
    return (time.time() - newest) / 86_400


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then rename it: a killed process leaves no half of it.

    Parameters
    ----------
    path : pathlib.Path
    write : callable
        Takes the temporary path; its suffix is that of `path`.
    """
    # Processes of two machines may have the same number.
    temporary = path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

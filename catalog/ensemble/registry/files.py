"""Files that are whole or absent: written beside their place, then renamed."""

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["sha256_file", "write_whole"]


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

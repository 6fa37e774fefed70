"""Room on the disk: asked for before a training, and named where it runs out."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import RvscatError

__all__ = ["require_space", "told_of_full_disk"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDY = "Make room there, or let RVSCAT_HOME name a folder on another disk."


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what a disk has no room for.

    Parameters
    ----------
    folder : pathlib.Path
        Existing folder on that disk.
    needed : int
        Bytes.
    what : str
        What will be written, for the message.

    Raises
    ------
    RvscatError
        The disk has less room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RvscatError(
            f"{what} needs about {needed / 1e6:.0f} MB in {folder}; {free / 1e6:.0f} MB are free.", _REMEDY
        )


@contextmanager
def told_of_full_disk(folder: Path, what: str) -> Iterator[None]:
    """Turn what the system says of a full disk into words.

    Parameters
    ----------
    folder : pathlib.Path
        Where is written.
    what : str
        What is written, for the message.

    Raises
    ------
    RvscatError
        The disk is full, a quota is used up or a file would be too large.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = shutil.disk_usage(folder).free
        raise RvscatError(
            f"{what[0].upper()}{what[1:]} could not be saved in {folder}: {os.strerror(error.errno)} "
            f"({free / 1e6:.0f} MB are free).",
            f"{_REMEDY} What was saved before is whole: the same command goes on from there.",
        ) from error

"""One download at a time in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.fetch.errors import FetchError

__all__ = ["locked"]

_NAME = "_fetch.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other downloads out of `folder`; the kernel frees it when this process ends, however it ends.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    FetchError
        Another process downloads into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _NAME).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            process = stream.read().strip() or "unknown"
            raise FetchError(
                f"Another download (process {process}) is at work in {folder}.",
                "Wait until it is done, or stop it; the same command then goes on from there.",
            ) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        # Closing frees it. The file stays: removing it would let a third process lock another file of that name.
        yield

"""One process at a time: locks that the kernel drops when their holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import DatabaseError

__all__ = ["file_lock", "take"]

_POLL_SECONDS = 0.05


def take(path: Path, timeout_s: float) -> int | None:
    """Open `path` and lock it.

    The lock belongs to the open file: processes that inherit the descriptor hold it too, until the last one ends.

    Parameters
    ----------
    path : Path
        Created when missing, readable by its owner alone.
    timeout_s : float
        How long to wait for another holder, in seconds.

    Returns
    -------
    int or None
        Descriptor, to be closed by the caller; None when somebody else still holds the lock.

    Raises
    ------
    DatabaseError
        The file cannot be opened, or its file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    end = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
                continue
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise _unusable(path, error) from error
        return descriptor


def _unusable(path: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"Cannot lock {path}: {error.strerror or error}.",
        "Run rvscat as the user who made that folder, or give RVSCAT_HOME a folder of your own on a local disk.",
    )


@contextmanager
def file_lock(path: Path, timeout_s: float = 900.0) -> Iterator[int]:
    """Hold the lock on `path`; wait for others to finish first.

    Parameters
    ----------
    path : Path
    timeout_s : float
        Longer than a crash recovery takes.

    Yields
    ------
    int
        The locked descriptor. A child process that inherits it keeps the lock if this process is killed.

    Raises
    ------
    DatabaseError
        Another process kept the lock all that time.
    """
    descriptor = take(path, timeout_s)
    if descriptor is None:
        raise DatabaseError(
            f"Another process has held {path} for more than {timeout_s:.0f} s.",
            "Another rvscat may hang while it starts or stops the server: end it and try again.",
        )
    try:
        yield descriptor
    finally:
        # Unlocked by name: a process forked meanwhile shares the descriptor and closing it would not be enough.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

"""What is nobody's mistake: a server that goes away, a disk or a memory that is full; in words, with the way on."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from catalog.errors import DatabaseError, RvscatError

__all__ = ["explained", "told_of_trouble"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# numpy writes arrays by C's functions and keeps their reason to itself.
_NUMPY_FULL = re.compile(r"\d+ requested and \d+ written")
_GOES_ON = "What was finished before is kept: the same command goes on from there."
# Connection exceptions, and what the server says when an operator, a crash or a start is in the way.
_LOST = ("08", "57P01", "57P02", "57P03", "57P05")


def explained(error: BaseException) -> RvscatError | None:
    """Return what a person should be told instead of `error`.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    RvscatError or None
        None for an error that is none of these: a defect, or one that is in words already.
    """
    if isinstance(error, psycopg.errors.DiskFull):
        return DatabaseError(
            f"The disk of the database server is full: {error.diag.message_primary}.",
            f"Make room there (see `rvscat db url` for which server it is). {_GOES_ON}",
        )
    if isinstance(error, psycopg.errors.OutOfMemory):
        return DatabaseError(
            f"The database server has too little memory: {error.diag.message_primary}.",
            f"End other programs on its machine, or lower its memory settings. {_GOES_ON}",
        )
    if isinstance(error, psycopg.errors.TooManyConnections):
        return DatabaseError(
            f"The database server takes no more connections: {error.diag.message_primary}.",
            f"End other clients, or raise its max_connections. {_GOES_ON}",
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and _is_lost(error):
        return DatabaseError(
            f"The connection to the database server was lost: {_first_line(error)}.",
            f"The server was stopped or restarted, has crashed, or cannot be reached: see `rvscat db status` and its "
            f"log. {_GOES_ON}",
        )
    if isinstance(error, OSError) and (error.errno in _FULL or _NUMPY_FULL.fullmatch(str(error))):
        what = os.strerror(error.errno or errno.ENOSPC)
        where = f" ({os.fspath(error.filename)!s})" if isinstance(error.filename, str | os.PathLike) else ""
        return RvscatError(
            f"A disk is full: {what}{where}.",
            "Make room (`rvscat doctor` shows how much there is), or let RVSCAT_HOME name a folder on another disk. "
            f"{_GOES_ON}",
        )
    if _is_lack_of_memory(error):
        said = f": {error}" if str(error) else ""
        return RvscatError(
            f"There is too little memory{said.rstrip('.')}.",
            f"End other programs, give rvscat more memory, or lower RVSCAT_WORKERS. {_GOES_ON}",
        )
    return None


@contextmanager
def told_of_trouble() -> Iterator[None]:
    """Turn such errors into words.

    Raises
    ------
    DatabaseError
        The database server is gone or its disk or memory is full. The transaction is lost; what was committed before
        is whole.
    RvscatError
        A disk or the memory of this machine is full.
    """
    try:
        yield
    except (psycopg.Error, OSError, MemoryError, ImportError) as error:
        told = explained(error)
        if told is None:
            raise
        raise told from error


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, ImportError):
        # The loader's words for a library that finds no room.
        return any(words in str(error) for words in ("failed to map segment", "cannot allocate memory"))
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _is_lost(error: psycopg.Error) -> bool:
    # Without a code, it is libpq that speaks, not the server.
    return error.sqlstate is None or error.sqlstate.startswith(_LOST)


def _first_line(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error).strip() or "the connection is closed"
    return text.splitlines()[0].rstrip(".")

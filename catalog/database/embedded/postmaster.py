"""The running server: found by the file it keeps in its data folder, proven by the process itself."""

import os
import signal
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from catalog.database.embedded.account import Account
from catalog.database.embedded.place import Place, write_private
from catalog.errors import DatabaseError

__all__ = ["SOCKET", "Postmaster", "find_postmaster", "release_stale", "stop_postmaster", "wait_until_ready"]

_POLL_SECONDS = 0.05
_NO_SUCH_PROCESS = 2_147_483_647

SOCKET = ".s.PGSQL.{port}"
"""Name of a server's socket in its folder."""


@dataclass(frozen=True)
class Postmaster:
    """What ``postmaster.pid`` tells of a server.

    Parameters
    ----------
    pid : int
    port : int
        TCP port, or the number in the socket's name.
    socket_folder : Path or None
    address : str
        Address it listens on; empty when on the socket alone.
    status : str
        ``starting``, ``ready``, ``stopping``.
    """

    pid: int
    port: int
    socket_folder: Path | None
    address: str
    status: str

    @property
    def reachable(self) -> bool:
        """Whether it takes connections and its socket is where it said."""
        if self.status != "ready":
            return False
        return self.socket_folder is None or (self.socket_folder / SOCKET.format(port=self.port)).exists()


def _read(data: Path) -> Postmaster | None:
    # Lines: pid, data folder, start time, port, socket folder, address, shared memory, status (the last ones late).
    try:
        lines = [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
        lines += [""] * (8 - len(lines))
        return Postmaster(
            pid=int(lines[0]),
            port=int(lines[3] or 0),
            socket_folder=Path(lines[4]) if lines[4] else None,
            address=lines[5],
            status=lines[7] or "starting",
        )
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def find_postmaster(data: Path) -> Postmaster | None:
    """Find the living server of a data folder.

    Parameters
    ----------
    data : Path

    Returns
    -------
    Postmaster or None
        None also when the file is left from a crash, even if another process has its number by now.
    """
    found = _read(data)
    return found if found is not None and _serves(found.pid, data) else None


def _serves(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.Error, ValueError, OverflowError):
        return False
    return any(option == "-D" and _same_folder(value, data) for option, value in pairwise(command))


def _same_folder(name: str, data: Path) -> bool:
    try:
        return Path(name).samefile(data)
    except OSError:
        return Path(name) == data


def release_stale(place: Place, account: Account) -> None:
    """Clear what a dead server left, so that a new one can start; call it only under the lock and without a server.

    Parameters
    ----------
    place : Place
    account : Account
        Owner of the data.
    """
    file = place.data / "postmaster.pid"
    left = _read(place.data)
    if left is None:
        # Empty or unreadable: written while the disk was full.
        file.unlink(missing_ok=True)
    else:
        # PostgreSQL refuses to start when any process of its account has this number. The number goes, the rest
        # stays: it names the shared memory by which PostgreSQL recognises survivors of the dead server.
        rest = file.read_text().split("\n")[1:]
        write_private(file, "\n".join([str(_NO_SUCH_PROCESS), *rest]), account)
        if left.socket_folder is not None and left.socket_folder != place.run:
            _remove_socket_folder(left.socket_folder)
    for socket in place.run.glob(".s.PGSQL.*"):
        socket.unlink()


def _remove_socket_folder(folder: Path) -> None:
    """Remove a temporary socket folder, as far as it holds nothing but sockets."""
    if not folder.name.startswith("rvscat-") or not folder.is_dir() or folder.stat().st_mode & 0o077:
        return
    for socket in folder.glob(".s.PGSQL.*"):
        socket.unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        pass  # something else lies in it: not ours to remove


def wait_until_ready(data: Path, timeout_s: float = 600.0) -> Postmaster | None:
    """Wait for a server that is starting or recovering from a crash.

    Parameters
    ----------
    data : Path
    timeout_s : float
        Seconds.

    Returns
    -------
    Postmaster or None
        None when it ended, which is also what becomes of one that is stopping.

    Raises
    ------
    DatabaseError
        It neither became ready nor ended in time.
    """
    end = time.monotonic() + timeout_s
    while (found := find_postmaster(data)) is not None and found.status != "ready":
        if time.monotonic() > end:
            raise DatabaseError(
                f"The server of {data} (process {found.pid}) is still {found.status} after {timeout_s:.0f} s.",
                "It may be recovering from a crash: try again later, or see its log (`rvscat db status`).",
            )
        time.sleep(_POLL_SECONDS)
    return found


def stop_postmaster(postmaster: Postmaster, data: Path, timeout_s: float = 300.0) -> None:
    """Stop a server in PostgreSQL's fast mode: open transactions are rolled back, everything is written.

    Parameters
    ----------
    postmaster : Postmaster
    data : Path
    timeout_s : float
        Seconds to wait for its end.

    Raises
    ------
    DatabaseError
        It belongs to another user, or did not end in time.
    """
    try:
        os.kill(postmaster.pid, signal.SIGINT)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise DatabaseError(
            f"The server of {data} (process {postmaster.pid}) belongs to another user.", "Stop it as that user."
        ) from error
    end = time.monotonic() + timeout_s
    while find_postmaster(data) is not None:
        if time.monotonic() > end:
            raise DatabaseError(
                f"The server of {data} (process {postmaster.pid}) did not stop within {timeout_s:.0f} s.",
                "It may still be writing to a slow disk: see its log (`rvscat db status`) and try again.",
            )
        time.sleep(_POLL_SECONDS)
    if postmaster.socket_folder is not None:
        _remove_socket_folder(postmaster.socket_folder)

"""Where the server listens: a Unix socket in a private folder, or the loopback address when that cannot be."""

import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from catalog.database.embedded.account import Account
from catalog.database.embedded.place import Place
from catalog.database.embedded.postmaster import SOCKET, Postmaster

__all__ = ["Endpoint", "choose_endpoint", "server_url"]

_PORT = 5432
# Linux takes 107 bytes, other systems 103.
_LONGEST_SOCKET_PATH = 103
# A comma separates hosts in libpq and folders in the server's settings.
_UNSAFE = set(",")


@dataclass(frozen=True)
class Endpoint:
    """Either a socket folder or an address.

    Parameters
    ----------
    folder : Path or None
    address : str
        Empty with a socket.
    port : int
    """

    folder: Path | None
    address: str
    port: int


def choose_endpoint(place: Place, account: Account) -> Endpoint:
    """Choose where a server will listen.

    Parameters
    ----------
    place : Place
    account : Account

    Returns
    -------
    Endpoint
        The place's own socket folder; a short private one when that path is too long for a socket or its file
        system has none; the loopback address, with a free port, when no folder will do.
    """
    if _private(place.run, account) and _takes_sockets(place.run):
        return Endpoint(place.run, "", _PORT)
    for parent in dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"]):  # noqa: S108  mkdtemp makes it private
        try:
            folder = Path(tempfile.mkdtemp(prefix="rvscat-", dir=parent))
        except OSError:
            continue
        account.own(folder)
        if _takes_sockets(folder) and account.can_enter(folder):
            return Endpoint(folder, "", _PORT)
        folder.rmdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Endpoint(None, "127.0.0.1", free.getsockname()[1])


def _private(folder: Path, account: Account) -> bool:
    found = folder.stat()
    return found.st_uid == account.uid and not found.st_mode & 0o077


def _takes_sockets(folder: Path) -> bool:
    if len(os.fsencode(folder / SOCKET.format(port=_PORT))) > _LONGEST_SOCKET_PATH or _UNSAFE.intersection(str(folder)):
        return False
    name = folder / ".probe"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(name))
    except OSError:
        return False
    finally:
        name.unlink(missing_ok=True)
    return True


def server_url(postmaster: Postmaster, user: str, password: str, database: str) -> str:
    """Return the URL of a running server, as libpq, psycopg and SQLAlchemy take it.

    Parameters
    ----------
    postmaster : Postmaster
    user, password, database : str

    Returns
    -------
    str
        The port is always in it, since PGPORT would otherwise be taken from the environment.
    """
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    name = quote(database, safe="")
    if postmaster.socket_folder is None:
        return f"postgresql://{login}@{postmaster.address}:{postmaster.port}/{name}"
    return f"postgresql://{login}@/{name}?host={quote(str(postmaster.socket_folder), safe='')}&port={postmaster.port}"

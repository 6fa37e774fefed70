"""What there is to tell about the database server, without starting it."""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg

from catalog.database.embedded.cluster import data_version
from catalog.database.embedded.place import Place, left_behind, recorded_place
from catalog.database.embedded.server import find_server, running_url
from catalog.settings import Settings, mask_password

__all__ = ["ServerStatus", "server_status"]


@dataclass(frozen=True)
class ServerStatus:
    """State of the database server.

    Parameters
    ----------
    running : bool
        Whether it takes connections.
    embedded : bool
        False when RVSCAT_DATABASE_URL names another server; of that one, only the version, URL and size are known.
    pid : int or None
        Its process, also while it starts or stops.
    data : Path or None
        Data folder; None before the first start.
    log : Path or None
        Folder of its logs.
    account : str or None
        Owner of data and process.
    version : str or None
        Full version of a running server, else the major version of the data.
    url : str or None
        URL with the password masked.
    size_bytes : int or None
        What the data folder takes on disk; of another server, the size of the database. Bytes.
    free_bytes : int or None
        Room left on the disk of the data folder, bytes.
    problem : str or None
        Why another server cannot be reached.
    left_behind : tuple of Path
        Databases of an earlier data folder at the same path, which nothing uses any more.
    """

    running: bool
    embedded: bool = True
    pid: int | None = None
    data: Path | None = None
    log: Path | None = None
    account: str | None = None
    version: str | None = None
    url: str | None = None
    size_bytes: int | None = None
    free_bytes: int | None = None
    problem: str | None = None
    left_behind: tuple[Path, ...] = ()


def server_status(settings: Settings) -> ServerStatus:
    """Describe the server that these settings lead to; nothing is started or changed.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    ServerStatus

    Raises
    ------
    DatabaseError
        The embedded server's folder belongs to another user or is damaged.
    """
    if settings.database_url:
        return _external(settings.database_url)
    place = recorded_place(settings.home)
    old = tuple(left.base for left in left_behind(settings.home, place))
    if place is None:
        return ServerStatus(running=False, left_behind=old)
    postmaster = find_server(place, settings)
    url = running_url(settings)
    return ServerStatus(
        running=url is not None,
        pid=postmaster.pid if postmaster else None,
        data=place.data,
        log=place.log,
        account=_owner(place),
        version=(_version(url) if url else None) or str(data_version(place.data)),
        url=mask_password(url) if url else None,
        size_bytes=_size(place.data),
        free_bytes=shutil.disk_usage(place.data).free,
        left_behind=old,
    )


def _external(url: str) -> ServerStatus:
    masked = mask_password(url)
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            version = connection.info.parameter_status("server_version")
    except psycopg.Error as error:
        return ServerStatus(running=False, embedded=False, url=masked, problem=str(error).strip())
    return ServerStatus(running=True, embedded=False, url=masked, version=version, size_bytes=row[0] if row else None)


def _owner(place: Place) -> str:
    uid = place.data.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _version(url: str) -> str | None:
    try:
        with psycopg.connect(url, dbname="postgres", connect_timeout=10) as connection:
            return connection.info.parameter_status("server_version")
    except psycopg.OperationalError:
        # Too many clients, or it stops just now: the status says what is known.
        return None


def _size(data: Path) -> int:
    total = 0
    for folder, _, names in os.walk(data):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # the server removes files while we look
    return total

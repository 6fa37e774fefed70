"""The data folder: made by initdb in one step or not at all, configured anew at each start."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from catalog.database.embedded.account import Account
from catalog.database.embedded.binaries import Binaries
from catalog.database.embedded.endpoint import Endpoint
from catalog.database.embedded.failure import failure
from catalog.database.embedded.place import Place, write_private
from catalog.errors import DatabaseError

__all__ = ["SUPERUSER", "data_version", "initialise", "write_configuration"]

SUPERUSER = "rvscat"

_SETTINGS = """\
# Written by rvscat at each start: changes here are lost. Put your own after the include in postgresql.conf.
listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{folders}'
unix_socket_permissions = 0700
max_connections = 60
max_locks_per_transaction = 256

shared_buffers = 256MB
work_mem = 32MB
maintenance_work_mem = 256MB
dynamic_shared_memory_type = {shared_memory}

# Bulk loads: no standby reads this log, and checkpoints stay rare. Nothing that was committed is ever at risk.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 15min
fsync = on
full_page_writes = on
synchronous_commit = on

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
password_encryption = 'scram-sha-256'

logging_collector = on
log_directory = '{log}'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_file_mode = 0600
log_line_prefix = '%m [%p] %a '
"""

# Docker gives /dev/shm 64 MB, which parallel queries exceed ("could not resize shared memory segment").
_ENOUGH_SHARED_MEMORY = 256 * 2**20


def initialise(place: Place, account: Account, binaries: Binaries, lock: int) -> None:
    """Make the data folder of a new server, complete or not at all.

    Parameters
    ----------
    place : Place
    account : Account
    binaries : Binaries
    lock : int
        Descriptor of the held lock: ``initdb`` inherits it and so keeps others out even if we are killed.

    Raises
    ------
    DatabaseError
        ``initdb`` failed; nothing is left of the attempt.
    """
    for left_over in place.base.glob("new-*"):
        shutil.rmtree(left_over)
    work = Path(tempfile.mkdtemp(prefix="new-", dir=place.base))
    try:
        # initdb wants to make the data folder's content itself, and to read the password from a file of its account.
        account.own(work)
        password = secrets.token_urlsafe(24)
        password_file = work / "password"
        write_private(password_file, f"{password}\n", account)
        answer = account.run(
            [
                binaries.program("initdb"),
                f"--pgdata={work / 'data'}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--data-checksums",
                "--locale=C",
                *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []),
                "--no-instructions",
            ],
            pass_fds=[lock],
        )
        password_file.unlink()
        if answer.returncode != 0:
            raise failure(f"A new database could not be made in {place.data}", answer.stderr or answer.stdout)
        with (work / "data" / "postgresql.conf").open("a", encoding="utf-8") as stream:
            stream.write("\n# Added by rvscat. Settings after the next line win over its own.\ninclude 'rvscat.conf'\n")
        write_private(place.password, f"{password}\n")
        (work / "data").rename(place.data)
        _flush(place.base)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def data_version(data: Path) -> int:
    """Return the major version of PostgreSQL that made a data folder.

    Raises
    ------
    DatabaseError
        The folder is not PostgreSQL's.
    """
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError) as error:
        raise DatabaseError(
            f"{data} is not a PostgreSQL data folder: it has no readable PG_VERSION.",
            "Bring it back from a backup, or remove it to begin with an empty database.",
        ) from error


def write_configuration(place: Place, account: Account, endpoint: Endpoint) -> None:
    """Write the server's settings and who may connect: with the password, on this machine alone.

    Parameters
    ----------
    place : Place
    account : Account
    endpoint : Endpoint
        Where it will listen.
    """
    settings = _SETTINGS.format(
        address=endpoint.address,
        port=endpoint.port,
        folders=_quoted(endpoint.folder) if endpoint.folder else "",
        shared_memory="posix" if _shared_memory_usable(account) else "mmap",
        log=_quoted(place.log),
    )
    access = ["# Written by rvscat at each start: changes here are lost.", "local all all scram-sha-256"]
    if endpoint.address:
        access.append(f"host all all {endpoint.address}/32 scram-sha-256")
    write_private(place.data / "rvscat.conf", settings, account)
    write_private(place.data / "pg_hba.conf", "\n".join(access) + "\n", account)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _shared_memory_usable(account: Account) -> bool:
    folder = Path("/dev/shm")  # noqa: S108  POSIX shared memory lives there on Linux
    if os.uname().sysname != "Linux":
        return True
    try:
        size = os.statvfs(folder)
    except OSError:
        return False
    enough = size.f_frsize * size.f_bavail >= _ENOUGH_SHARED_MEMORY
    return enough and account.can_run(["/bin/sh", "-c", '[ -w "$1" ]', "sh", folder])

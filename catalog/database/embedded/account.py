"""The account that runs the server: the user, or an unprivileged account when the user is root."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import ConfigurationError, DatabaseError
from catalog.settings import Settings

__all__ = ["Account", "account_of_data", "server_account"]

_SWITCH_REMEDY = (
    "Run rvscat as an ordinary user, name another account with RVSCAT_DATABASE_ACCOUNT, "
    "or use another server with RVSCAT_DATABASE_URL."
)


@dataclass(frozen=True)
class Account:
    """Who runs the server's programs.

    Parameters
    ----------
    name : str
    uid, gid : int
    switch : bool
        Whether programs must be started under this account because we are root, whom PostgreSQL refuses.
    """

    name: str
    uid: int
    gid: int
    switch: bool

    def run(
        self, command: Sequence[str | Path], *, timeout_s: float | None = None, pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this account, in a plain environment, and return what it said.

        Parameters
        ----------
        command : sequence of str or Path
            Program and arguments; no secrets, since other users can read them.
        timeout_s : float, optional
            Seconds.
        pass_fds : sequence of int
            Descriptors that the program inherits.

        Returns
        -------
        subprocess.CompletedProcess
            With its exit status unchecked; text output.

        Raises
        ------
        DatabaseError
            The program or the account cannot be used.
        """
        try:
            return subprocess.run(
                [str(part) for part in command],
                check=False,
                cwd="/",  # the current folder may be closed to the account
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                pass_fds=tuple(pass_fds),
                umask=0o077,
                user=self.uid if self.switch else None,
                group=self.gid if self.switch else None,
                extra_groups=[] if self.switch else None,
            )
        except OSError as error:
            raise DatabaseError(
                f"Cannot run {command[0]} as account {self.name}: {error.strerror or error}.", _SWITCH_REMEDY
            ) from error

    def can_run(self, command: Sequence[str | Path]) -> bool:
        """Tell whether the program can be started and succeeds."""
        try:
            return self.run(command, timeout_s=60).returncode == 0
        except (DatabaseError, subprocess.TimeoutExpired):
            return False

    def can_read(self, path: Path) -> bool:
        """Tell whether this account can really read `path`, by trying it."""
        return self.can_run(["/bin/sh", "-c", '[ -r "$1" ]', "sh", path])

    def can_enter(self, folder: Path) -> bool:
        """Tell whether this account can really go into `folder`, by trying it."""
        return self.can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])

    def can_keep_data_in(self, folder: Path) -> bool:
        """Tell whether a folder given to this account inside `folder` can be written by it, by trying it."""
        try:
            probe = Path(tempfile.mkdtemp(prefix="probe-", dir=folder))
        except OSError:
            return False
        try:
            self.own(probe)
            return self.can_run(["/bin/sh", "-c", 'cd -- "$1" && : > file && rm file', "sh", probe])
        except OSError:
            # Some file systems refuse to change the owner.
            return False
        finally:
            probe.rmdir()

    def own(self, path: Path | int) -> None:
        """Give a file or folder that we have just made to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def _environment() -> dict[str, str]:
    # PG* variables of the user (PGDATA, PGPORT, PGOPTIONS) would reach into the server.
    kept = {key: os.environ[key] for key in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if key in os.environ}
    return {"PATH": os.environ.get("PATH") or os.defpath, "LC_ALL": "C", "HOME": "/", **kept}


def server_account(settings: Settings) -> Account:
    """Choose the account that will run a new server.

    Parameters
    ----------
    settings : Settings
        `database_account` names the account when we are root; otherwise `postgres` or `nobody` is taken.

    Returns
    -------
    Account

    Raises
    ------
    ConfigurationError
        The named account does not exist or is root itself.
    DatabaseError
        There is no unprivileged account at all.
    """
    if os.geteuid() != 0:
        return _ourselves()
    wanted = settings.database_account
    for name in (wanted,) if wanted else ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise ConfigurationError(
                f"RVSCAT_DATABASE_ACCOUNT names {name}, which is root; PostgreSQL refuses to run as root.",
                "Name an unprivileged account.",
            )
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    if wanted:
        raise ConfigurationError(
            f"RVSCAT_DATABASE_ACCOUNT names {wanted}, but there is no such account.",
            "Create it (useradd --system) or name another.",
        )
    raise DatabaseError(
        "PostgreSQL refuses to run as root, and neither the account postgres nor nobody exists.",
        "Create one (useradd --system postgres), name one with RVSCAT_DATABASE_ACCOUNT, or run rvscat as a user.",
    )


def account_of_data(settings: Settings, data: Path) -> Account:
    """Return the account that must run the server of existing data: their owner.

    Parameters
    ----------
    settings : Settings
    data : Path
        Existing data folder.

    Returns
    -------
    Account

    Raises
    ------
    DatabaseError
        The data belong to somebody whom we cannot act for.
    """
    found = data.stat()
    if os.geteuid() != 0:
        if found.st_uid != os.geteuid():
            # The folder above is its maker's, also when root made it and another account owns the data.
            raise DatabaseError(
                f"The database in {data} belongs to user {_name_of(data.parent.stat().st_uid)}.",
                "Run rvscat as that user, or give RVSCAT_HOME a folder of your own.",
            )
        return _ourselves()
    wanted = server_account(settings) if settings.database_account or found.st_uid == 0 else None
    if wanted is not None and wanted.uid != found.st_uid:
        raise DatabaseError(
            f"The database in {data} belongs to {_name_of(found.st_uid)}, but account {wanted.name} is to run it.",
            f"In {data.parent}: chown -R {wanted.name} data run log; or name the owner by RVSCAT_DATABASE_ACCOUNT.",
        )
    return Account(_name_of(found.st_uid), found.st_uid, found.st_gid, switch=True)


def _ourselves() -> Account:
    return Account(_name_of(os.geteuid()), os.geteuid(), os.getegid(), switch=False)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

"""Where one embedded server keeps its data, socket, password and logs."""

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.database.embedded.account import Account
from catalog.errors import DatabaseError

__all__ = [
    "Place",
    "forget_place",
    "home_folder",
    "left_behind",
    "make_folder",
    "make_place",
    "record_place",
    "recorded_place",
    "shared_folders",
    "write_private",
]

SHARED_PARENTS = (Path("/var/lib"), Path("/srv"), Path("/var/tmp"))  # noqa: S108  owner and mode are verified
"""Where, in this order, root makes the folder ``rvscat`` for servers whose data folder only root can enter."""

_UNSAFE = set('"$`\\\n\r')


@dataclass(frozen=True)
class Place:
    """Folders and files of one embedded server.

    Parameters
    ----------
    base : Path
        Folder that holds all of them.
    """

    base: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder; it exists only once it is complete."""
        return self.base / "data"

    @property
    def run(self) -> Path:
        """Private folder of the Unix socket."""
        return self.base / "run"

    @property
    def log(self) -> Path:
        """Folder of the server's logs, one file a weekday."""
        return self.base / "log"

    @property
    def start_log(self) -> Path:
        """What the server says before its own log is open."""
        return self.log / "start.log"

    @property
    def password(self) -> Path:
        """Password of the database user ``rvscat``, readable by its owner alone."""
        return self.base / "password"

    @property
    def in_use(self) -> Path:
        """File that every process of a running server holds locked."""
        return self.base / "in-use"


def home_folder(home: Path) -> Path:
    """Folder of the server inside the data folder `home`."""
    return home / "postgres"


def _location(home: Path) -> Path:
    return home_folder(home) / "location"


def recorded_place(home: Path) -> Place | None:
    """Find the place made earlier for `home`, or None.

    Parameters
    ----------
    home : Path
        Data folder of rvscat.

    Returns
    -------
    Place or None

    Raises
    ------
    DatabaseError
        It belongs to another user, or is gone.
    """
    try:
        recorded = _location(home).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return Place(home_folder(home)) if _exists(home_folder(home) / "data") else None
    except PermissionError as error:
        raise _not_ours(home) from error
    place = Place(Path(recorded))
    if not _exists(place.data):
        raise DatabaseError(
            f"{_location(home)} says that the database lies in {recorded}, but it is not there.",
            f"Bring that folder back, or remove {_location(home)} to begin with an empty database.",
        )
    return place


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise _not_ours(path.parent.parent) from error
    return True


def _not_ours(home: Path) -> DatabaseError:
    return DatabaseError(
        f"The database folder {home_folder(home)} cannot be read by this user.",
        "Run rvscat as the user who made it, or give RVSCAT_HOME a folder of your own.",
    )


def make_place(home: Path, account: Account) -> Place:
    """Choose where a new server goes and make the folders around its data.

    It is ``postgres`` inside `home`, or, when `account` cannot work there, a folder of its own in a shared place
    (`SHARED_PARENTS`); `record_place` keeps its name once the data are complete.

    Parameters
    ----------
    home : Path
        Data folder of rvscat.
    account : Account
        Who will run the server.

    Returns
    -------
    Place

    Raises
    ------
    DatabaseError
        No folder can be used.
    """
    if account.can_keep_data_in(home_folder(home)) if account.switch else True:
        base = home_folder(home)
    else:
        base = _shared_base(home, account)
    if bad := _UNSAFE.intersection(str(base)):
        raise DatabaseError(
            f"The path {base} holds the character {min(bad)!r}, which PostgreSQL's start-up tools cannot take.",
            "Give RVSCAT_HOME another folder.",
        )
    place = Place(base)
    for folder in (place.run, place.log):
        make_folder(folder, 0o700, account)
    return place


def record_place(home: Path, place: Place) -> None:
    """Remember where the complete data of `home` lie, if not inside it."""
    if place.base != home_folder(home):
        write_private(_location(home), f"{place.base}\n")


def forget_place(home: Path) -> None:
    """Undo `record_place`."""
    _location(home).unlink(missing_ok=True)


def _shared_base(home: Path, account: Account) -> Path:
    for unfinished in left_behind(home, None):
        if not unfinished.data.exists():
            shutil.rmtree(unfinished.base)
    for shared in shared_folders(account):
        # A new name each time: if the data folder was removed, its old database is not taken up again unasked.
        base = shared / f"{_key(home)}-{secrets.token_hex(4)}"
        try:
            make_folder(base, 0o711)
        except OSError:
            continue
        if account.can_keep_data_in(base):
            return base
        base.rmdir()
    raise DatabaseError(
        f"Account {account.name}, which must run the server because root may not, cannot reach {home}, and none of "
        f"{', '.join(map(str, SHARED_PARENTS))} can be used instead.",
        "Give RVSCAT_HOME a folder that everybody may enter, or run rvscat as an ordinary user.",
    )


def _key(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]


def shared_folders(account: Account) -> Iterator[Path]:
    """Make or find the folders outside any data folder that `account` can enter and nobody but us can write.

    Parameters
    ----------
    account : Account

    Yields
    ------
    Path
        Possibly none; in order of preference, and made only when it is asked for.
    """
    for parent in SHARED_PARENTS:
        folder = parent / "rvscat"
        try:
            make_folder(folder, 0o755)
            found = folder.lstat()
        except OSError:
            continue
        # In a folder that everybody can write, someone else may have made it first.
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
        if ours and account.can_enter(folder) and os.access(folder, os.W_OK):
            yield folder


def left_behind(home: Path, current: Place | None) -> list[Place]:
    """Find databases of an earlier data folder at the same path, whose own record of them is gone.

    Parameters
    ----------
    home : Path
    current : Place, optional
        The one in use.

    Returns
    -------
    list of Place
        They are kept until somebody removes them: the disk with the data folder may only be absent for a while.
    """
    if os.geteuid() != 0:
        return []
    found = [base for parent in SHARED_PARENTS for base in (parent / "rvscat").glob(f"{_key(home)}-*")]
    return [Place(base) for base in sorted(found) if current is None or base != current.base]


def make_folder(folder: Path, mode: int, account: Account | None = None) -> None:
    """Make one folder with exactly this mode and owner; an existing one is left as it is.

    Parameters
    ----------
    folder : Path
    mode : int
    account : Account, optional
        Its owner; by default ourselves.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    if account is not None:
        account.own(folder)
    folder.chmod(mode)


def write_private(file: Path, text: str, account: Account | None = None) -> None:
    """Write a whole file that only its owner can read; it is never seen half-written.

    Parameters
    ----------
    file : Path
    text : str
    account : Account, optional
        Its owner; by default ourselves.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            if account is not None:
                account.own(stream.fileno())
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

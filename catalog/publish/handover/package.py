"""The folder that an archive is given: its files, and their checksums."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection

from catalog.publish.handover.dachs import dachs_files
from catalog.publish.handover.daiquiri import daiquiri_files
from catalog.publish.handover.datacite import datacite_files
from catalog.publish.handover.producer import load_producer
from catalog.publish.handover.subject import Subject, read_subject
from catalog.publish.handover.voresource import voresource_files
from catalog.settings import Settings

__all__ = ["CHECKSUMS", "TARGETS", "HandoverResult", "hand_over"]

CHECKSUMS = "SHA256SUMS"

TARGETS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "dachs": dachs_files,
    "daiquiri": daiquiri_files,
    "datacite": datacite_files,
    "voresource": voresource_files,
}
"""What each kind of archive is given: text of each file by its name."""


@dataclass(frozen=True)
class HandoverResult:
    """What was written."""

    folder: Path
    version: int
    files: tuple[str, ...]
    unsaid: tuple[str, ...]
    """Entries of ``handover.toml`` that an archive will ask for."""


def hand_over(
    connection: Connection, target: str, settings: Settings, version: int | None = None, folder: Path | None = None
) -> HandoverResult:
    """Write the files of one target.

    Parameters
    ----------
    connection : psycopg.Connection
    target : str
        Name in `TARGETS`.
    settings : Settings
        ``home`` holds ``handover.toml``; ``exports`` is where the files go by default.
    version : int, optional
        Tables of that version instead of the stable views.
    folder : Path, optional
        Where to write; made if missing. Files of these names in it are replaced, others stay.

    Returns
    -------
    HandoverResult

    Raises
    ------
    NotFoundError, ArtefactError
        See `read_subject`.
    ConfigurationError
        ``handover.toml`` cannot be used.
    """
    producer = load_producer(settings.home)
    with connection.transaction():
        subject = read_subject(connection, producer, version)
    folder = folder or settings.exports / f"v{subject.publication.version}" / "handover" / target
    files = {name: text.encode("utf-8") for name, text in TARGETS[target](subject).items()}
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    files[CHECKSUMS] = "".join(sums).encode("ascii")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        part = folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)
    return HandoverResult(folder, subject.publication.version, tuple(files), producer.unsaid)

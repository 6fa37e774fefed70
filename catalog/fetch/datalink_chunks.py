"""Which identifiers go into one call, and what became of those that were asked for before.

A chunk is named by its content, so that another list never overwrites its file and the same list finds it again. What
has been asked for is remembered beside the files, ``_ids_<chunk>.npy``: a longer list later asks for the rest only.
"""

import csv
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import ConfigurationError
from catalog.fetch.journal import COMPLETE, Journal
from catalog.fetch.transfer import part_of
from catalog.releases.model import DatalinkRoute

__all__ = ["MAX_CHUNK", "Chunk", "Memory", "plan_chunks"]

MAX_CHUNK = 5000
"""Gaia's archive refuses calls with more identifiers, of registered users too."""


@dataclass(frozen=True)
class Chunk:
    """The identifiers of one call."""

    name: str
    """Its file is ``<name>.zip``."""
    ids: np.ndarray
    """Shape (n,), int64, sorted, each once."""

    @property
    def file_name(self) -> str:
        """The archive's answer."""
        return f"{self.name}.zip"

    @property
    def again_name(self) -> str:
        """The answer for those that were missing in the first one."""
        return f"{self.name}_again.zip"


def plan_chunks(route: DatalinkRoute, ids: np.ndarray) -> list[Chunk]:
    """Cut identifiers into calls.

    Parameters
    ----------
    route : DatalinkRoute
    ids : ndarray of int64
        Sorted, each once.

    Returns
    -------
    list of Chunk
        All but the last hold `DatalinkRoute.chunk` identifiers: without some whole chunks, the others stay as they are.

    Raises
    ------
    ConfigurationError
        The release file asks for more identifiers a call than the archive takes.
    """
    if not 0 < route.chunk <= MAX_CHUNK:
        raise ConfigurationError(
            f"chunk = {route.chunk} in the release file is not between 1 and {MAX_CHUNK:,}.",
            "The archive takes no more identifiers a call.",
        )
    return [_chunk(route, ids[start : start + route.chunk]) for start in range(0, len(ids), route.chunk)]


def _chunk(route: DatalinkRoute, ids: np.ndarray) -> Chunk:
    words = "|".join([route.release, route.retrieval_type, route.data_structure, route.format])
    digest = hashlib.sha256(words.encode() + ids.astype("<i8").tobytes()).hexdigest()[:12]
    return Chunk(f"{route.retrieval_type}_{route.data_structure}_{digest}", ids)


class Memory:
    """What has been asked for in a folder, and what of it did not come.

    Parameters
    ----------
    journal : Journal
        Of the folder.
    route : DatalinkRoute
        Other releases and retrieval types are not looked at.
    """

    def __init__(self, journal: Journal, route: DatalinkRoute) -> None:
        self._journal = journal
        self._kind = f"{route.release}|{route.retrieval_type}"

    @property
    def kind(self) -> str:
        """What a chunk's entry in the journal must say to count here."""
        return self._kind

    def chunks(self) -> dict[str, tuple[np.ndarray, np.ndarray, list[Path]]]:
        """Return identifiers asked for, identifiers missing and files of each complete chunk, by its name."""
        folder = self._journal.folder
        chunks = {}
        for entry in self._journal.names():
            part = self._journal[entry]
            if part.status != COMPLETE or part.extra.get("kind") != self._kind or "files" not in part.extra:
                continue
            files: list[str] = part.extra["files"]
            if not all(self._journal.untouched(name) for name in files):
                continue
            try:
                table = np.load(self._file(entry))
            except (OSError, ValueError):
                # Gone or damaged: the chunk is asked for again, or its files are read.
                continue
            chunks[entry] = (table[0], table[0][table[1] == 0], [folder / name for name in files])
        return chunks

    def remember(self, chunk: Chunk, missing: np.ndarray) -> None:
        """Remember a chunk's identifiers: shape (2, n), int64, in the second row 0 for those that are missing."""
        table = np.array([chunk.ids, ~np.isin(chunk.ids, missing)], dtype=np.int64)
        file = self._file(chunk.name)
        with part_of(file).open("wb") as stream:
            np.save(stream, table)
            stream.flush()
            os.fsync(stream.fileno())
        part_of(file).replace(file)

    def list_missing(self, name: str) -> Path:
        """Write ``_missing_<name>.csv``: every identifier that the archive has no product of."""
        file = self._journal.folder / f"_missing_{name}.csv"
        with part_of(file).open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["source_id", "chunk", "reason"])
            writer.writerows(self._missing())
        part_of(file).replace(file)
        return file

    def _missing(self) -> Iterable[tuple[int, str, str]]:
        for chunk, (_, missing, _) in self.chunks().items():
            yield from ((int(number), chunk, "not in the archive's answer, asked twice") for number in missing)

    def _file(self, chunk: str) -> Path:
        return self._journal.folder / f"_ids_{chunk}.npy"

"""Route ``datalink``: products by identifier, in calls of bounded size, requested reconciled with received.

The archive leaves out identifiers without a word, refuses calls with more than 5,000 of them, and answers errors as
web pages. So each answer must be a whole zip archive whose identifiers were asked for; what is missing is asked for
once more, and what then is missing is told and listed in ``_missing_<name>.csv``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import ConfigurationError, FormatError
from catalog.fetch.crew import in_parallel
from catalog.fetch.datalink_chunks import Chunk, Memory, plan_chunks
from catalog.fetch.datalink_ids import check_archive, delivered_ids
from catalog.fetch.datalink_reply import receive
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import COMPLETE, Journal, Part
from catalog.fetch.meter import Meter
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import Selection
from catalog.fetch.session import ArchiveSession
from catalog.fetch.transfer import put_in_place
from catalog.progress import Progress, silent
from catalog.releases.model import DatalinkRoute, Source

__all__ = ["DatalinkSettings", "fetch_datalink"]


@dataclass(frozen=True)
class DatalinkSettings:
    """How products are fetched."""

    timeout: tuple[float, float] = (20.0, 900.0)
    """Seconds to wait for a connection, and for the next bytes: 5,000 products take the archive minutes."""
    max_failures: int = 3
    """Failed calls after which no further one is begun."""


def fetch_datalink(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    progress: Progress = silent,
    *,
    jobs: int = 3,
    settings: DatalinkSettings = DatalinkSettings(),
) -> FetchResult:
    """Download the products of stars, as the archive packs them: ``<retrieval type>_<structure>_<chunk>.zip``.

    Identifiers that an earlier download asked for are not asked for again, whatever list they were in.

    Parameters
    ----------
    name : str
        Name of the source.
    source : Source
        With absolute addresses.
    folder : Path
        Folder of the product, locked by the caller.
    selection : Selection
        Identifiers are needed; the limit counts them.
    session : ArchiveSession
    progress : Progress
        Told identifiers of all identifiers.
    jobs : int
        Calls at once; at most four, more the archive does not serve faster.
    settings : DatalinkSettings

    Returns
    -------
    FetchResult
        Fewer products than identifiers are no failure: see `FetchResult.missing_ids`.

    Raises
    ------
    ConfigurationError
        No identifiers are given, or the release file asks for too many a call.
    FetchError
        No call succeeded: the first failure.
    """
    assert source.datalink is not None
    route, journal, meter = source.datalink, Journal(folder), Meter()
    wanted = _wanted(name, selection)
    memory = Memory(journal, route)
    before = memory.chunks()
    asked = [ids for ids, _, _ in before.values()]
    ids = np.setdiff1d(wanted, np.concatenate(asked)) if asked else wanted
    chunks = plan_chunks(route, ids)
    call = _Call(route, journal, memory, session, meter, settings)
    n_done, failures = len(wanted) - len(ids), list[FetchError]()

    def tick() -> None:
        progress(n_done, len(wanted), f"{n_done:,} of {len(wanted):,} stars asked for")

    for chunk, outcome in in_parallel(chunks, call, min(jobs, 4), meter, tick):
        if isinstance(outcome, FetchError):
            failures.append(outcome)
            if len(failures) >= min(settings.max_failures, len(chunks)):
                break
        else:
            n_done += len(chunk.ids)
    tick()
    if failures and n_done == 0:
        raise failures[0]
    return _result(name, wanted, memory, set(before), failures, meter)


@dataclass
class _Call:
    """Brings one chunk; called from several threads."""

    route: DatalinkRoute
    journal: Journal
    memory: Memory
    session: ArchiveSession
    meter: Meter
    settings: DatalinkSettings

    def __call__(self, chunk: Chunk) -> None:
        received, files = self._bring(chunk.file_name, chunk.ids)
        missing = np.setdiff1d(chunk.ids, received)
        if len(missing) and len(received):
            late, more = self._bring(chunk.again_name, missing)
            missing, files = np.setdiff1d(missing, late), files + more
        elif len(missing):
            late, files = self._bring(chunk.file_name, missing)
            missing = np.setdiff1d(missing, late)
        self.memory.remember(chunk, missing)
        counts = {"asked": len(chunk.ids), "missing": len(missing)}
        part = Part(COMPLETE, self.route.url, extra={"kind": self.memory.kind, "files": files, **counts})
        self.journal.record(chunk.name, part)

    def _bring(self, name: str, ids: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return the identifiers whose products are there, and the file that holds them, if there are any."""
        file = self.journal.folder / name
        if file.exists() and (there := self._read(file)) is not None and np.isin(there, ids).all():
            # A download that was killed, or lost its journal, had received it.
            self.journal.record_file(name, Part(url=self.route.url))
            return there, [name]
        received, checksum = receive(self.session, self.route, ids, file, self.meter, self.settings.timeout)
        if not checksum:
            return received, []
        self.journal.record(name, Part(url=self.route.url, rows=len(received)))
        put_in_place(file, self.journal, checksum)
        return received, [name]

    def _read(self, file: Path) -> np.ndarray | None:
        try:
            return delivered_ids(file, self.route.data_structure) if check_archive(file) else None
        except FormatError:
            # Damaged since: it is downloaded again.
            return None


def _wanted(name: str, selection: Selection) -> np.ndarray:
    wanted = selection.wanted_ids
    if wanted is None:
        raise ConfigurationError(
            f"DataLink gives {name} by identifier, and none are given.",
            "Name a file with --source-ids, ask with --missing for what the ingested gaia_source lacks, "
            "or take whole files with --via bulk.",
        )
    wanted = np.unique(np.asarray(wanted, dtype=np.int64))[: selection.limit]
    if not len(wanted):
        raise ConfigurationError("None of the identifiers lies in the HEALPix range.", "Leave --healpix out.")
    return wanted


def _result(
    name: str, wanted: np.ndarray, memory: Memory, before: set[str], failures: list[FetchError], meter: Meter
) -> FetchResult:
    result = FetchResult(n_bytes=meter.received, failures=failures, n_rows=0)
    missing = []
    n_asked = 0
    for chunk, (asked, lacking, files) in memory.chunks().items():
        of_these = np.isin(asked, wanted)
        if not of_these.any():
            continue
        result.files += files
        result.n_skipped += len(files) if chunk in before else 0
        missing.append(np.intersect1d(lacking, wanted))
        n_asked += int(of_these.sum())
    result.files.sort()
    result.missing_ids = np.sort(np.concatenate(missing)) if missing else result.missing_ids
    result.n_rows = n_asked - len(result.missing_ids)
    if len(result.missing_ids):
        file = memory.list_missing(name)
        result.notes.append(
            f"The archive has no {name} of {len(result.missing_ids):,} of the {n_asked:,} stars asked for: {file}."
        )
    if n_asked < len(wanted):
        result.notes.append(f"{len(wanted) - n_asked:,} of {len(wanted):,} stars are still to be asked for.")
    return result

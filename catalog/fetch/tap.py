"""Route ``tap``: a table of a TAP service, part by part, each counted before and verified after.

Services cut results, some silently (limits of rows, time and quota), and their jobs expire. So the table comes in
ranges of its identifier, which are HEALPix pixels; each part's rows are compared with ``COUNT(*)``, an OVERFLOW is an
error, and a part's job is known to the journal, where a download that was killed finds it again. Nothing is uploaded:
lists of identifiers become part of the query.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from catalog.errors import ConfigurationError
from catalog.fetch.crew import in_parallel
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import Journal
from catalog.fetch.meter import Meter
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import Selection
from catalog.fetch.session import ArchiveSession
from catalog.fetch.tap_download import PartResult, TableDownload
from catalog.fetch.tap_parts import id_range_of, plan_parts
from catalog.fetch.tap_service import Polling, Service
from catalog.progress import Progress, silent
from catalog.releases.model import Source, TapRoute

__all__ = ["TapSettings", "fetch_tap"]

_TOLERANCE = 0.001
"""Part by which a whole table may differ from the rows that the release file states, before that is told."""


@dataclass(frozen=True)
class TapSettings:
    """How a table is fetched."""

    row_limit: int = 2_000_000
    """Most rows of one query; larger parts are split. Gaia's archive gives anonymous users 3,000,000."""
    ids_per_query: int = 1000
    """Most identifiers in one query: some 20 kB of ADQL."""
    polling: Polling = field(default_factory=Polling)
    max_failures: int = 3
    """Failed parts after which no further one is begun: then it is not about single parts."""


def fetch_tap(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    progress: Progress = silent,
    *,
    jobs: int = 3,
    replace: bool = False,
    settings: TapSettings = TapSettings(),
) -> FetchResult:
    """Download a table, or part of it, as VOTable files ``<name>_<part>.vot``.

    Parameters
    ----------
    name : str
        Name of the source.
    source : Source
        With absolute addresses.
    folder : Path
        Folder of the product, locked by the caller.
    selection : Selection
        The limit counts rows; which rows these are is the service's choice.
    session : ArchiveSession
    progress : Progress
        Told parts of all parts.
    jobs : int
        Parts at once.
    replace : bool
        Let the result of a changed query take the place of a file that is there.
    settings : TapSettings

    Returns
    -------
    FetchResult
        Parts that failed are in `FetchResult.failures`; the others went on.

    Raises
    ------
    ConfigurationError
        The selection does not fit the table.
    FetchError
        No part came at all: the first failure.
    FormatError
        The result lacks a column that was asked for.
    """
    assert source.tap is not None
    route, meter = source.tap, Meter()
    if selection.limit is not None and selection.limit > settings.row_limit and selection.source_ids is None:
        raise ConfigurationError(
            f"--limit {selection.limit} is more than the {settings.row_limit:,} rows of one query.",
            "A limit is for trying out; fetch everything, or a part with --healpix.",
        )
    parts = plan_parts(route, selection, settings.ids_per_query)
    services = [Service(url, session, meter) for url in _addresses(route)]
    download = TableDownload(
        name, route, Journal(folder), session, meter, services, settings.row_limit, settings.polling, replace
    )
    total, failures = PartResult(), list[FetchError]()
    n_done = 0

    def tick() -> None:
        progress(n_done, len(parts), _words(total.n_rows, download.phases))

    for _, outcome in in_parallel(parts, download, jobs, meter, tick):
        n_done += 1
        if not isinstance(outcome, FetchError):
            total.add(outcome)
            continue
        failures.append(outcome)
        if len(failures) >= min(settings.max_failures, len(parts)):
            break
    tick()
    if failures and not total.n_rows:
        raise failures[0]
    notes = list(dict.fromkeys(total.notes))
    if n_done < len(parts):
        notes.append(f"{len(parts) - n_done} parts were not begun after {len(failures)} failures.")
    if not failures:
        notes += _notes(name, source, selection, folder, total)
    return FetchResult(
        files=sorted(total.files),
        n_bytes=meter.received,
        n_skipped=total.n_skipped,
        n_rows=total.n_rows,
        missing_ids=np.array(sorted(total.missing_ids), dtype=np.int64),
        notes=notes,
        failures=failures,
    )


def _addresses(route: TapRoute) -> list[str]:
    addresses = [route.url, *route.mirrors]
    if wrong := [url for url in addresses if "://" not in url]:
        raise ConfigurationError(f"{wrong[0]!r} is no address of a TAP service.", "Give one that starts with https://.")
    return [url.rstrip("/") for url in addresses]


def _words(n_rows: int, phases: dict[str, str]) -> str:
    current = ", ".join(f"{label} {phase}" for label, phase in sorted(phases.copy().items()))
    return f"{n_rows:,} rows" + (f"; {current}" if current else "")


def _notes(name: str, source: Source, selection: Selection, folder: Path, total: PartResult) -> list[str]:
    """Say what a person should know of a download in which nothing failed."""
    assert source.tap is not None
    notes = []
    expected = source.rows if selection.is_whole else None
    if expected is not None and abs(total.n_rows - expected) > _TOLERANCE * expected:
        notes.append(f"{name} has {total.n_rows:,} rows; the release file expects {expected:,}.")
    if total.missing_ids:
        notes.append(f"{len(total.missing_ids):,} of the identifiers have no row in {source.tap.table}.")
    if others := _overlapping(name, folder, {path.name for path in total.files}):
        notes.append(
            f"{folder} also holds {len(others)} files of other selections that may hold the same rows, for instance "
            f"{others[0]}: what is in both should be ingested once."
        )
    return notes


def _overlapping(name: str, folder: Path, ours: set[str]) -> list[str]:
    """Return the files of other selections whose range of identifiers meets that of one of `ours`."""
    ranges = {path.name: within for path in folder.iterdir() if (within := id_range_of(name, path.name)) is not None}
    return sorted(
        other
        for other, (lowest, highest) in ranges.items()
        if other not in ours and any(lowest <= ranges[each][1] and ranges[each][0] <= highest for each in ours)
    )

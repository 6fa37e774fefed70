"""Route ``bulk``: the folders of an archive's file server, a file a range of HEALPix pixels, checksums beside them.

The list of checksums says which files there are. A file whose checksum is right is not downloaded again; one that came
with a wrong checksum is thrown away and downloaded once more, whole, and is an error when it is wrong again.
"""

from dataclasses import dataclass, field
from pathlib import Path

from catalog.fetch.checksums import ArchiveFile, archive_files
from catalog.fetch.crew import in_parallel
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import Journal, Part
from catalog.fetch.meter import Meter
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import Selection
from catalog.fetch.session import GO_ON, ArchiveSession, ask
from catalog.fetch.space import check_space, sizes_of
from catalog.fetch.transfer import Download, digest_of, discard, part_of, put_in_place
from catalog.progress import Progress, silent
from catalog.releases.model import BulkRoute, Source

__all__ = ["BulkPlan", "fetch_bulk", "plan_bulk"]


@dataclass
class BulkPlan:
    """What a download by the bulk route would do."""

    url: str
    checksums: str
    """The archive's list, as it came."""
    n_listed: int
    """Files that the archive has."""
    chosen: list[ArchiveFile]
    """Files that the selection asks for."""
    there: list[str] = field(default_factory=list)
    """Names of those that are there, whole and verified."""
    unverified: list[ArchiveFile] = field(default_factory=list)
    """Files that are there, but not as the journal knows them."""
    wanted: list[ArchiveFile] = field(default_factory=list)
    """Files to download."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the files to download; empty when the archive does not tell."""
    is_exact: bool = False
    """Whether each size was asked for; otherwise most are a mean."""
    notes: list[str] = field(default_factory=list)

    def begun(self, folder: Path) -> int:
        """Return the bytes of parts that an earlier download left."""
        parts = (part_of(folder / each.name) for each in self.wanted)
        return sum(part.stat().st_size for part in parts if part.exists())


def plan_bulk(
    name: str, source: Source, folder: Path, selection: Selection, session: ArchiveSession, *, jobs: int = 4
) -> BulkPlan:
    """Find out what there is to download, without downloading it.

    Parameters
    ----------
    name, source, folder, selection, session
        As of `fetch_bulk`.
    jobs : int
        Questions at once.

    Returns
    -------
    BulkPlan

    Raises
    ------
    FetchError
        The archive does not give its list, or nothing in it was asked for.
    """
    plan = _choose(name, source, selection, session)
    _sort_out(plan, folder, Journal(folder) if folder.is_dir() else None)
    plan.wanted += plan.unverified
    plan.sizes, plan.is_exact = sizes_of({each.name: plan.url + each.name for each in plan.wanted}, jobs)
    return plan


def fetch_bulk(
    name: str,
    source: Source,
    folder: Path,
    selection: Selection,
    session: ArchiveSession,
    progress: Progress = silent,
    *,
    jobs: int = 4,
    replace: bool = False,
) -> FetchResult:
    """Download the files of a bulk folder that hold what is asked for.

    Parameters
    ----------
    name : str
        Name of the source.
    source : Source
        With absolute addresses.
    folder : Path
        Folder of the product, locked by the caller.
    selection : Selection
        HEALPix range and identifiers choose files, which hold other sources as well; the limit counts files.
    session : ArchiveSession
    progress : Progress
        Told bytes of all bytes.
    jobs : int
        Files at once.
    replace : bool
        Let the archive's file take the place of one with the same name and another checksum.

    Returns
    -------
    FetchResult
        Files that failed are in `FetchResult.failures`; the others went on.

    Raises
    ------
    FetchError
        The archive does not give its list, nothing in it was asked for, or the disk has no room.
    """
    plan = _choose(name, source, selection, session)
    result = FetchResult(notes=plan.notes)
    with Journal(folder) as journal:
        (folder / _route(source).checksums).write_text(plan.checksums)
        _sort_out(plan, folder, journal)
        _verify(plan, folder, journal, jobs, replace, result, progress)
        plan.sizes, plan.is_exact = sizes_of({each.name: plan.url + each.name for each in plan.wanted}, jobs)
        begun = plan.begun(folder)
        check_space(folder, sum(plan.sizes.values()) - begun)
        meter = Meter(done=begun, sizes=plan.sizes, n_files=len(plan.wanted))
        result.n_skipped = len(plan.there)

        def tick() -> None:
            n_done = len(plan.there) - result.n_skipped
            progress(meter.done, meter.total, f"{n_done} of {len(plan.wanted)} files")

        def bring(file: ArchiveFile) -> None:
            _bring(file, plan.url, folder, session, journal, meter)

        for file, outcome in in_parallel(plan.wanted, bring, jobs, meter, tick):
            if isinstance(outcome, FetchError):
                result.failures.append(outcome)
            else:
                plan.there.append(file.name)
    tick()
    result.files = [folder / each for each in sorted(plan.there)]
    result.n_bytes = meter.received
    return result


def _route(source: Source) -> BulkRoute:
    assert source.bulk is not None
    return source.bulk


def _choose(name: str, source: Source, selection: Selection, session: ArchiveSession) -> BulkPlan:
    route = _route(source)
    url = route.url + route.checksums
    text = ask(session, url).text
    files, others = archive_files(text, route.prefix, route.level, url)
    chosen = [each for each in files if selection.touches(*each.source_ids)][: selection.limit]
    if not chosen:
        raise FetchError(f"No file of {name} holds {selection}.", f"{url} lists {len(files)} files.")
    plan = BulkPlan(route.url, text, len(files), chosen)
    if others:
        plan.notes.append(f"{len(others)} other files in {route.url} are left out, for instance {others[0]}.")
    if selection.source_ids is not None:
        plan.notes.append("The files hold whole HEALPix pixels, and so more sources than were asked for.")
    return plan


def _sort_out(plan: BulkPlan, folder: Path, journal: Journal | None) -> None:
    """Say of each chosen file whether it is there, there but unknown, or to be downloaded."""
    for file in plan.chosen:
        part = journal.untouched(file.name) if journal else None
        if part is not None and part.checksum == f"md5:{file.md5}":
            plan.there.append(file.name)
        elif (folder / file.name).exists():
            plan.unverified.append(file)
        else:
            plan.wanted.append(file)


def _verify(
    plan: BulkPlan,
    folder: Path,
    journal: Journal,
    jobs: int,
    replace: bool,
    result: FetchResult,
    progress: Progress,
) -> None:
    """Read the files that are there but unknown: right ones are kept, wrong ones are failures or downloaded again."""
    sizes = {each.name: (folder / each.name).stat().st_size for each in plan.unverified}
    meter = Meter(sizes=sizes)

    def checksum(file: ArchiveFile) -> str:
        digest = digest_of(folder / file.name, "md5")
        meter.came(sizes[file.name])
        return digest

    def tick() -> None:
        progress(meter.done, meter.total, "verifying files that are there")

    for file, digest in in_parallel(plan.unverified, checksum, jobs, meter, tick):
        known = journal[file.name].checksum
        if digest == file.md5:
            journal.record_file(file.name, Part(url=plan.url + file.name, checksum=f"md5:{digest}"))
            plan.there.append(file.name)
        elif replace or known == f"md5:{file.md5}":
            # Ours, and damaged since; or the user wants the archive's.
            result.notes.append(f"{file.name} was there with the wrong checksum and is downloaded again.")
            plan.wanted.append(file)
        else:
            result.failures.append(
                FetchError(
                    f"{folder / file.name} has MD5 {digest}, the archive's file has {file.md5}: "
                    f"{'the archive has changed it' if known == f'md5:{digest}' else 'it is another file'}.",
                    "With --replace the archive's file takes its place.",
                )
            )
    plan.wanted.sort(key=lambda each: each.name)


def _bring(file: ArchiveFile, url: str, folder: Path, session: ArchiveSession, journal: Journal, meter: Meter) -> None:
    """Download one file, twice if its checksum is wrong, and put it in its place."""
    target, digests = folder / file.name, []
    for _ in range(2):
        download = Download(session, url + file.name, target, journal, meter, "md5", has_checksum=True)
        digests.append(download.run())
        if digests[-1] == file.md5:
            put_in_place(target, journal, f"md5:{file.md5}")
            return
        discard(target, meter)
    raise FetchError(
        f"{url}{file.name}: wrong checksum twice: MD5 {' and '.join(dict.fromkeys(digests))}, "
        f"the archive's list says {file.md5}. The download was thrown away.",
        f"The archive may just be changing the file. {GO_ON}",
    )

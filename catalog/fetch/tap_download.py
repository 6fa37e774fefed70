"""One part of a table: counted, made a job, waited for, downloaded, verified, put in its place.

The journal knows the job before it runs, so that a download that was killed finds it again.
"""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import requests
from pyvo.dal import AsyncTAPJob

from catalog.errors import FormatError
from catalog.fetch.datalink_ids import source_ids_of
from catalog.fetch.errors import FetchError
from catalog.fetch.journal import COMPLETE, Journal, Part
from catalog.fetch.meter import Meter
from catalog.fetch.space import check_space
from catalog.fetch.tap_parts import TapPart, count_query, file_name, rows_query, split_part
from catalog.fetch.tap_result import check_result, lacking_columns, receive
from catalog.fetch.tap_service import JobFailedError, JobGoneError, Polling, Service, UnreachableError
from catalog.fetch.tap_votable import summarise_votable
from catalog.fetch.transfer import part_of, put_in_place
from catalog.releases.model import TapRoute
from catalog.surveys.formats import open_tables

__all__ = ["PartResult", "TableDownload"]

_SPLIT = "split"
"""Status of a part that was too large and came as its children."""
_JOBS_LOST = 3
"""Times that a part's job may vanish before that is an error."""


@dataclass
class PartResult:
    """What came of a part."""

    files: list[Path] = field(default_factory=list)
    """None for a part without rows."""
    n_rows: int = 0
    n_skipped: int = 0
    """Files that were there before, or are known to have no rows."""
    missing_ids: list[int] = field(default_factory=list)
    """Identifiers asked for one by one that have no row."""
    notes: list[str] = field(default_factory=list)

    def add(self, other: "PartResult") -> None:
        """Take over what came of another part."""
        self.files += other.files
        self.n_rows += other.n_rows
        self.n_skipped += other.n_skipped
        self.missing_ids += other.missing_ids
        self.notes += other.notes


@dataclass
class TableDownload:
    """The download of one table; called with each part, from several threads."""

    name: str
    route: TapRoute
    journal: Journal
    session: requests.Session
    meter: Meter
    services: list[Service]
    """The first one is asked first; the others when it cannot be reached."""
    row_limit: int
    polling: Polling
    replace: bool
    """Whether a file that another query made may be replaced."""
    phases: dict[str, str] = field(default_factory=dict)
    """What is being done for each part in work."""
    _down: set[str] = field(default_factory=set)
    """Services that could not be reached."""

    def __call__(self, part: TapPart) -> PartResult:
        """Bring one part.

        Raises
        ------
        FetchError
            The service refuses, a job fails, or the result is not what was counted.
        FormatError
            The result lacks a column.
        """
        try:
            result = self._known(part) or self._fetch(part)
            result.missing_ids = sorted(set(part.ids) - self._delivered(result.files)) if part.ids else []
            return result
        finally:
            self.phases.pop(part.label, None)

    def _known(self, part: TapPart) -> PartResult | None:
        """Return what an earlier download brought, if it is all there."""
        name, query = file_name(self.name, part), self._digest(part)
        known, file = self.journal[name], self.journal.folder / name
        if known.status != COMPLETE:
            return None
        if known.extra.get("query") != query:
            if not self.replace and file.exists():
                raise FetchError(
                    f"{file} came from another query: the release file has changed since.",
                    "With --replace the new query's result takes its place.",
                )
            return None
        if known.rows == 0:
            return PartResult(n_skipped=1)
        if self.journal.untouched(name) is None:
            if not self._is_right(file, known.rows):
                return None
            self.journal.record_file(name, known)
        return PartResult([file], known.rows or 0, n_skipped=1)

    def _delivered(self, files: list[Path]) -> set[int]:
        """Return the identifiers in `files`."""
        tables = (table for file in files for table in open_tables(file))
        return {number for table in tables for number in source_ids_of(table, self.route.key)}

    def _is_right(self, file: Path, n_rows: int | None) -> bool:
        try:
            summary = summarise_votable(file)
        except FormatError:
            return False
        is_whole = summary.status != "ERROR" and summary.n_rows == n_rows
        return is_whole and not lacking_columns(self.route, summary)

    def _fetch(self, part: TapPart) -> PartResult:
        notes: list[str] = []
        for service in self.services:
            is_last = service is self.services[-1]
            if service.url in self._down and not is_last:
                continue
            try:
                result = self._fetch_from(service, part)
            except UnreachableError as error:
                if is_last:
                    raise
                self._down.add(service.url)
                notes.append(f"{error.message} Another service was asked instead.")
                continue
            result.notes = notes + result.notes
            return result
        raise AssertionError("there is no service to ask")

    def _fetch_from(self, service: Service, part: TapPart) -> PartResult:
        lost = 0
        while True:
            try:
                return self._attempt(service, part)
            except JobGoneError as error:
                # Expired, or swept away: its place in the journal would lead here again.
                self._forget_job(part)
                lost += 1
                if lost >= _JOBS_LOST:
                    raise FetchError(f"{error.message} {lost} jobs vanished so.", error.remedy) from error

    def _attempt(self, service: Service, part: TapPart) -> PartResult:
        name, notes = file_name(self.name, part), []
        known = self.journal[name]
        if known.status == _SPLIT and known.extra.get("query") == self._digest(part):
            return self._fetch_children(part, known.rows or 0)
        job, n_rows = self._earlier_job(service, part, known)
        if job is None:
            self.phases[part.label] = "counted"
            if part.top is None:
                n_rows = service.count(count_query(self.route, part), self.polling)
                if n_rows > self.row_limit:
                    self._drop_replaced(name)
                    self.journal.record(name, self._entry(service, part, n_rows, status=_SPLIT))
                    return self._fetch_children(part, n_rows)
                if n_rows == 0:
                    self._drop_replaced(name)
                    self.journal.record(name, self._entry(service, part, 0, status=COMPLETE))
                    return PartResult()
                if name not in self.journal and self._is_right(self.journal.folder / name, n_rows):
                    # The journal was lost, the file was not.
                    self.journal.record_file(name, self._entry(service, part, n_rows))
                    return PartResult([self.journal.folder / name], n_rows, n_skipped=1)
            # Eight bytes a number, in base64, and some for text.
            check_space(self.journal.folder, 12 * len(self.route.columns) * (part.top or n_rows or 0))
            job = service.submit(rows_query(self.route, part), maxrec=(part.top or n_rows or 0) + 1)
            self.journal.record(name, replace(self._entry(service, part, n_rows), job=job.url))
            service.start(job)
        else:
            notes.append(f"{name}: the job of the interrupted download was taken up ({job.url}).")
            if service.phase(job) == "PENDING":
                service.start(job)
        result = self._bring(service, part, job, n_rows)
        result.notes = [*notes, *result.notes]
        return result

    def _earlier_job(self, service: Service, part: TapPart, known: Part) -> tuple[AsyncTAPJob | None, int | None]:
        """Return the job that an interrupted download left, if it is still of use, and the rows it should have."""
        if not known.job or known.url != service.url or known.extra.get("query") != self._digest(part):
            return None, None
        try:
            job = service.find(known.job)
            phase = service.phase(job)
        except JobGoneError:
            return None, None
        return (job, known.rows) if phase not in ("ERROR", "ABORTED", "ARCHIVED") else (None, None)

    def _bring(self, service: Service, part: TapPart, job: AsyncTAPJob, n_rows: int | None) -> PartResult:
        """Wait for a job and take its result."""
        name = file_name(self.name, part)
        file = self.journal.folder / name
        url = job.url

        def tell(phase: str) -> None:
            self.phases[part.label] = phase.lower()

        try:
            service.wait(job, self.polling, tell)
            tell("downloaded")
            summary, checksum = receive(self.session, service.result_url(job), file, self.meter)
            if n_rows is None:
                n_rows = self._first_rows(service, part, summary.n_rows)
            check_result(f"{url}: the result of {part.label}", self.route, summary, n_rows)
        except (JobFailedError, FormatError):
            # No result will come of it: the next download begins with a new job.
            self._forget_job(part)
            service.delete(job)
            raise
        if n_rows:
            self.journal.record(name, replace(self._entry(service, part, n_rows), job=url))
            put_in_place(file, self.journal, checksum)
        else:
            part_of(file).unlink()
            self.journal.record(name, self._entry(service, part, 0, status=COMPLETE))
        trouble = service.delete(job)
        return PartResult([file] if n_rows else [], n_rows, notes=[trouble] if trouble else [])

    def _first_rows(self, service: Service, part: TapPart, n_came: int) -> int:
        """Return how many rows should have come of those that are wanted first: counted only if fewer came."""
        assert part.top is not None
        if n_came >= part.top:
            return part.top
        return min(part.top, service.count(count_query(self.route, part), self.polling))

    def _fetch_children(self, part: TapPart, n_rows: int) -> PartResult:
        children = split_part(part)
        if not children:
            raise FetchError(
                f"{part.label} of {self.route.table} has {n_rows:,} rows, more than {self.row_limit:,} a query.",
                "Fetch less at once, with --healpix or --source-ids.",
            )
        result = PartResult()
        for child in children:
            result.add(self(child))
        if result.n_rows != n_rows:
            result.notes.append(
                f"{part.label} of {self.route.table}: its four quarters have {result.n_rows:,} rows, it had {n_rows:,}."
            )
        return result

    def _entry(self, service: Service, part: TapPart, n_rows: int | None, status: str = "started") -> Part:
        extra = {"query": self._digest(part)}
        return Part(status, url=service.url, rows=n_rows, extra=extra)

    def _forget_job(self, part: TapPart) -> None:
        name = file_name(self.name, part)
        part_of(self.journal.folder / name).unlink(missing_ok=True)
        self.journal.record(name, replace(self.journal[name], job="", status="failed"))

    def _drop_replaced(self, name: str) -> None:
        """Remove the file of another query that this part no longer has."""
        if self.replace:
            (self.journal.folder / name).unlink(missing_ok=True)

    def _digest(self, part: TapPart) -> str:
        return hashlib.sha256(rows_query(self.route, part).encode()).hexdigest()[:16]

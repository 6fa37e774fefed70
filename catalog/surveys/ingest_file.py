"""One survey file into the database, in one transaction: all its good rows, or none.

A file that was read before is known by its checksum and skipped. A file of the same name with other
content is refused unless it is to replace the old one. Bad rows go to ``production.quarantine``.
"""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
from psycopg import Connection

from catalog.database.copy_in import copy_in
from catalog.errors import FormatError
from catalog.progress import Progress, silent
from catalog.releases import Release
from catalog.surveys import file_ledger
from catalog.surveys.batch import Screen, SurveyBatch
from catalog.surveys.columns import Notices
from catalog.surveys.product import Product
from catalog.surveys.products import product_named
from catalog.surveys.reading import Reading
from catalog.surveys.tables import Rejection

__all__ = ["Apart", "IngestedFile", "OverlapError", "ingest_path"]


class OverlapError(Exception):
    """A file has stars of one that is to be read after it, or of one that is being read."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self.names = frozenset(names)
        super().__init__(f"stars of {', '.join(sorted(names)) or 'a file that is being read'}")


@dataclass(frozen=True)
class Apart:
    """Which stars of a file that is not read in its turn may be set aside; see `catalog.surveys.elsewhere`."""

    since: int
    """Files up to this file_id were there before those that are read at once: their stars may."""
    later: frozenset[str] | None = None
    """Names of those that come after this one: theirs may not. All of them when None."""


@dataclass(frozen=True)
class IngestedFile:
    """What became of one file."""

    path: Path
    product: str
    file_id: int
    status: str
    """``complete``, or ``skipped`` when it was in the database already."""
    n_rows: int
    n_quarantined: int
    wall_s: float = 0.0
    rules: Counter[str] = field(default_factory=Counter)
    """Rows set aside by rule."""
    notices: Notices = field(default_factory=Notices)

    def __str__(self) -> str:
        if self.status == "skipped":
            return f"{self.path.name}: in the database already, {self.n_rows:,} rows"
        return f"{self.path.name}: {self.n_rows:,} rows{self.set_aside}"

    @property
    def set_aside(self) -> str:
        """Words on the rows that were set aside; empty when there is none."""
        if not self.rules:
            return ""
        rules = ", ".join(f"{rule} {n:,}" for rule, n in sorted(self.rules.items()))
        return f": {self.rules.total():,} rows set aside ({rules})"


def ingest_path(
    connection: Connection,
    path: Path,
    product: str,
    release_tag: str,
    release: Release,
    progress: Progress = silent,
    replace: bool = False,
    reading: Reading | None = None,
    apart: Apart | None = None,
) -> IngestedFile:
    """Ingest one file in a transaction of its own.

    Parameters
    ----------
    connection : psycopg.Connection
        What it has not committed yet is committed first.
    path : Path
    product : str
        Name of the survey product.
    release_tag : str
        Name under which the rows are kept, for instance ``dr3``.
    release : Release
        Whose pixel grid and array lengths the file must have.
    progress : Progress
        Told the part of the file that has been read, 0 to 1.
    replace : bool
        Let the file take the place of one of the same name with other content.
    reading : Reading, optional
        The same file, whose reading has begun already.
    apart : Apart, optional
        Given when files are not read in their turn.

    Returns
    -------
    IngestedFile

    Raises
    ------
    FormatError
        The file is refused; it left no row, and the refusal is in the ledger.
    NotFoundError
        There is no such product.
    OverlapError
        The file is `apart` and must wait for its turn; nothing of it is in the database.
    """
    definition = product_named(product)
    if reading is None:
        with Reading(path, product, release) as reading:
            return ingest_path(connection, path, product, release_tag, release, progress, replace, reading, apart)
    sha256 = reading.sha256()
    connection.commit()
    try:
        with connection.transaction():
            known = file_ledger.find_complete(connection, release_tag, product, path.name)
            if known is not None and known.sha256 == sha256:
                return IngestedFile(path, product, known.file_id, "skipped", known.n_rows, known.n_quarantined)
            if known is not None:
                if not replace:
                    raise FormatError(
                        f"{path} differs from the {path.name} that is in the database already "
                        f"(release {release_tag}, product {product}).",
                        "Ingest it with --replace if it is to take the old one's place.",
                    )
                file_ledger.replace_file(connection, known.file_id, list(definition.tables))
            return _read_file(connection, path, definition, release_tag, reading, sha256, progress, apart)
    except (FormatError, psycopg.DataError, psycopg.IntegrityError) as error:
        if apart is not None and apart.later is None and isinstance(error, psycopg.errors.UniqueViolation):
            raise OverlapError from error
        refusal = _refusal(path, error) if isinstance(error, psycopg.Error) else error
        with connection.transaction():
            file_ledger.record_refusal(connection, path, product, release_tag, sha256, str(refusal))
        if refusal is error:
            raise
        raise refusal from error


def _read_file(
    connection: Connection,
    path: Path,
    product: Product,
    release_tag: str,
    reading: Reading,
    sha256: str,
    progress: Progress,
    apart: Apart | None,
) -> IngestedFile:
    start = time.perf_counter()
    file_id = file_ledger.begin_file(connection, path, product.name, release_tag, sha256)
    survey = reading.survey()
    n_rows = 0
    rules: Counter[str] = Counter()
    for batch in reading.batches():
        checked = _without_duplicates(connection, product, release_tag, file_id, batch, apart)
        _copy_rows(connection, path, product, release_tag, file_id, checked)
        _copy_rejections(connection, file_id, checked.rejections)
        n_rows += len(checked)
        rules.update(rejection.rule for rejection in checked.rejections)
        progress(checked.fraction, 1.0, path.name)
    wall_s = time.perf_counter() - start
    file_ledger.complete_file(connection, file_id, n_rows, rules.total(), wall_s, survey.notices.sentences)
    return IngestedFile(path, product.name, file_id, "complete", n_rows, rules.total(), wall_s, rules, survey.notices)


def _without_duplicates(
    connection: Connection,
    product: Product,
    release_tag: str,
    file_id: int,
    batch: SurveyBatch,
    apart: Apart | None,
) -> SurveyBatch:
    """Set aside stars that the release has already: the first row in the first file counts."""
    if not product.keyed_by_source or not len(batch):
        return batch
    ids = np.ma.getdata(batch.columns["source_id"])
    screen = Screen(batch.columns, batch.row_number, ids, list(batch.rejections))
    table = next(iter(product.tables))
    rows = connection.execute(
        f"SELECT t.source_id, t.file_id, f.name FROM {table} t JOIN production.ingest_file f USING (file_id) "
        "WHERE t.release = %s AND t.source_id = ANY(%s)",
        (release_tag, np.unique(ids).tolist()),
    ).fetchall()
    if apart is not None:
        others = {name for _, other, name in rows if other > apart.since and other != file_id}
        if others := others if apart.later is None else others & apart.later:
            raise OverlapError(others)
    if rows:
        names = {source_id: "in this file" if other == file_id else f"in {name}" for source_id, other, name in rows}
        seen = np.isin(ids, np.array(list(names), dtype=np.int64))
        screen.reject(seen, "duplicate", lambda i: f"source_id {ids[i]} occurs before {names[int(ids[i])]}")
    # Batches are sorted by source_id, rows of one star in the order of the file.
    again = np.zeros(len(ids), dtype=bool)
    again[1:] = ids[1:] == ids[:-1]
    screen.reject(again, "duplicate", lambda i: f"source_id {ids[i]} occurs before in this file")
    return screen.batch(batch.fraction)


def _copy_rows(
    connection: Connection, path: Path, product: Product, release_tag: str, file_id: int, batch: SurveyBatch
) -> None:
    n_rows = len(batch)
    if not n_rows:
        return
    keys: dict[str, object] = {"file_id": np.full(n_rows, file_id, dtype=np.int64)}
    if product.keyed_by_source:
        keys["release"] = [release_tag] * n_rows
    else:
        keys["row_number"] = batch.row_number
    for table, columns in product.tables.items():
        try:
            copy_in(connection, table, {**keys, **{name: batch.columns[name] for name in columns}})
        except ValueError as error:
            raise FormatError(f"{path}: {error}") from error


def _copy_rejections(connection: Connection, file_id: int, rejections: list[Rejection]) -> None:
    if rejections:
        columns = {
            "file_id": np.full(len(rejections), file_id, dtype=np.int64),
            "row_number": np.array([rejection.row_number for rejection in rejections], dtype=np.int64),
            "identifier": [rejection.identifier for rejection in rejections],
            "rule": [rejection.rule for rejection in rejections],
            "reason": [rejection.reason for rejection in rejections],
        }
        copy_in(connection, "production.quarantine", columns)


def _refusal(path: Path, error: psycopg.Error) -> FormatError:
    message = error.diag.message_primary or error
    return FormatError(f"{path}: the database does not take its rows: {message}.", "Nothing of the file was kept.")

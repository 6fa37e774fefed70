"""Files read as parts, several at once: the rows of reading them one after the other."""

from pathlib import Path

import psycopg
import pytest

from catalog.database.ledger import Run, StageResult, perform
from catalog.settings import Settings
from catalog.surveys.ingest import ingest_surveys
from catalog.tasks import distribute_by
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk
from tests.surveys.ingested import GAIA, RVS, Rows
from tests.task_runners import OddRunner

SPECTRA = "SELECT source_id, flux, combined_transits FROM survey.rvs_spectrum ORDER BY source_id"
ERRORS = "SELECT source_id, flux_error FROM survey.rvs_spectrum_error ORDER BY source_id"
SOURCES = "SELECT source_id, ra FROM survey.gaia_source ORDER BY source_id"
QUARANTINE = (
    "SELECT name, row_number, identifier, rule, reason FROM production.quarantine JOIN production.ingest_file "
    "USING (file_id) ORDER BY name, row_number"
)
FILES = (
    "SELECT product, name, status, n_rows, n_quarantined, message FROM production.ingest_file ORDER BY product, name"
)


@pytest.fixture
def folder(settings: Settings, run: Run) -> Path:
    """Files of which every one but the last has stars of the next, a bad one, and one of another product."""
    folder = settings.surveys / run.release
    for number, name in enumerate("abcd"):
        write_bulk(folder / RVS / f"{name}.csv.gz", RVS, spectra(4, first_id=FIRST_ID + 3 * number, seed=number))
    write_bulk(folder / RVS / "e.csv.gz", RVS, spectra(2, first_id=FIRST_ID + 100))
    write_bulk(folder / RVS / "f.csv.gz", RVS, spectra(2, first_id=FIRST_ID + 200, n_pixels=7))
    write_bulk(folder / GAIA / "a.csv.gz", GAIA, gaia_sources(6))
    return folder


def everything(rows: Rows) -> dict[str, object]:
    return {query: rows(query) for query in (SPECTRA, ERRORS, SOURCES, QUARANTINE, FILES)}


def forget(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM production.ingest_file")
    connection.commit()


def test_files_at_once_leave_the_same_rows(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    here = ingest_surveys(connection, run, settings)
    assert here.counts["files_refused"] == 1
    whole = everything(rows)
    assert len(rows(QUARANTINE)) == 3
    forget(connection)
    # The last file is read first, and keeps what the earlier ones should have: it must be taken back.
    runner = OddRunner(lost=[3])
    told: list[tuple[float, float, str]] = []
    with distribute_by(runner):
        result = ingest_surveys(connection, run, settings, lambda *words: told.append(words))
    assert everything(rows) == whole
    assert result.counts == here.counts
    assert sorted(result.notes) == sorted([*here.notes, "Lost with their workers and done again: 1 of 7 parts."])
    assert len(runner.done) == 7
    assert told[-1][0] == told[-1][1]
    with distribute_by(runner):
        again = ingest_surveys(connection, run, settings)
    assert everything(rows) == whole
    assert (again.counts["files_read"], again.counts["files_skipped"]) == (0, 6)


def test_reading_that_was_stopped_goes_on_to_the_same_rows(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    ingest_surveys(connection, run, settings)
    whole = everything(rows)
    forget(connection)

    def work() -> StageResult:
        return ingest_surveys(connection, run, settings)

    # Stopped when the later files are in, and the earlier ones are not.
    with distribute_by(OddRunner(stop_after=3)), pytest.raises(KeyboardInterrupt):
        perform(connection, run, "ingest", "key", work)
    with distribute_by(OddRunner()):
        perform(connection, run, "ingest", "key", work)
    assert everything(rows) == whole


def test_stars_that_were_there_before_are_set_aside_as_ever(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    (folder / RVS / "b.csv.gz").rename(folder / RVS / "b.part")
    ingest_surveys(connection, run, settings)
    (folder / RVS / "b.part").rename(folder / RVS / "b.csv.gz")
    with distribute_by(OddRunner()):
        result = ingest_surveys(connection, run, settings)
    assert f"{RVS}/b.csv.gz: 2 rows set aside (duplicate 2)" in result.notes
    # The file that came later gives way, though its name comes first.
    assert [row[:2] for row in rows(QUARANTINE)] == [("b.csv.gz", 1), ("b.csv.gz", 4), ("d.csv.gz", 1)]

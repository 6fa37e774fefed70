"""Survey files into PostgreSQL: all good rows or none, nothing twice, and a record of what was set aside."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.errors import FormatError, NotFoundError
from catalog.releases import Release
from catalog.settings import Settings
from catalog.surveys import PRODUCTS, ingest_file
from catalog.surveys.formats import text
from catalog.surveys.ingest import IngestedFile, ingest_path, ingest_surveys
from tests.surveys.datalink_files import pixel_csv, pixel_fits, write_zip
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk, xp_coefficients

RVS, XP, GAIA = "rvs_mean_spectrum", "xp_continuous_mean_spectrum", "gaia_source"

Ingest = Callable[..., IngestedFile]
Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def ingest(connection: psycopg.Connection, release: Release) -> Ingest:
    def one_file(path: Path, product: str = RVS, **options: Any) -> IngestedFile:
        return ingest_path(connection, path, product, "dr3", release, **options)

    return one_file


@pytest.fixture
def rows(settings: Settings) -> Rows:
    """Ask the database through another connection, which sees only what was committed."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        assert settings.database_url is not None
        with psycopg.connect(settings.database_url) as other:
            return other.execute(statement).fetchall()

    return query


def count(rows: Rows, table: str) -> int:
    return int(rows(f"SELECT count(*) FROM {table}")[0][0])


def ledger(rows: Rows) -> list[tuple[Any, ...]]:
    return rows("SELECT name, status, n_rows, n_quarantined FROM production.ingest_file ORDER BY file_id")


def quarantine(rows: Rows) -> list[tuple[Any, ...]]:
    return rows("SELECT row_number, identifier, rule FROM production.quarantine ORDER BY file_id, row_number")


def raiser(error: BaseException | type[BaseException]) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_spectra_arrive_bit_for_bit(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = spectra(5)
    outcome = ingest(write_bulk(tmp_path / "a.csv.gz", RVS, columns))
    assert (outcome.status, outcome.n_rows, outcome.n_quarantined) == ("complete", 5, 0)
    stored = rows(
        "SELECT s.source_id, flux, flux_error, combined_transits, s.file_id FROM survey.rvs_spectrum s "
        "JOIN survey.rvs_spectrum_error e USING (release, source_id) WHERE release = 'dr3' ORDER BY source_id"
    )
    assert [row[0] for row in stored] == columns["source_id"]
    for row, flux, error in zip(stored, columns["flux"], columns["flux_error"], strict=True):
        np.testing.assert_array_equal(np.frombuffer(row[1], dtype="<f4"), flux)
        np.testing.assert_array_equal(np.frombuffer(row[2], dtype="<f4"), error)
        assert row[3:] == (9, outcome.file_id)
    assert ledger(rows) == [("a.csv.gz", "complete", 5, 0)]


def test_ledger_holds_checksum_size_and_notices(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = tmp_path / "a.csv"
    path.write_text("source_id,ra,dec,colour\n12,1.5,2.5,red\n")
    ingest(path, GAIA)
    [(sha256, n_bytes, stored_path, message)] = rows("SELECT sha256, bytes, path, message FROM production.ingest_file")
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (n_bytes, stored_path) == (path.stat().st_size, str(path))
    assert "columns not used: 1 (colour)" in message


def test_star_without_bp_has_null_coefficients(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = xp_coefficients(3)
    columns["bp_coefficients"][1] = None
    ingest(write_bulk(tmp_path / "a.csv.gz", XP, columns), XP)
    stored = rows("SELECT bp_coefficients, rp_coefficients FROM survey.xp_coefficients ORDER BY source_id")
    assert [row[0] is None for row in stored] == [False, True, False]
    np.testing.assert_array_equal(np.frombuffer(stored[1][1], dtype="<f8"), columns["rp_coefficients"][1])


def test_gaia_source_values_and_nulls(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = gaia_sources(2)
    for name in ("parallax", "has_rvs", "phot_variable_flag", "non_single_star"):
        columns[name][1] = None
    ingest(write_bulk(tmp_path / "a.csv.gz", GAIA, columns), GAIA)
    stored = rows(
        "SELECT ra, parallax, has_rvs, phot_variable_flag, non_single_star FROM survey.gaia_source ORDER BY source_id"
    )
    assert stored == [(44.99615537864534, 2.5, False, "NOT_AVAILABLE", 3), (45.99615537864534, None, None, None, None)]


def test_bad_rows_are_quarantined_and_the_others_stay(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = spectra(5)
    columns["flux"][1] = columns["flux"][1][:-1]
    columns["flux"][3] = np.full(2401, np.nan, dtype=np.float32)
    outcome = ingest(write_bulk(tmp_path / "a.csv.gz", RVS, columns))
    assert (outcome.n_rows, outcome.n_quarantined) == (3, 2)
    assert str(outcome) == "a.csv.gz: 3 rows: 2 rows set aside (all_nan 1, n_pixels 1)"
    assert quarantine(rows) == [(2, str(FIRST_ID + 1), "n_pixels"), (4, str(FIRST_ID + 3), "all_nan")]
    assert count(rows, "survey.rvs_spectrum") == count(rows, "survey.rvs_spectrum_error") == 3


@pytest.mark.parametrize("block_bytes", [16 << 20, 40_000], ids=["one block", "many blocks"])
def test_duplicates_within_a_file(
    tmp_path: Path, ingest: Ingest, rows: Rows, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    columns = spectra(6)
    columns["source_id"][3] = columns["source_id"][5] = FIRST_ID + 1
    ingest(write_bulk(tmp_path / "a.csv.gz", RVS, columns))
    assert quarantine(rows) == [(4, str(FIRST_ID + 1), "duplicate"), (6, str(FIRST_ID + 1), "duplicate")]
    [(flux,)] = rows(f"SELECT flux FROM survey.rvs_spectrum WHERE source_id = {FIRST_ID + 1}")
    np.testing.assert_array_equal(np.frombuffer(flux, dtype="<f4"), columns["flux"][1])


def test_duplicates_between_files(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    ingest(write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3)))
    outcome = ingest(write_bulk(tmp_path / "b.csv.gz", RVS, spectra(3, first_id=FIRST_ID + 2, seed=8)))
    assert (outcome.n_rows, outcome.rules) == (2, {"duplicate": 1})
    [(reason,)] = rows("SELECT reason FROM production.quarantine")
    assert reason == f"source_id {FIRST_ID + 2} occurs before in a.csv.gz"
    assert count(rows, "survey.rvs_spectrum") == 5


def test_releases_do_not_mix(
    tmp_path: Path, ingest: Ingest, rows: Rows, connection: psycopg.Connection, release: Release
) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    ingest(path)
    ingest_path(connection, path, RVS, "dr3-mock-9-9", release)
    assert rows("SELECT release, count(*) FROM survey.rvs_spectrum GROUP BY 1 ORDER BY 1") == [
        ("dr3", 3),
        ("dr3-mock-9-9", 3),
    ]


def test_the_same_file_is_read_once(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    first = ingest(path)
    second = ingest(path)
    assert (second.status, second.n_rows, second.file_id) == ("skipped", 3, first.file_id)
    assert "in the database already" in str(second)
    assert ledger(rows) == [("a.csv.gz", "complete", 3, 0)]
    assert count(rows, "survey.rvs_spectrum") == 3


def test_other_content_under_the_same_name_is_refused(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    ingest(path)
    write_bulk(path, RVS, spectra(2, seed=8))
    for _ in range(2):
        with pytest.raises(FormatError, match=r"differs from the a\.csv\.gz that is in the database") as caught:
            ingest(path)
        assert "--replace" in caught.value.remedy
    assert ledger(rows) == [("a.csv.gz", "complete", 3, 0), ("a.csv.gz", "refused", 0, 0)]
    assert count(rows, "survey.rvs_spectrum") == 3


def test_replacement_leaves_nothing_of_the_old_file(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    ingest(path)
    columns = spectra(2, first_id=FIRST_ID + 1, seed=8)
    write_bulk(path, RVS, columns)
    outcome = ingest(path, replace=True)
    assert (outcome.status, outcome.n_rows, outcome.n_quarantined) == ("complete", 2, 0)
    assert ledger(rows) == [("a.csv.gz", "replaced", 3, 0), ("a.csv.gz", "complete", 2, 0)]
    for table in ("survey.rvs_spectrum", "survey.rvs_spectrum_error"):
        assert rows(f"SELECT source_id, file_id FROM {table} ORDER BY 1") == [
            (FIRST_ID + 1, outcome.file_id),
            (FIRST_ID + 2, outcome.file_id),
        ]


def test_bad_replacement_leaves_the_old_file_in_place(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    ingest(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError, match="truncated"):
        ingest(path, replace=True)
    assert [row[:2] for row in ledger(rows)] == [("a.csv.gz", "complete"), ("a.csv.gz", "refused")]
    assert count(rows, "survey.rvs_spectrum") == 3


def test_truncated_file_leaves_no_row(
    tmp_path: Path, ingest: Ingest, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks so small that rows have been copied before the end is missed.
    monkeypatch.setattr(text, "BLOCK_BYTES", 60_000)
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(20))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="truncated"):
        ingest(path)
    assert count(rows, "survey.rvs_spectrum") == count(rows, "production.quarantine") == 0
    [(status, n_rows, message)] = rows("SELECT status, n_rows, message FROM production.ingest_file")
    assert (status, n_rows) == ("refused", 0)
    assert "a.csv.gz is truncated or damaged" in message


def test_refusal_is_forgotten_when_the_same_bytes_are_taken(
    tmp_path: Path, ingest: Ingest, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(2))

    with monkeypatch.context() as patch:
        patch.setattr(ingest_file, "_copy_rejections", raiser(FormatError("no")))
        with pytest.raises(FormatError):
            ingest(path)
    assert [row[1] for row in ledger(rows)] == ["refused"]
    ingest(path)
    assert [row[1] for row in ledger(rows)] == ["complete"]


def test_interruption_leaves_nothing(
    tmp_path: Path,
    ingest: Ingest,
    rows: Rows,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    for error in (KeyboardInterrupt, RuntimeError, MemoryError):
        with monkeypatch.context() as patch:
            patch.setattr(ingest_file.file_ledger, "complete_file", raiser(error))
            with pytest.raises(error):
                ingest(path)
        assert ledger(rows) == []
        assert count(rows, "survey.rvs_spectrum") == 0
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert ingest(path).n_rows == 3


def test_server_that_goes_away_leaves_nothing(
    tmp_path: Path, ingest: Ingest, rows: Rows, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 60_000)
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(6))
    backend = connection.info.backend_pid

    def terminate(*_: Any) -> None:
        rows(f"SELECT pg_terminate_backend({backend})")

    with pytest.raises(psycopg.OperationalError):
        ingest(path, progress=terminate)
    assert ledger(rows) == []
    assert count(rows, "survey.rvs_spectrum") == 0


def test_what_the_database_refuses_is_a_refusal_of_the_file(
    tmp_path: Path, ingest: Ingest, rows: Rows, connection: psycopg.Connection
) -> None:
    connection.execute("ALTER TABLE survey.gaia_source ADD CONSTRAINT bright CHECK (phot_g_mean_mag < 1)")
    path = write_bulk(tmp_path / "a.csv.gz", GAIA, gaia_sources(2))
    with pytest.raises(FormatError, match=r"a\.csv\.gz: the database does not take its rows: .*bright"):
        ingest(path, GAIA)
    assert [row[1] for row in ledger(rows)] == ["refused"]
    connection.execute("ALTER TABLE survey.gaia_source DROP CONSTRAINT bright")
    connection.commit()


def test_two_processes_with_one_file(tmp_path: Path, ingest: Ingest, settings: Settings, release: Release) -> None:
    path = write_bulk(tmp_path / "a.csv.gz", RVS, spectra(3))
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as other:
        other.execute("SET lock_timeout = '200ms'")
        other.commit()
        outcomes = []

        def also_there(*_: Any) -> None:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                ingest_path(other, path, RVS, "dr3", release)
            outcomes.append("waited")

        assert ingest(path, progress=also_there).status == "complete"
        assert ingest_path(other, path, RVS, "dr3", release).status == "skipped"
    assert outcomes == ["waited"]


def test_an_archive_is_one_file(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = spectra(4)
    columns["flux"][2] = np.full(2401, np.nan, dtype=np.float32)
    members = {f"RVS-Gaia DR3 {FIRST_ID + i}.csv": pixel_csv(columns, i) for i in (3, 1, 0, 2)}
    path = write_zip(tmp_path / "datalink_output.zip", members)
    outcome = ingest(path)
    assert (outcome.status, outcome.n_rows, outcome.rules) == ("complete", 3, {"all_nan": 1})
    assert ledger(rows) == [("datalink_output.zip", "complete", 3, 1)]
    stored = rows("SELECT source_id, flux FROM survey.rvs_spectrum ORDER BY source_id")
    assert [source_id for source_id, _ in stored] == [FIRST_ID, FIRST_ID + 1, FIRST_ID + 3]
    np.testing.assert_array_equal(np.frombuffer(stored[2][1], dtype="<f4"), columns["flux"][3])
    assert rows("SELECT identifier, reason FROM production.quarantine") == [
        (str(FIRST_ID + 2), f"RVS-Gaia DR3 {FIRST_ID + 2}.csv, row 1: no pixel has a flux")
    ]
    assert ingest(path).status == "skipped"


def test_a_damaged_archive_leaves_no_row(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    columns = spectra(3)
    members = {f"RVS-Gaia DR3 {FIRST_ID + i}.fits": pixel_fits(columns, i) for i in range(3)}
    last = list(members)[-1]
    members[last] = members[last][:6000]
    with pytest.raises(FormatError, match=last):
        ingest(write_zip(tmp_path / "a.zip", members))
    assert [row[1] for row in ledger(rows)] == ["refused"]
    assert count(rows, "survey.rvs_spectrum") == 0


def test_external_rows_of_a_release_under_another_name(
    tmp_path: Path, ingest: Ingest, rows: Rows, connection: psycopg.Connection, release: Release
) -> None:
    path = tmp_path / "members.csv"
    path.write_text("Cluster,source_id,Proba\nNGC_2682,12,0.9\n")
    ingest(path, "clusters")
    path.write_text("Cluster,source_id,Proba\nNGC_2682,12,0.9\nNGC_2682,13,0.8\n")
    ingest_path(connection, path, "clusters", "dr3-again", release)
    assert rows(
        "SELECT f.release, count(*) FROM survey.cluster_member m JOIN production.ingest_file f USING (file_id) "
        "WHERE f.status = 'complete' GROUP BY 1 ORDER BY 1"
    ) == [("dr3", 1), ("dr3-again", 2)]


def test_external_survey_rows_keep_their_number(tmp_path: Path, ingest: Ingest, rows: Rows) -> None:
    path = tmp_path / "members.csv"
    path.write_text("Cluster,source_id,Proba\nNGC_2682,12,0.9\nNGC_2682,,1.0\nMelotte_25,12,0.8\n")
    outcome = ingest(path, "clusters")
    assert rows("SELECT file_id, row_number, cluster, gaia_release, source_id, proba FROM survey.cluster_member") == [
        (outcome.file_id, 1, "NGC_2682", "dr3", 12, pytest.approx(0.9)),
        (outcome.file_id, 3, "Melotte_25", "dr3", 12, pytest.approx(0.8)),
    ]
    assert quarantine(rows) == [(2, None, "source_id")]


# Stage


@pytest.fixture
def folder(settings: Settings, run: Run) -> Path:
    """A release's folder with two files of spectra, one of sources, and what is not to be read."""
    folder = settings.surveys / run.release
    write_bulk(folder / RVS / "RvsMeanSpectrum_000000-000001.csv.gz", RVS, spectra(3))
    write_bulk(folder / RVS / "RvsMeanSpectrum_000002-000003.csv.gz", RVS, spectra(3, first_id=FIRST_ID + 3))
    write_bulk(folder / GAIA / "GaiaSource_000000-000003.csv.gz", GAIA, gaia_sources(6))
    for name in ("_MD5SUM.txt", ".part", "manifest.json", "MANIFEST.tsv"):
        (folder / RVS / name).write_text("nothing to read")
    (folder / "pictures").mkdir()
    return folder


def test_stage_reads_the_folder(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    told: list[tuple[float, float, str]] = []
    result = ingest_surveys(connection, run, settings, lambda done, total, what="": told.append((done, total, what)))
    assert result.counts == {
        "files": 3,
        "files_read": 3,
        "files_skipped": 0,
        "files_refused": 0,
        "rows_gaia_source": 6,
        "rows_rvs_mean_spectrum": 6,
        "rows_quarantined": 0,
    }
    assert "no file of apogee" in result.notes
    assert "columns not used: gaia_source 2, rvs_mean_spectrum 3" in result.notes
    assert "not read: pictures is not the folder of a product" in result.notes
    assert rows("SELECT DISTINCT release FROM survey.rvs_spectrum") == [(run.release,)]
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1] == sum(path.stat().st_size for path in folder.glob("*/*.csv.gz"))
    assert {step[2] for step in told} >= {"gaia_source/GaiaSource_000000-000003.csv.gz"}


def test_stage_twice_reads_nothing_again(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    ingest_surveys(connection, run, settings)
    before = rows("SELECT * FROM production.ingest_file ORDER BY file_id")
    result = ingest_surveys(connection, run, settings)
    assert (result.counts["files_read"], result.counts["files_skipped"]) == (0, 3)
    assert result.counts["rows_rvs_mean_spectrum"] == 6
    assert rows("SELECT * FROM production.ingest_file ORDER BY file_id") == before


def test_stage_goes_on_after_a_bad_file(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path, rows: Rows
) -> None:
    bad = folder / RVS / "RvsMeanSpectrum_000000-000001.csv.gz"
    bad.write_bytes(bad.read_bytes()[:-100])
    (folder / XP).mkdir()
    (folder / XP / "XpContinuousMeanSpectrum_000000-000003.csv.gz").write_bytes(b"")
    result = ingest_surveys(connection, run, settings)
    assert (result.counts["files_read"], result.counts["files_refused"]) == (2, 2)
    refusals = [note for note in result.notes if note.startswith("refused: ")]
    assert len(refusals) == 2
    assert str(bad) in refusals[0]
    assert "is empty" in refusals[1]
    assert rows("SELECT min(source_id), count(*) FROM survey.rvs_spectrum") == [(FIRST_ID + 3, 3)]
    assert rows("SELECT count(*) FROM production.ingest_file WHERE status = 'refused'") == [(2,)]


def test_stage_reports_rows_that_were_set_aside(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path
) -> None:
    write_bulk(folder / RVS / "RvsMeanSpectrum_000004-000005.csv.gz", RVS, spectra(2, first_id=FIRST_ID + 5))
    result = ingest_surveys(connection, run, settings)
    assert result.counts["rows_quarantined"] == 1
    assert "rvs_mean_spectrum/RvsMeanSpectrum_000004-000005.csv.gz: 1 rows set aside (duplicate 1)" in result.notes


def test_star_comes_back_when_the_file_that_held_it_is_replaced(
    connection: psycopg.Connection, run: Run, settings: Settings, release: Release, rows: Rows
) -> None:
    folder = settings.surveys / run.release / RVS
    first = write_bulk(folder / "a.csv.gz", RVS, spectra(3))
    second = spectra(4, first_id=FIRST_ID + 1, seed=8)
    write_bulk(folder / "b.csv.gz", RVS, second)
    ingest_surveys(connection, run, settings)
    assert quarantine(rows) == [(1, str(FIRST_ID + 1), "duplicate"), (2, str(FIRST_ID + 2), "duplicate")]
    # The new file has the first of the two only.
    write_bulk(first, RVS, spectra(2, seed=9))
    ingest_path(connection, first, RVS, run.release, release, replace=True)
    assert count(rows, "survey.rvs_spectrum") == 4
    result = ingest_surveys(connection, run, settings)
    assert f"read again: {RVS}/b.csv.gz, as no other file has 1 star of it any more" in result.notes
    assert (result.counts["files_read"], result.counts["files_skipped"]) == (1, 1)
    stored = rows("SELECT source_id, flux FROM survey.rvs_spectrum ORDER BY source_id")
    assert [source_id for source_id, _ in stored] == [FIRST_ID + i for i in range(5)]
    np.testing.assert_array_equal(np.frombuffer(stored[2][1], dtype="<f4"), second["flux"][1])
    assert count(rows, "survey.rvs_spectrum_error") == 5
    assert rows("SELECT name, status, n_rows FROM production.ingest_file ORDER BY file_id") == [
        ("a.csv.gz", "replaced", 3),
        ("b.csv.gz", "replaced", 2),
        ("a.csv.gz", "complete", 2),
        ("b.csv.gz", "complete", 3),
    ]
    before = rows("SELECT * FROM production.ingest_file ORDER BY file_id")
    result = ingest_surveys(connection, run, settings)
    assert result.counts["files_skipped"] == 2
    assert rows("SELECT * FROM production.ingest_file ORDER BY file_id") == before


def test_a_file_that_has_changed_is_not_read_again_unasked(
    connection: psycopg.Connection, run: Run, settings: Settings, release: Release, rows: Rows
) -> None:
    folder = settings.surveys / run.release / RVS
    first = write_bulk(folder / "a.csv.gz", RVS, spectra(2))
    other = write_bulk(folder / "b.csv.gz", RVS, spectra(2, first_id=FIRST_ID + 1))
    ingest_surveys(connection, run, settings)
    write_bulk(first, RVS, spectra(1))
    ingest_path(connection, first, RVS, run.release, release, replace=True)
    write_bulk(other, RVS, spectra(3, first_id=FIRST_ID + 1))
    result = ingest_surveys(connection, run, settings)
    assert result.counts["files_refused"] == 1
    assert rows("SELECT source_id FROM survey.rvs_spectrum ORDER BY 1") == [(FIRST_ID,), (FIRST_ID + 2,)]


def test_stage_does_not_read_what_is_no_table(
    connection: psycopg.Connection, run: Run, settings: Settings, folder: Path
) -> None:
    (folder / RVS / "RvsMeanSpectrum_000004-000005.csv.gz.part").write_bytes(b"half a file")
    (folder / "clusters").mkdir()
    (folder / "clusters" / "ReadMe").write_text("describes a table beside it")
    result = ingest_surveys(connection, run, settings)
    assert (result.counts["files"], result.counts["files_refused"]) == (3, 0)


def test_stage_without_files(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    folder = settings.surveys / run.release
    with pytest.raises(NotFoundError, match=rf"no folder of survey files .*{run.release}") as caught:
        ingest_surveys(connection, run, settings)
    assert "rvs_mean_spectrum" in caught.value.remedy
    (folder / RVS).mkdir(parents=True)
    (folder / RVS / "_MD5SUM.txt").write_text("")
    with pytest.raises(NotFoundError, match="No survey file in") as caught:
        ingest_surveys(connection, run, settings)
    assert "rvs_mean_spectrum" in caught.value.remedy


def test_real_files_of_all_products(
    connection: psycopg.Connection, run: Run, settings: Settings, real_data: Path, rows: Rows
) -> None:
    chosen = {
        GAIA: ["gaia_source/gaia_source_tap_5rows_153cols.ecsv", "gaia_source/gaia_source_tap_1row_152cols.vot"],
        "astrophysical_parameters": ["gaia_source/gspspec_odette_1row.vot"],
        RVS: sorted(str(path.relative_to(real_data)) for path in (real_data / "rvs").glob("rvs_*")),
        XP: ["xp/xp_continuous_raw_missing_bp_3rows.xml", "xp/xp_continuous_flat_2000stars.fits"],
        "apogee": ["apogee/allstarlite_dr17_x_montalban2021_95rows.fits"],
        "galah": ["galah/galah_dr3_allstar_m67_lite_813rows.csv"],
        "k2gap": ["k2gap/apo_k2_catalog_7672rows.csv"],
        "clusters": [
            "clusters/oc_members_gaiadr3_mh_gspspec_2174rows.fits",
            "clusters/cantatgaudin2020_members/IC_2391.txt",
        ],
        "starhorse": ["k2gap/k2_galah_zinn2022_x_starhorse_1347rows.fits"],
    }
    for product, names in chosen.items():
        folder = settings.surveys / run.release / product
        folder.mkdir(parents=True)
        for name in names:
            shutil.copy(real_data / name, folder)
    result = ingest_surveys(connection, run, settings)
    assert result.counts["files_refused"] == 0
    stored = {
        name: count(rows, next(iter(product.tables))) for name, product in PRODUCTS.items() if name != "mock_truth"
    }
    assert stored == {
        GAIA: 6,
        "astrophysical_parameters": 1,
        RVS: 9,
        XP: 2003,
        "apogee": 95,
        "galah": 813,
        "k2gap": 7672,
        "clusters": 2390,
        "starhorse": 1316,
        "dr2_neighbourhood": 0,
        "rvs_cnn": 0,
    }
    assert not {"no file of dr2_neighbourhood", "no file of rvs_cnn"} & set(result.notes), "they are not missed"
    assert result.counts["rows_quarantined"] == count(rows, "production.quarantine") == 31
    assert rows("SELECT aspcapflag, teff FROM survey.apogee_star WHERE apogee_id = '2M19441360+4546111'") == [
        (2199031644224, None)
    ]
    assert rows("SELECT octet_length(flux) FROM survey.rvs_spectrum") == [(9604,)] * 9
    assert rows("SELECT gaia_release, count(*) FROM survey.cluster_member GROUP BY 1 ORDER BY 1") == [
        ("dr2", 216),
        ("dr3", 2174),
    ]

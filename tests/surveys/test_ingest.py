"""Survey files into PostgreSQL: all good rows or none, nothing twice, and a record of what was set aside."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.settings import Settings
from catalog.surveys import ingest_file
from catalog.surveys.formats import text
from catalog.surveys.ingest import ingest_path
from tests.surveys.datalink_files import pixel_csv, pixel_fits, write_zip
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk, xp_coefficients
from tests.surveys.ingested import GAIA, RVS, XP, Ingest, Rows, count, ledger, quarantine


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

"""The stage that reads a folder of survey files: what it takes, leaves, reads again and tells."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.errors import NotFoundError
from catalog.releases import Release
from catalog.settings import Settings
from catalog.surveys import PRODUCTS
from catalog.surveys.ingest import ingest_path, ingest_surveys
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk
from tests.surveys.ingested import GAIA, RVS, XP, Rows, count, quarantine


def raiser(error: BaseException | type[BaseException]) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


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

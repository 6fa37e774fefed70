"""The published catalogue in the forms of archives, and our own exports of it read back."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.table import Table

from catalog.errors import FormatError
from catalog.metadata.columns import RVS_CNN
from catalog.publish.formats import WRITERS, Facts, row_type
from catalog.releases import Release
from catalog.surveys import open_survey
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.ingest import ingest_path

Read = Callable[[Path, str], SurveyBatch]
FLAGS = ["00000000", "01000001", "10000000", "11111111", "00000000"]
IDS = [19, 2048, 5937083312263887616, 6917528443525529728, 9007199254740993]
NUMBERS = [name for name in RVS_CNN.column_names if name not in ("sourceid", "flag_boundary")]


def catalogue() -> np.ndarray:
    """Rows of Table 2 with values that only come back when every bit does."""
    rows = np.zeros(len(IDS), dtype=row_type(RVS_CNN))
    generator = np.random.default_rng(3)
    for name in NUMBERS:
        rows[name] = generator.normal(5000 if "teff" in name else 1, 1, len(IDS)).astype(np.float32)
    rows["mh"] = [-0.0, np.finfo("f4").tiny, np.nextafter(np.float32(1), np.float32(2)), 1e-38, -2.25]
    rows["sourceid"] = [str(source_id).encode() for source_id in IDS]
    rows["flag_boundary"] = [flag.encode() for flag in FLAGS]
    return rows


def check(batch: SurveyBatch, rows: np.ndarray) -> None:
    assert batch.columns["source_id"].tolist() == IDS
    assert batch.columns["flag_boundary"].tolist() == FLAGS
    for name in NUMBERS:
        assert batch.columns[name].dtype == np.float32
        assert batch.columns[name].tobytes() == rows[name].tobytes(), name
    assert not batch.rejections


@pytest.mark.parametrize("form", list(WRITERS))
def test_own_exports_come_back_exactly(tmp_path: Path, read: Read, form: str) -> None:
    rows = catalogue()
    facts = Facts("a catalogue", 1, 1, len(rows), "0" * 64, "2026-01-01", "rvscat")
    path = tmp_path / f"rvs_cnn.{WRITERS[form].extension}"
    writer = WRITERS[form](path, RVS_CNN, facts)
    writer.write(rows[:3])
    writer.write(rows[3:])
    writer.close()
    check(read(path, "rvs_cnn"), rows)


def archive_table(rows: np.ndarray, flag: Any, identifier: str = "source_id") -> Table:
    """The catalogue as a table service gives it."""
    columns: dict[str, Any] = {identifier: np.array(IDS), **{name: rows[name] for name in NUMBERS}}
    return Table({**columns, "flag_boundary": flag, "row_id": np.arange(len(rows))})


@pytest.mark.parametrize("form", ["fits", "votable", "ascii.csv", "ascii.ecsv"])
@pytest.mark.parametrize("identifier", ["source_id", "SOURCEID"])
def test_forms_of_a_table_service(tmp_path: Path, read: Read, form: str, identifier: str) -> None:
    rows = catalogue()
    path = tmp_path / "catalogue"
    archive_table(rows, np.array(FLAGS), identifier).write(path, format=form)
    check(read(path, "rvs_cnn"), rows)
    path.write_bytes(gzip.compress(path.read_bytes()))
    check(read(path, "rvs_cnn"), rows)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.float64])
@pytest.mark.parametrize("form", ["fits", "votable", "ascii.csv"])
def test_flag_that_became_a_number_gets_its_zeros_back(
    tmp_path: Path, read: Read, release: Release, form: str, kind: type
) -> None:
    rows = catalogue()
    path = tmp_path / "catalogue"
    archive_table(rows, np.array([int(flag) for flag in FLAGS], dtype=kind)).write(path, format=form)
    check(read(path, "rvs_cnn"), rows)
    survey = open_survey(path, "rvs_cnn", release)
    list(survey.batches())
    assert "rvs_cnn: flag_boundary was a number in 3 rows, leading zeros put back" in survey.notices.sentences


def test_flags_that_are_none_are_set_aside(tmp_path: Path, read: Read) -> None:
    table = archive_table(catalogue(), np.array(["00000002", "", "000000000", "0", "-1"]))
    table.write(tmp_path / "a.csv", format="ascii.csv")
    batch = read(tmp_path / "a.csv", "rvs_cnn")
    assert batch.columns["flag_boundary"].tolist() == ["00000000"]
    assert [(row.row_number, row.rule) for row in batch.rejections] == [(row, "flag_boundary") for row in (1, 2, 3, 5)]
    assert batch.rejections[0].reason == "flag_boundary '00000002' is not 8 digits 0 or 1"


def test_missing_labels_refuse_the_file(tmp_path: Path, read: Read) -> None:
    table = archive_table(catalogue(), np.array(FLAGS))
    table.remove_column("sigma_alpham")
    table.write(tmp_path / "a.fits")
    with pytest.raises(FormatError, match="lacks sigma_alpham, which rvs_cnn needs"):
        read(tmp_path / "a.fits", "rvs_cnn")


def test_rows_in_the_database(tmp_path: Path, connection: psycopg.Connection, release: Release) -> None:
    rows = catalogue()
    archive_table(rows, np.array(FLAGS)).write(tmp_path / "a.fits")
    outcome = ingest_path(connection, tmp_path / "a.fits", "rvs_cnn", "dr3", release)
    stored = connection.execute(
        f"SELECT source_id, {', '.join(NUMBERS)}, flag_boundary, file_id FROM survey.rvs_cnn_star ORDER BY row_number"
    ).fetchall()
    assert [(row[0], *row[-2:]) for row in stored] == [
        (source_id, flag, outcome.file_id) for source_id, flag in zip(IDS, FLAGS, strict=True)
    ]
    np.testing.assert_array_equal(np.array([row[1:-2] for row in stored], dtype="f4"), np.array(rows[NUMBERS].tolist()))


@pytest.mark.parametrize("end", ["PAR1", "footer"])
def test_damaged_parquet_is_refused(tmp_path: Path, read: Read, end: str) -> None:
    path = tmp_path / "a.parquet"
    archive_table(catalogue(), np.array(FLAGS)).write(path, format="parquet")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + (b"PAR1" if end == "PAR1" else b""))
    with pytest.raises(FormatError, match=r"a\.parquet is a truncated or damaged Parquet file"):
        read(path, "rvs_cnn")


def test_parquet_integers_with_nulls_stay_exact(tmp_path: Path, read: Read) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "dr2_source_id": pa.array([IDS[3], None, IDS[4]], pa.int64()),
            "dr3_source_id": pa.array([IDS[2], 7, IDS[4]], pa.int64()),
            "angular_distance": pa.array([0.5, None, 2.0], pa.float32()),
            "proper_motion_propagation": pa.array([True, None, None], pa.bool_()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    batch = read(tmp_path / "a.parquet", "dr2_neighbourhood")
    assert batch.columns["dr2_source_id"].tolist() == [IDS[3], IDS[4]]
    assert batch.columns["proper_motion_propagation"].tolist() == [True, None]
    assert [row.row_number for row in batch.rejections] == [2]


def test_parquet_lists_are_refused_by_name(tmp_path: Path, read: Read) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"source_id": [1], "flux": pa.array([[1.0]]), "flux_error": pa.array([[1.0]])})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(FormatError, match=r"column flux is of the Parquet type list"):
        read(tmp_path / "a.parquet", "rvs_mean_spectrum")

"""Views of reference values: one row a star, of complete files of the release."""

from typing import Any

import numpy as np
import pytest

from catalog.database.queries import load, names
from catalog.validation.moments import moments

VIEWS = (
    "production.apogee_reference",
    "production.galah_reference",
    "production.galah_iron",
    "production.seismic_reference",
    "survey.true_star",
)


def values(catalogue: Any, statement: str, *parameters: object) -> list[Any]:
    return [row[0] for row in catalogue.connection.execute(statement, parameters or None).fetchall()]


@pytest.mark.parametrize("view", VIEWS)
def test_rows_are_those_of_complete_files_and_carry_the_release(catalogue: Any, view: str) -> None:
    n = values(catalogue, f"SELECT count(*) FROM {view} WHERE release = %s", catalogue.run.release)
    assert n[0] > 100
    assert n == values(catalogue, f"SELECT count(*) FROM {view}")
    catalogue.connection.execute("UPDATE production.ingest_file SET status = 'replaced'")
    assert values(catalogue, f"SELECT count(*) FROM {view}") == [0]


@pytest.mark.parametrize("view", VIEWS[1:])
def test_a_star_has_one_row_a_release_however_often_it_was_listed(catalogue: Any, view: str) -> None:
    connection = catalogue.connection
    before = connection.execute(f"SELECT * FROM {view} ORDER BY source_id").fetchall()
    tables = {"galah_star": "galah", "k2gap_star": "k2gap", "mock_truth": "mock_truth"}
    for release in (catalogue.run.release, "dr4"):
        for table, product in tables.items():
            first = catalogue.sky.files[product]
            (again,) = values(
                catalogue,
                "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, status) "
                "SELECT %s, product, 'again', path, sha256, bytes, n_rows, status FROM production.ingest_file "
                "WHERE file_id = %s RETURNING file_id",
                release,
                first,
            )
            connection.execute(f"CREATE TEMP TABLE copied AS SELECT * FROM survey.{table} WHERE file_id = %s", (first,))
            connection.execute("UPDATE copied SET file_id = %s", (again,))
            connection.execute(f"INSERT INTO survey.{table} SELECT * FROM copied")
            connection.execute("DROP TABLE copied")
    ordered = f"SELECT * FROM {view} WHERE release = %s ORDER BY source_id"
    assert connection.execute(ordered, (catalogue.run.release,)).fetchall() == before
    assert [row[1:] for row in connection.execute(ordered, ("dr4",))] == [row[1:] for row in before]


def test_iron_asks_less_of_a_spectrum_than_all_labels(catalogue: Any) -> None:
    catalogue.connection.execute(
        "UPDATE survey.galah_star SET flag_alpha_fe = 1, flag_guess = 1 WHERE row_number % 2 = 0"
    )
    (good,) = values(catalogue, "SELECT count(*) FROM production.galah_reference")
    (iron,) = values(catalogue, "SELECT count(*) FROM production.galah_iron")
    assert 0 < good < iron
    catalogue.connection.execute("UPDATE survey.galah_star SET flag_sp = 1")
    assert values(catalogue, "SELECT count(*) FROM production.galah_iron") == [0]


def test_the_best_spectrum_has_the_highest_signal_and_the_best_giant_the_smallest_error(catalogue: Any) -> None:
    catalogue.connection.execute(
        "UPDATE survey.galah_star SET snr_c3_iraf = NULL WHERE row_number = "
        "(SELECT min(row_number) FROM survey.galah_star GROUP BY dr3_source_id HAVING count(*) = 2 LIMIT 1)"
    )
    rows = catalogue.connection.execute(
        "SELECT dr3_source_id, max(snr_c3_iraf) FROM survey.galah_star WHERE flag_sp = 0 GROUP BY 1"
    ).fetchall()
    found = catalogue.connection.execute("SELECT source_id, snr FROM production.galah_reference").fetchall()
    assert sorted(found) == sorted(rows)
    catalogue.connection.execute("UPDATE survey.k2gap_star SET numax_err = numax * (0.1 + row_number * 1e-4)")
    rows = catalogue.connection.execute(
        "SELECT gaia_source, min(row_number) FROM survey.k2gap_star GROUP BY 1"
    ).fetchall()
    found = catalogue.connection.execute(
        "SELECT source_id, numax_err / numax FROM production.seismic_reference"
    ).fetchall()
    assert sorted(i for i, _ in found) == sorted(i for i, _ in rows)
    expected = {i: 0.1 + row * 1e-4 for i, row in rows}
    assert all(error == pytest.approx(expected[i], rel=1e-5) for i, error in found)


def test_moments_are_those_of_numpy(catalogue: Any) -> None:
    differences = np.random.default_rng(5).normal(3.0, 7.0, 1001)
    expected = moments(differences)
    spoilt = [None, float("nan"), *differences.tolist(), None]
    row = catalogue.connection.execute("SELECT * FROM production.moments(%s)", (spoilt,)).fetchone()
    assert row[0] == 1001
    assert row[1:] == pytest.approx((expected.bias, expected.dispersion, expected.robust_dispersion), rel=1e-9)
    assert (
        catalogue.connection.execute("SELECT * FROM production.moments(%s)", ([None, float("nan")],)).fetchall() == []
    )
    assert catalogue.connection.execute("SELECT * FROM production.moments(%s)", ([2.5],)).fetchone() == (
        1,
        2.5,
        None,
        0,
    )


def test_no_query_writes_these_rules_again() -> None:
    for name in names("validation"):
        text = load(name).text
        for rule in ("0.4496", "'0000000000000'", "flag_alpha_fe", "k2.teff"):
            assert rule not in text, (name, rule)

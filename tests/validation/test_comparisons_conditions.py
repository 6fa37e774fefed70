"""What comparisons do without data, on real skies, with degraded catalogues, and in psql."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from catalog.database.queries import load, names
from catalog.metadata import LABELS
from catalog.profiles import load_profile
from catalog.validation.comparisons import query_parameters, run_comparisons
from tests.validation.comparing import CHECKS, compare
from tests.validation.test_checks import STUDY_QUERIES


@pytest.mark.parametrize(
    ("product", "comparison"),
    [("galah", "galah"), ("k2gap", "seismic"), ("clusters", "clusters"), ("apogee", "apogee")],
)
def test_an_absent_survey_is_not_run_and_says_why(catalogue: Any, product: str, comparison: str) -> None:
    catalogue.connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE product = %s", (product,))
    (row,) = compare(catalogue, comparison).values()
    assert (row.status, row.n) == ("not run", 0)
    assert row.message == f"no {product} rows were ingested"


@pytest.mark.parametrize("comparison", ["apogee", "galah", "seismic", "clusters", "closure", "likeness", "precision"])
def test_files_of_another_release_are_not_used(catalogue: Any, comparison: str) -> None:
    # The comparison must not even trust the reason above: the query itself joins the ledger.
    catalogue.connection.execute("UPDATE production.ingest_file SET release = 'dr3' WHERE product NOT LIKE 'gaia%'")
    parameters = query_parameters(catalogue.run, CHECKS)
    query = load(f"validation/{comparison}")
    rows = catalogue.connection.execute(
        query.statement, {name: parameters[name] for name in query.parameters}
    ).fetchall()
    assert rows == []


def test_null_columns_and_few_stars_are_not_run(catalogue: Any) -> None:
    catalogue.connection.execute("UPDATE survey.galah_star SET fe_h = NULL, teff = 'NaN'")
    rows = compare(catalogue, "galah")
    assert not any(label in ("feh", "teff") for _, label in rows)
    assert rows["15 <= S/N <= 25", "logg"].status == "pass"
    assert rows["15 <= S/N <= 25, [Fe/H] > -1", "all"].status == "not run", "a subset that has become empty is told"
    catalogue.connection.execute("DELETE FROM survey.galah_star WHERE row_number > 12")
    rows = compare(catalogue, "galah")
    assert rows
    assert {row.status for row in rows.values()} == {"not run"}


def test_truth_is_never_asked_for_on_real_data(catalogue: Any) -> None:
    run = catalogue.run
    real = type(run)(run.run_id, run.key, run.release, load_profile("paper"), run.status)
    rows = run_comparisons(catalogue.connection, real, CHECKS)
    found = {row.comparison: row for row in rows}
    assert found["closure"].message == found["likeness"].message == "only a synthetic sky has a known truth"
    assert found["closure"].status == "not run"


def test_without_flags_no_star_is_inside_the_limits(catalogue: Any) -> None:
    catalogue.connection.execute("DELETE FROM production.boundary")
    rows = compare(catalogue, "apogee")
    assert rows["training", "teff"].status == "pass"
    assert rows["observed", "all"].status == "not run"
    assert compare(catalogue, "limits")["all", "all"].status == "not run"


def spoil_labels(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE production.label SET logg = logg + 0.3")


def spoil_sigmas(connection: psycopg.Connection) -> None:
    for label in LABELS:
        column = sql.Identifier(f"sigma_{label.name}")
        connection.execute(sql.SQL("UPDATE production.label SET {c} = {c} / 2").format(c=column))


def spoil_flags(connection: psycopg.Connection) -> None:
    connection.execute(
        "WITH a AS (SELECT source_id, row_number() OVER (ORDER BY source_id) AS i FROM production.boundary), "
        "b AS (SELECT flag_boundary, flag_bits, row_number() OVER (ORDER BY md5(source_id::text)) AS i "
        "FROM production.boundary) "
        "UPDATE production.boundary target SET flag_boundary = b.flag_boundary, flag_bits = b.flag_bits "
        "FROM a JOIN b USING (i) WHERE target.source_id = a.source_id"
    )


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            spoil_labels,
            {
                (name, "logg")
                for name in ("apogee", "closure", "precision", "galah", "seismic", "uncertainties", "coverage")
            }
            # Flags that were made from other labels.
            | {("flag_agreement", "logg"), ("flag_agreement", "any")},
        ),
        (spoil_sigmas, {(name, label.name) for label in LABELS for name in ("uncertainties", "coverage")}),
        (spoil_flags, {("likeness", "tsne"), ("closure", "teff")}),
    ],
)
def test_a_degraded_catalogue_fails_the_right_checks(
    catalogue: Any, spoil: Callable[[psycopg.Connection], None], expected: set[tuple[str, str]]
) -> None:
    def failures() -> set[tuple[str, str]]:
        rows = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
        return {(row.comparison, row.label) for row in rows if row.status == "fail"}

    assert failures() == set()
    spoil(catalogue.connection)
    failed = failures()
    assert failed >= expected
    if spoil is not spoil_flags:
        assert failed == expected


EMPTY = {"published", "bimodality", "radial_velocity", "velocity_errors", "against_changed", "against_results"}
"""Queries of what was not seeded here, or is the same in the same catalogue: tests of their own fill them."""


@pytest.mark.parametrize("name", [name for name in names("validation") if not name.endswith("spectra")])
def test_the_file_runs_as_it_stands_with_psql_variables(catalogue: Any, name: str) -> None:
    query = load(name)
    # Two catalogues beside each other: here one beside itself.
    others = {"perplexity": 50, "spectra_most": 5, "other_run_id": catalogue.run.run_id, "sigma": 3.0, "most": 5}
    parameters = {**query_parameters(catalogue.run, CHECKS), **others}
    text = query.text
    for parameter in sorted(query.parameters, key=len, reverse=True):
        value = str(parameters[parameter])
        text = text.replace(f":'{parameter}'", f"'{value}'").replace(f":{parameter}", value)
    with psycopg.ClientCursor(catalogue.connection) as cursor:
        typed = cursor.execute(text).fetchall()
    bound = catalogue.connection.execute(query.statement, {key: parameters[key] for key in query.parameters}).fetchall()
    assert bound or name.removeprefix("validation/") in STUDY_QUERIES | EMPTY
    assert sorted(map(str, typed)) == sorted(map(str, bound))

"""Catalogues that were spoilt on purpose: the checks that must notice do, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.metadata import LABELS
from catalog.publish.gate import PublicationError
from catalog.publish.publications import list_publications
from catalog.publish.stage import publish_catalogue
from catalog.settings import Settings
from catalog.validation.checks import load_checks
from catalog.validation.comparisons import run_comparisons
from catalog.validation.stage import validate_catalogue

NAMES = tuple(label.name for label in LABELS)
SHIFTS = {"teff": 150.0, "logg": 0.2, "mh": 0.15, "alpham": 0.1, "feh": 0.15}

AGAINST_APOGEE = {"apogee", "precision", "uncertainties", "coverage"}
"""Comparisons that judge every label."""

EXTERNAL = {
    "teff": set[str](),
    "logg": {"seismic", "galah"},
    "mh": set[str](),
    "alpham": set[str](),
    "feh": {"clusters", "galah"},
}
"""Which of the other surveys judge a label strictly enough to see such a shift."""

BLIND = {"finite", "dispersions", "limits", "companion", "incremental", "likeness"}
"""Comparisons that do not look at the values of labels."""

# Every row gets another's values, the same number of each.
SHUFFLE = """
UPDATE {table} AS spoilt SET ({columns}) = (SELECT {donors})
FROM (SELECT source_id, row_number() OVER (ORDER BY source_id) AS place FROM {table}) AS here,
     (SELECT {columns}, row_number() OVER (ORDER BY md5(CAST(source_id AS text))) AS place FROM {table}) AS donor
WHERE here.source_id = spoilt.source_id AND donor.place = here.place
"""


def shuffle(table: str, *columns: str) -> str:
    donors = ", ".join(f"donor.{column}" for column in columns)
    return SHUFFLE.format(table=table, columns=", ".join(columns), donors=donors)


def scale(suffix: str, factor: float) -> str:
    changed = ", ".join(f"sigma_{name}{suffix} = {factor} * sigma_{name}{suffix}" for name in NAMES)
    return f"UPDATE production.label SET {changed}"


@pytest.fixture
def spoil(catalogue: Any) -> Iterator[Any]:
    """Give a function that spoils the catalogue and returns (comparison, label) of every failed row."""

    def failed(statement: str | None = None) -> set[tuple[str, str]]:
        if statement is not None:
            assert catalogue.connection.execute(statement).rowcount > 0
        results = run_comparisons(catalogue.connection, catalogue.run, load_checks())
        return {(row.comparison, row.label) for row in results if row.status == "fail"}

    yield failed
    catalogue.connection.rollback()


def comparisons(failed: set[tuple[str, str]], label: str) -> set[str]:
    return {comparison for comparison, of in failed if of == label}


def test_the_catalogue_fails_nothing_before_it_is_spoilt(spoil: Any) -> None:
    assert spoil() == set()


@pytest.mark.parametrize("label", NAMES)
def test_a_shifted_label_fails_where_it_is_compared_and_no_other_label_does(spoil: Any, label: str) -> None:
    failed = spoil(f"UPDATE production.label SET {label} = {label} + {SHIFTS[label]}")
    # On a synthetic sky the truth sees it too, and the flag no longer follows from label and limits.
    expected = AGAINST_APOGEE | EXTERNAL[label] | {"closure", "flag_agreement"}
    assert comparisons(failed, label) >= expected
    assert comparisons(failed, label) & (BLIND | {"clusters", "seismic", "galah"}) == EXTERNAL[label]
    assert {of for _, of in failed} == {label, "any"}
    assert comparisons(failed, "any") == {"flag_agreement"}


def test_shuffled_flags_fail_the_flag_and_what_relies_on_it(spoil: Any) -> None:
    failed = spoil(shuffle("production.boundary", "flag_boundary", "flag_bits"))
    assert {of for comparison, of in failed if comparison == "flag_agreement"} == {
        "any", *NAMES, "g", "parallax", "tsne",
    }  # fmt: skip
    # Digit 8 no longer finds what the training sample lacks, and such stars pass for good ones.
    assert ("likeness", "tsne") in failed
    assert {("apogee", "teff"), ("closure", "teff")} <= failed
    # Shares of stars are what they were; other surveys and uncertainties are no concern of the flag.
    assert {name for name, _ in failed} & {
        "finite",
        "dispersions",
        "limits",
        "seismic",
        "clusters",
        "coverage",
    } == set()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_uncertainties_fail_the_residuals_in_units_of_them(spoil: Any, factor: float) -> None:
    failed = spoil(scale("", factor))
    assert {of for comparison, of in failed if comparison == "uncertainties"} == set(NAMES)
    # No label has changed.
    assert {comparison for comparison, _ in failed} <= {"uncertainties", "coverage"}


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_calibrated_uncertainties_fail_their_coverage_alone(spoil: Any, factor: float) -> None:
    failed = spoil(scale("_oof", factor))
    assert failed == {("coverage", name) for name in NAMES}


@pytest.mark.parametrize(("one", "other"), [("mh", "alpham"), ("teff", "logg"), ("logg", "feh")])
def test_swapped_labels_fail_both_and_no_third(spoil: Any, one: str, other: str) -> None:
    failed = spoil(f"UPDATE production.label SET {one} = {other}, {other} = {one}")
    for label in (one, other):
        assert comparisons(failed, label) >= {"apogee", "precision", "closure", "uncertainties", "coverage"}
    assert {of for _, of in failed} <= {one, other, "any"}


@pytest.mark.parametrize("label", ["teff", "alpham"])
def test_labels_of_other_stars_fail_everywhere(spoil: Any, label: str) -> None:
    # The distribution is the right one: only comparisons star by star can tell.
    failed = spoil(shuffle("production.label", label))
    assert comparisons(failed, label) >= AGAINST_APOGEE | {"closure"}
    assert {of for _, of in failed} <= {label, "any"}


@pytest.mark.parametrize("column", ["logg", "emh", "sigma_feh"])
def test_a_single_star_without_a_number_fails_completeness(spoil: Any, column: str) -> None:
    statement = (
        f"UPDATE production.label SET {column} = 'NaN' WHERE source_id = (SELECT min(source_id) FROM production.label)"
    )
    failed = spoil(statement)
    label = column.removeprefix("sigma_").removeprefix("e")
    assert ("finite", label) in failed
    # A label that is no number has no flag either; one star more or less changes nothing else.
    flag = {("flag_agreement", label), ("flag_agreement", "any")} if column == "logg" else set()
    assert failed == {("finite", label)} | flag


@pytest.mark.usefixtures("sky")
def test_a_spoilt_catalogue_is_not_published(
    connection: psycopg.Connection, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.validation.stage.draw_figures", lambda *_: [])
    monkeypatch.setattr("catalog.validation.stage.write_report", lambda *_: None)
    careful = run.profile.publish.model_copy(update={"accept_failed": "", "exports": ("csv",)})
    run = replace(run, profile=run.profile.model_copy(update={"publish": careful}))
    connection.execute("UPDATE production.label SET logg = logg + 0.2")
    connection.commit()
    validate_catalogue(connection, run, settings)
    with pytest.raises(
        PublicationError, match=r"checks of its validation failed \(.*seismic 6.*\): apogee, .*, logg: "
    ):
        publish_catalogue(connection, run, settings)
    connection.rollback()
    assert list_publications(connection) == []
    connection.execute("UPDATE production.label SET logg = logg - 0.2")
    connection.commit()
    validate_catalogue(connection, run, settings)
    publish_catalogue(connection, run, settings)
    (only,) = list_publications(connection)
    assert only.verdict is not None
    assert only.verdict.good

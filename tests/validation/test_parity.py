"""The paper's numbers beside a run's: what is stated, where the run's number comes from, when it applies."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.database.queries import load, names
from catalog.errors import ConfigurationError
from catalog.profiles import Profile, load_profile
from catalog.profiles.model import NetworkSettings
from catalog.releases import load_release
from catalog.validation.comparisons import query_parameters, run_comparisons
from catalog.validation.figures import FIGURES, Drawing
from catalog.validation.parity import Parity, compare_with_paper, statements
from catalog.validation.parity.facts import FACTS
from catalog.validation.parity.judging import agreement, difference_words, write_value
from catalog.validation.parity.statements import Origin, Ref, Statement, load_statements
from catalog.validation.parity.values import Lookup, paper_value
from catalog.validation.report import Report, write_report
from catalog.validation.results import Result
from tests.validation.comparing import CHECKS
from tests.validation.seeding import Catalogue, seed_catalogue

STATEMENTS = [statement for section in load_statements() for statement in section.statements]
DR3 = load_release("dr3")
COUNTS = DR3.expected.counts


def rows_of(parity: Parity) -> dict[str, Any]:
    """Return the rows by id; their numbers may be of any kind."""
    return {row.id: row for row in parity.rows}


def stated(**entries: Any) -> Statement:
    given = {"id": "x", "at": "Sect. 1", "text": "x", "value": 1, "from": {"nothing": "why"}}
    return Statement.model_validate({**given, **entries})


def compared(connection: psycopg.Connection, run: Run) -> Parity:
    return compare_with_paper(connection, run, CHECKS, run_comparisons(connection, run, CHECKS))


@pytest.fixture
def whole_release(connection: psycopg.Connection) -> Run:
    """A run whose selection is recorded to be of the paper's sizes, with a catalogue of 1500 seeded stars."""
    run = open_run(connection, Profile(name="real", description=""))
    seed_catalogue(connection, run)
    funnel(connection, run, COUNTS["spectra"], COUNTS["catalogue"], COUNTS["training"] + 200)
    return run


def funnel(connection: psycopg.Connection, run: Run, spectra: int, catalogue: int, training: int) -> None:
    lines = [
        ("observed", 0, spectra), ("observed", 1, catalogue), ("training", 0, catalogue), ("training", 1, training)
    ]  # fmt: skip
    for sample, step, n in lines:
        connection.execute(
            "INSERT INTO production.sample_funnel VALUES (%s, %s, %s, %s, 'a rule', 0, %s)",
            (run.run_id, sample, step, f"cut {step}", n),
        )
    connection.commit()


def test_every_statement_is_whole() -> None:
    assert len(STATEMENTS) > 200
    assert len({statement.id for statement in STATEMENTS}) == len(STATEMENTS)
    assert {"training_dispersion_teff", "limit_upper_parallax", "inside", "members", "galah_common"} <= {
        statement.id for statement in STATEMENTS
    }
    for statement in STATEMENTS:
        assert paper_value(statement, DR3) is not None, statement.id
        assert re.search(r"Sect|Fig|Table|Appendix|Abstract", statement.at), statement.id
        assert not statement.superseded or statement.decided, statement.id


def test_every_origin_is_there(catalogue: Catalogue) -> None:
    catalogue.connection.execute("UPDATE survey.gaia_source SET radial_velocity_error = 0.3")
    results = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
    lines = {"apogee", "crossmatched", "spectra", "catalogue", "training", "observed", "training_metal_poor"}
    lookup = Lookup(catalogue.connection, catalogue.run, CHECKS, results, [])
    profile = load_profile("paper")
    asked: set[str] = set()
    for statement in STATEMENTS:
        origin = statement.origin
        for text in filter(None, (origin.result, origin.relative_to)):
            comparison, subset, label, column = text.split(" | ")
            pattern = re.escape(subset).replace(r"\*", ".*").replace(r"\?", ".")
            own = [r for r in results if r.comparison == comparison and re.fullmatch(pattern, r.subset)]
            found = [r for r in own if r.label == label and (column in r.extra or hasattr(r, column))]
            assert found, f"{statement.id}: {text}"
        if origin.query:
            asked.add(origin.query)
        if origin.selection:
            assert origin.selection in lines
        if origin.profile or origin.fact:
            # The paper's own profile has the paper's numbers.
            own_run = replace(catalogue.run, profile=profile)
            assert replace(lookup, run=own_run).find(statement).value is not None, statement.id
        if not (origin.nothing or origin.result or origin.query or origin.selection):
            assert lookup.find(statement).value is not None, statement.id
    given = set()
    for name in names("validation"):
        if name.startswith("validation/parity_"):
            query, known = load(name), query_parameters(catalogue.run, CHECKS)
            fetched = catalogue.connection.execute(query.statement, {key: known[key] for key in query.parameters})
            given |= {f"{name.removeprefix('validation/')} | {row[0]}" for row in fetched}
    assert asked <= given
    assert given <= asked, "a query gives what nobody asks for"
    assert {statement.origin.fact for statement in STATEMENTS} - {None} == set(FACTS)


def test_the_papers_profile_has_the_papers_settings(connection: psycopg.Connection) -> None:
    run = open_run(connection, load_profile("paper"))
    rows = compare_with_paper(connection, run, CHECKS, []).rows
    differing = {row.id for row in rows if row.status == "differs"}
    # More than three members are four; the check begins at three.
    assert differing <= {"clusters_members"}
    same = {row.id for row in rows if row.status == "same"}
    assert len(same) > 50
    assert {"filters", "dense", "splits", "perplexities", "aspcapflag_bits", "flag_order", "sun_motion"} <= same


def test_ranges_and_checks_state_the_same_dispersions() -> None:
    upper: dict[str, Any] = {statement.id: statement.value for statement in STATEMENTS}
    for prefix, subset in (("internal", "model-to-model, training"), ("overall_observed", "overall, observed")):
        check = next(check for check in CHECKS.comparisons["dispersions"].checks if check.subset == subset)
        for label, paper in check.paper.items():
            value = upper[f"{prefix}_{label}"]
            ends = value if isinstance(value, tuple) else (value, value)
            # The bulk of [M/H] and [Fe/H] lies at the lower end of 0.07/0.15 dex (Sect. 9).
            assert ends[0] <= paper + 1e-9, label
            assert paper <= ends[1] + 1e-9, label
    for statement in STATEMENTS:
        assert not (isinstance(statement.value, int | float) and statement.kind == "count" and statement.value in (
            *COUNTS.values(),
        )), f"{statement.id} repeats a count of the release"  # fmt: skip
        if statement.id.startswith("training_dispersion"):
            assert isinstance(statement.value, Ref)


def test_a_synthetic_sky_says_why_rows_do_not_apply(catalogue: Catalogue) -> None:
    parity = compared(catalogue.connection, catalogue.run)
    rows = rows_of(parity)
    assert (parity.applies, parity.reason) == (False, "the sky is synthetic")
    assert sum(parity.counts.values()) == len(parity.rows) == len(STATEMENTS)
    assert all(row.reason for row in parity.rows if row.status in ("does not apply", "not stated"))
    assert (rows["training_dispersion_teff"].status, rows["training_dispersion_teff"].reason) == (
        "does not apply", "the sky is synthetic",
    )  # fmt: skip
    # The run's number stands there all the same, without a ratio that would look like a verdict.
    assert 45 < rows["training_dispersion_teff"].run < 55
    assert rows["training_dispersion_teff"].difference == ""
    assert rows["filters"].status == "same"
    assert (rows["splits"].status, rows["splits"].paper, rows["splits"].run) == ("differs", 7, 2)
    assert rows["resolving_power"].status == "not stated"
    assert rows["disc_logg_text"].reason == "the paper contradicts it"
    assert rows["inside"].run + rows["outside"].run == rows["training_like"].run + rows["training_unlike"].run
    assert rows["seismic_training"].query == "sql/validation/seismic.sql"


def test_a_whole_release_is_compared(connection: psycopg.Connection, whole_release: Run) -> None:
    parity = compared(connection, whole_release)
    rows = rows_of(parity)
    assert (parity.applies, parity.reason) == (True, "")
    assert (rows["spectra"].status, rows["spectra"].difference) == ("same", "0")
    assert (rows["training"].status, rows["training"].difference) == ("differs", "+200 (+0.45 %)")
    assert rows["observed"].status == "differs"
    assert rows["observed"].difference.endswith(" %)")
    row = rows["training_dispersion_teff"]
    assert (row.status, row.paper, row.difference) == ("differs", 59.0, f"× {row.run / 59.0:.2f}")
    assert rows["overall_alpham"].status == "same"
    assert (rows["members"].run, rows["members"].status) == (4, "differs")
    assert (rows["inside_section_4_2"].status, rows["inside_section_4_2"].run) == ("does not apply", rows["inside"].run)
    assert "644,287" in rows["inside_section_4_2"].decided
    assert rows["rvs_seismic_dispersion"].reason.startswith("of an ensemble that has the RVS spectra alone")
    assert (rows["training_minutes"].status, rows["training_minutes"].reason) == (
        "does not apply", "it depends on the machine",
    )  # fmt: skip
    assert (rows["prediction_time"].status, rows["prediction_time"].run) == ("does not apply", None)
    assert (rows["galah_hot"].status, rows["galah_hot"].reason) == ("not stated", "the run has no such stars")
    assert rows["giants_fig4"].status != rows["giants_text"].status
    assert parity.counts["same"] > 60
    assert parity.counts["differs"] > 30

    # A variant is judged by the numbers of the appendix.
    network = NetworkSettings(inputs=("spectrum",))
    variant = replace(whole_release, profile=Profile(name="rvs", description="", network=network))
    rows = rows_of(compared(connection, variant))
    assert rows["rvs_seismic_dispersion"].status in ("same", "differs")
    assert rows["training_dispersion_teff"].reason.startswith("the ensemble is a variant, rvs")

    # What was not ingested is not stated, and never the same.
    connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE product IN ('galah', 'k2gap')")
    rows = rows_of(compared(connection, whole_release))
    assert (rows["galah_logg"].status, rows["galah_logg"].reason) == ("not stated", "no galah rows were ingested")
    assert rows["k2gap_stars"].reason == rows["seismic_clump"].reason == "no k2gap rows were ingested"


def test_a_part_of_a_release_is_not_the_papers(connection: psycopg.Connection) -> None:
    run = open_run(connection, Profile(name="part", description=""))
    assert compare_with_paper(connection, run, CHECKS, []).reason == "the run has not selected its samples"
    funnel(connection, run, 50_000, 40_000, 2_000)
    parity = compare_with_paper(connection, run, CHECKS, [])
    assert parity.reason == "the run has 50,000 of the paper's 999,670 spectra"
    rows = rows_of(parity)
    assert (rows["spectra"].run, rows["spectra"].status) == (50_000, "does not apply")
    assert (rows["inside"].run, rows["inside"].run_text) == (None, "–")


def test_a_draft_release_has_no_numbers_of_the_paper(connection: psycopg.Connection) -> None:
    run = open_run(connection, Profile(name="next", description="", release="dr4-draft"))
    rows = rows_of(compare_with_paper(connection, run, CHECKS, []))
    assert rows["training"].paper is None
    assert rows["training"].reason.startswith("no counts are stated for")
    assert rows["pixels"].status in ("not stated", "differs", "same")
    assert all(row.status != "same" for row in rows.values() if row.paper is None)


@pytest.mark.parametrize(
    ("entries", "run", "same", "words"),
    [
        ({"value": 44780, "kind": "count"}, 44800, True, "+20 (+0.04 %)"),
        ({"value": 44780, "kind": "count"}, 44900, False, "+120 (+0.27 %)"),
        ({"value": 353, "kind": "count", "tolerance": 18}, 340, True, "−13 (−3.68 %)"),
        ({"value": 0.07}, 0.0749, True, "× 1.07"),
        ({"value": 0.07}, 0.09, False, "× 1.29"),
        ({"value": 59.0}, 64.0, True, "× 1.08"),
        ({"value": -200, "kind": "about"}, -160.0, True, "+40.0"),
        ({"value": -200, "kind": "about"}, 200.0, False, "+400.0"),
        ({"value": 14.21, "tolerance": 0.05}, 13.2, False, "−1.010"),
        ({"value": (0.05, 0.07), "kind": "range"}, (0.045, 0.072), True, ""),
        ({"value": (0.05, 0.07), "kind": "range"}, (0.04, 0.06), False, ""),
        ({"value": 0.05, "kind": "range"}, 0.047, True, "× 0.94"),
        ({"value": 0.1, "kind": "at most"}, 0.1001, False, ""),
        ({"value": 0.1, "kind": "at most"}, 0.08, True, ""),
        ({"value": 30, "kind": "at least"}, 29.5, False, ""),
        ({"value": 1000, "kind": "above"}, 1001.0, True, ""),
        ({"value": (32, 16, 8), "kind": "setting"}, (32, 16, 8), True, ""),
        ({"value": (32, 16, 8), "kind": "setting"}, (32, 16), False, ""),
        ({"value": 20, "kind": "setting"}, 25, False, "+5"),
        ({"value": "a, b", "kind": "setting"}, "b, a", False, ""),
        ({"value": 20, "kind": "setting"}, 20.0, True, ""),
    ],
)
def test_numbers_are_held_against_each_other(entries: dict[str, Any], run: Any, same: bool, words: str) -> None:
    statement = stated(**entries)
    paper = statement.value
    assert not isinstance(paper, Ref)
    assert agreement(statement, paper, run, 0.001) is same
    assert difference_words(statement, paper, run) == words


def test_numbers_are_written_as_the_paper_writes_them() -> None:
    assert write_value(886080, stated(kind="count")) == "886\u202f080"
    assert write_value(0.06543, stated(), 0.07) == "0.065"
    assert write_value(61.3037, stated(), 59.0) == "61.3"
    assert write_value(0.004, stated(), 8) == "0.004"
    assert write_value(-0.1316, stated(), -0.13) == "−0.132"
    assert write_value((0.05, 0.07), stated(kind="range")) == "0.05 to 0.07"
    assert write_value((7, 23), stated(kind="setting")) == "7, 23"
    assert write_value(None, stated()) == "–"


def result(subset: str, dispersion: float | None, n: int = 100, status: Any = "info", message: str = "") -> Result:
    return Result("precision", subset, "teff", n, dispersion=dispersion, status=status, message=message)


def test_several_rows_make_one_number(catalogue: Catalogue) -> None:
    results = [
        result("CNN, training, S/N 30-40", 50.0), result("CNN, training, S/N 40-50", 40.0),
        result("CNN, training, S/N 50-75", None, 3, "not run", "N = 3, at least 10 are needed"),
        result("GSP-Spec, training, S/N 40-50", 100.0), result("GSP-Spec, training, S/N 75-100", 300.0),
    ]  # fmt: skip
    lookup = Lookup(catalogue.connection, catalogue.run, CHECKS, results, [])

    def found(text: str, **more: Any) -> Any:
        return lookup.find(stated(**{"from": {"result": f"precision | {text}", **more}}))

    assert found("CNN, training, * | teff | dispersion", take="extremes").value == (40.0, 50.0)
    assert found("CNN, training, * | teff | n", take="sum").value == 203
    assert found("CNN, training, S/N ?0-40 | teff | dispersion").value == 50.0
    assert found("CNN, training, S/N 50-75 | teff | dispersion").why == "N = 3, at least 10 are needed"
    assert found("CNN, observed, * | teff | dispersion").why == "no star of this run passes the selection"
    # Only ranges that both have are divided.
    other = "precision | CNN, training, * | teff | dispersion"
    assert found("GSP-Spec, training, * | teff | dispersion", relative_to=other).value == 2.5
    with pytest.raises(ConfigurationError, match=r"x: sql/validation/parity_limits\.sql gives no row 'ruwe'"):
        lookup.find(stated(**{"from": {"query": "parity_limits | ruwe"}}))


def test_a_wrong_entry_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "paper.toml").write_text(
        '[a]\ntitle = "A"\n[[a.numbers]]\nid = "x"\nat = "Sect. 1"\ntext = "x"\nvalue = 1\nfrom.nothing = "why"\n'
        '[[a.numbers]]\nid = "x"\nat = "Sect. 1"\ntext = "x"\nvalue = 1\nfrom.profile = "a"\nfrom.release = "b"\n'
    )
    monkeypatch.setattr(statements, "files", lambda _: tmp_path)
    with pytest.raises(ConfigurationError, match="exactly one place"):
        load_statements.__wrapped__()
    text = (tmp_path / "paper.toml").read_text().replace('from.profile = "a"\nfrom.release = "b"', 'from.nothing = "b"')
    (tmp_path / "paper.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="two statements have the id x"):
        load_statements.__wrapped__()
    with pytest.raises(ValueError, match="does not have 4 parts"):
        Origin(result="apogee | training | teff")


def test_the_report_shows_every_number(catalogue: Catalogue, tmp_path: Path) -> None:
    results = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
    parity = compare_with_paper(catalogue.connection, catalogue.run, CHECKS, results)
    drawings = [Drawing(spec, None, "left out of this test") for spec in FIGURES]
    counts = {"stars": 1, "inside_limits": 1, "observed": 1, "training": 1}
    write_report(catalogue.connection, Report(catalogue.run, CHECKS, results, drawings, counts, parity), tmp_path)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="parity">') : page.index('<section id="ensemble">')]
    assert page.count('href="#parity"') == 1
    assert "does not apply here: the sky is synthetic" in section
    assert len(re.findall(r'<tr class="new" id="parity-', section)) == len(STATEMENTS)
    assert "<script" not in section
    # A part with something to look at is open, the others are folded.
    assert section.count("<details open>") == sum(bool(found["differs"]) for _, _, found in parity.sections) > 0
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["parity"]
    assert told["counts"] == parity.counts
    assert {row["id"] for row in told["rows"]} == {statement.id for statement in STATEMENTS}
    with (tmp_path / "parity.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(STATEMENTS)
    assert next(line["paper"] for line in lines if line["id"] == "perplexities") == "30; 50; 75; 100"
    assert {line["query"] for line in lines if line["id"] == "inside"} == {"sql/validation/parity_catalogue.sql"}

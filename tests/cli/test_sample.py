"""`rvscat sample --report`: what is shown of a selection, to people and to programs."""

import json
import re
from io import StringIO

import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from catalog.cli.main import cli
from catalog.cli.sample import print_report
from catalog.database.ledger import Run
from catalog.errors import SampleError
from catalog.sample.matches import Identified, Match
from catalog.sample.report import Duplicates, ReportLine, SelectionReport
from catalog.sample.stage import select_samples
from catalog.settings import Settings
from tests.sample.sky import Sky


def report(applies: bool) -> SelectionReport:
    def line(part: str, rule: str, n: int, name: str | None, paper: int | None, why: str | None = None) -> ReportLine:
        if paper is None or not applies:
            return ReportLine(part, 0, rule, rule, 3, n, name, None, None, None, "does not apply" if name else None)
        comparison = "within tolerance" if abs(n - paper) <= 0.001 * paper else "differs"
        percent = 100.0 * (n - paper) / paper
        return ReportLine(part, 0, rule, rule, 3, n, name, paper, n - paper, percent, comparison, "Sect. 2.5", why)

    return SelectionReport(
        7,
        "dr3",
        "Gaia DR3",
        applies,
        "" if applies else "the sky is synthetic",
        0.001,
        [
            line("observed", "has an RVS mean spectrum", 999_645, "spectra", 999_670, "A public note counts fewer."),
            line("observed", "phot_variable_flag is not VARIABLE", 950_000, None, None),
            line("training", "ruwe < 1.4", 45_000, "training", 44_780, "Duplicates."),
        ],
        {"rvs_spectrum": Match(10, 10, 10), "cluster_member": Match(20, 8, 7, 5)},
        [Identified("cluster_member", "neighbourhood", 15, 3, 2), Identified("cluster_member", "none", 5, 0, 0)],
        Duplicates(1, 2, "the row with the highest SNR counts", [42]),
        {"resampled from 961 pixels": 10},
    )


def shown(width: int, applies: bool) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    print_report(console, report(applies))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().replace("\u202f", " ")


@pytest.mark.parametrize("width", [80, 120])
def test_counts_stand_beside_the_papers(width: int) -> None:
    text = shown(width, applies=True)
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"has an RVS mean spectrum +3 +999 645 +999 670 \[1\] +−25 \(−0\.00 %\) ✓", text)
    assert re.search(r"ruwe < 1\.4 +3 +45 000 +44 780 \[2\] +\+220 \(\+0\.49 %\) *\n", text)
    assert "[1] Sect. 2.5. A public note counts fewer." in text
    assert "does not apply" not in text
    assert "…" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_no_comparison_is_shown_where_none_applies(width: int) -> None:
    text = shown(width, applies=False)
    assert "The paper's counts do not apply: the sky is synthetic." in text
    assert text.count("does not apply") == 2
    for word in ("999 670", "44 780", "Difference", "[1]", "✓"):
        assert word not in text


def test_the_crossmatch_is_told() -> None:
    text = shown(120, applies=True)
    assert re.search(r"cluster_member +20 +8 +7 +5\n", text)
    assert "more than one row for 1 star (for instance 42): the row with the highest SNR counts; 2 rows are set" in text
    assert "15 rows of cluster_member are listed under a Gaia DR2 id and were given the nearest DR3 source" in text
    assert "(3 had several candidates, for 2 another member has the same id)" in " ".join(text.split())
    assert "10 spectra were resampled from 961 pixels." in text


def test_programs_get_json(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    sky = Sky(connection, run.release)
    for _ in range(run.profile.training.min_training_stars):
        sky.star()
    select_samples(connection, run, settings)
    connection.commit()
    result = CliRunner().invoke(cli, ["sample", "--report", "--json"], catch_exceptions=False)
    found = json.loads(result.output)
    assert (found["run_id"], found["applies"], found["reason"]) == (run.run_id, False, "the sky is synthetic")
    assert found["lines"][0]["n"] == 40
    assert found["surveys"]["apogee_star"] == {"n_rows": 40, "n_matched": 40, "n_stars": 40, "n_unidentified": 0}
    table = CliRunner().invoke(cli, ["sample", "--report", "--run", str(run.run_id)], catch_exceptions=False).output
    assert f"Selection of run {run.run_id}, release {run.release}" in table


def test_a_run_without_selection(run: Run) -> None:
    with pytest.raises(SampleError, match="has not selected its samples yet"):
        CliRunner().invoke(cli, ["sample", "--report"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json"], "--json goes with --report"),
        (["--report", "--profile", "tiny"], "give --run"),
        (["--profile", "tiny", "--run", "1"], "not both"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, ["sample", *arguments])
    assert result.exit_code == 2
    assert words in result.output

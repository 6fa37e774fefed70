"""`rvscat validate --against` from the command line: page, files, exit status, errors."""

import json
import re
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from catalog.cli.main import cli
from catalog.database.ledger import Run
from catalog.settings import Settings
from catalog.validation.figures import against
from tests.validation.second_run import Second, seed_second_run
from tests.validation.seeding import Sky, ingested_file, seed_catalogue


@pytest.fixture
def seeded(connection: psycopg.Connection, run: Run) -> tuple[Sky, Second]:
    sky = seed_catalogue(connection, run, n=500)
    second = seed_second_run(connection, run, sky)
    connection.commit()
    return sky, second


def validate(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "150"}).invoke(cli, ["validate", *map(str, arguments)])


def test_two_runs_on_a_page(
    settings: Settings, run: Run, seeded: tuple[Sky, Second], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = seeded
    result = validate("--run", second.run_id, "--against", run.run_id)
    assert result.exit_code == 0, result.output
    text = result.output
    assert f"Run {second.run_id} against run {run.run_id}, {run.release}" in text
    assert "2 of 5 checks got worse, 1 better" in text
    assert "rejected in" in text
    assert re.search(r"t-SNE +\d+ +\d+ +\d+", text)
    assert f"Largest of {second.jumped.sum()} changes by more than 3 σ" in text
    assert "training.batch_size" in text
    assert "dispersion × 1.25 ± 0.03" in text

    folder = settings.reports / f"run-{second.run_id}"
    stem = f"against-run-{run.run_id}"
    page = (folder / f"{stem}.html").read_text(encoding="utf-8")
    names = ("changes", "labels", "kiel", "flags", "checks")
    assert {path.name for path in folder.iterdir()} == {
        *(f"{stem}.{ending}" for ending in ("html", "json", "csv")),
        *(f"{stem}-{name}.png" for name in names),
    }
    assert page.count('<img src="data:image/webp;base64,') == len(names)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page), "nothing may be loaded from elsewhere"
    assert "<script" not in page
    assert len(page) < 10_000_000
    for words in ("2 of 5 checks got worse", "What made the difference", "phot_variable_flag", f"{stem}.csv"):
        assert words in page
    facts = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
    assert facts["verdict"]["status"] == "fail"
    assert facts["stars"]["both"] == second.kept.sum()
    assert facts["stars"]["changed"] == second.jumped.sum()
    assert (folder / f"{stem}.csv").read_text().count("\n") == second.jumped.sum() + 1

    monkeypatch.setattr(against, "FIGURES", ())
    # For programs, with a threshold that both worsened dispersions stay below; a failed check remains one.
    again = validate("--run", second.run_id, "--against", run.run_id, "--json", "--worse", 30, "--sigma", 50)
    assert again.exit_code == 0
    facts = json.loads(again.stdout)
    assert (facts["stars"]["changed"], facts["tolerance"], facts["verdict"]["checks"]["worse"]) == (0, 0.3, 1)
    assert "No star has a label that changed by more than 50 σ" in (folder / f"{stem}.html").read_text(encoding="utf-8")


def test_strict_is_an_exit_status(
    settings: Settings, run: Run, seeded: tuple[Sky, Second], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = seeded
    monkeypatch.setattr(against, "FIGURES", [each for each in against.FIGURES if each.name == "flags"])
    assert validate("--run", second.run_id, "--against", run.run_id, "--strict").exit_code == 1
    with psycopg.connect(str(settings.database_url)) as connection:
        connection.execute("DELETE FROM production.validation_result")
        connection.execute(
            "INSERT INTO production.validation_result "
            "(run_id, comparison, subset, label, n, dispersion, status, query) "
            "SELECT run_id, 'apogee', 'observed', 'teff', 900, 60, 'pass', 'x' FROM production.run"
        )
        connection.execute("DELETE FROM production.boundary")
    result = validate("--against", run.run_id, "--strict")
    assert result.exit_code == 0, result.output
    assert "None of 1 checks got better or worse" in result.output
    assert "no star has one in both" in result.output
    page = settings.reports / f"run-{second.run_id}" / f"against-run-{run.run_id}.html"
    assert "Not drawn: no star has a flag in both catalogues" in page.read_text(encoding="utf-8")


def test_the_published_catalogue(
    settings: Settings, run: Run, seeded: tuple[Sky, Second], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against, "FIGURES", [each for each in against.FIGURES if each.name in ("changes", "kiel")])
    assert "was not ingested" in str(validate("--run", run.run_id, "--against", "published").exception)
    with psycopg.connect(str(settings.database_url)) as connection:
        file_id = ingested_file(connection, run.release, "rvs_cnn", 9)
        # Every star twice; the published labels have no sigma of log g, and no number for some stars.
        connection.execute(
            """
            INSERT INTO survey.rvs_cnn_star
                (file_id, row_number, source_id, teff, sigma_teff, logg, mh, sigma_mh, flag_boundary)
            SELECT %s, row_number() OVER (ORDER BY copy), source_id, NULLIF(teff, max(teff) OVER ()), sigma_teff, logg,
                   mh + copy * 5 * sigma_mh, sigma_mh, '00000001'
            FROM production.label CROSS JOIN generate_series(0, 1) AS copy
            WHERE run_id = %s
            """,
            (file_id, run.run_id),
        )
    result = validate("--run", run.run_id, "--against", "published")
    assert result.exit_code == 0, result.output
    assert f"Run {run.run_id} against the published catalogue" in result.output
    assert "checks are not compared" in result.output
    folder = settings.reports / f"run-{run.run_id}"
    facts = json.loads((folder / "against-published.json").read_text(encoding="utf-8"))
    n = facts["stars"]["both"]
    assert (facts["other"]["repeated_rows"], facts["stars"]["changed"]) == (n, 0)
    rows = {row["label"]: row for row in facts["labels"] if row["subset"] == "all"}
    assert [rows[name]["n"] for name in ("teff", "logg", "mh", "alpham")] == [n - 1, 0, n, 0]
    page = (folder / "against-published.html").read_text(encoding="utf-8")
    assert f"{n:,} rows of the published catalogue repeat the id" in page
    assert "What made the difference" not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "first"], "neither the number of a run nor 'published'"),
        (["--against", "0"], "neither the number of a run nor 'published'"),
        (["--against", "1", "--parity"], "no --parity"),
        (["--against", "1", "--profile", "tiny"], "give --run"),
        (["--against", "published", "--strict"], "--strict needs another run"),
        (["--sigma", "3"], "--sigma goes with --against"),
        (["--worse", "3"], "--worse goes with --against"),
        (["--strict"], "--strict goes with --against"),
        (["--against", "1", "--sigma", "-1"], "Invalid value for '--sigma'"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], words: str) -> None:
    result = validate(*arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_help_names_it() -> None:
    text = " ".join(validate("--help").output.split())
    for words in (
        "--against RUN|published",
        "--sigma S",
        "[default: 3]",
        "--worse P",
        "--strict",
        "which flags flipped",
    ):
        assert words in text


def test_nothing_is_left_of_a_comparison_that_failed(
    settings: Settings, run: Run, seeded: tuple[Sky, Second], tmp_path: Path
) -> None:
    _, second = seeded
    with psycopg.connect(str(settings.database_url)) as connection:
        connection.execute("UPDATE production.label SET source_id = source_id + 1 WHERE run_id = %s", (run.run_id,))
    result = validate("--run", second.run_id, "--against", run.run_id)
    assert "have no star in common" in str(result.exception)
    assert list((settings.reports / f"run-{second.run_id}").iterdir()) == []

"""`rvscat validate`: options, and the parity table of a finished run."""

import json
from io import StringIO
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from catalog.cli.main import cli
from catalog.cli.parity_display import print_parity
from catalog.database.ledger import Run
from catalog.errors import NotFoundError
from catalog.settings import Settings
from catalog.validation.stage import report_folder


def row(**facts: Any) -> dict[str, Any]:
    given = {
        "id": "training", "section": "Samples", "at": "Sect. 2.5", "text": "stars of the training sample", "unit": "",
        "paper": 44780, "run": 45000, "paper_text": "44\u202f780", "run_text": "45\u202f000",
        "difference": "+220 (+0.49 %)", "status": "differs", "reason": "", "rule": "within 0.1 %", "source": "training",
        "query": "a.sql", "decided": "",
    }  # fmt: skip
    return {**given, **facts}


def parity(**facts: Any) -> dict[str, Any]:
    rows = [
        row(),
        row(id="teff", text="dispersion", unit="K", paper_text="59", run_text="61.3", status="same",
            difference="× 1.04"),
        row(
            id="clusters", section="Open clusters", run=None, run_text="–", status="not stated", difference="",
            reason="no clusters rows were ingested", decided="Nine in the text, ten in Fig. 23.",
        ),
    ]  # fmt: skip
    return {"applies": True, "reason": "", "counts": {"same": 1, "differs": 1, "not stated": 1}, "rows": rows, **facts}


def shown(found: dict[str, Any], width: int) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    print_parity(console, found, 7)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().replace("\u202f", " ").replace("\u00a0", " ")


@pytest.mark.parametrize("width", [80, 120])
def test_numbers_stand_beside_the_papers(width: int) -> None:
    text = shown(parity(), width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("44 780", "45 000", "differs", "59 K", "61.3 K", "same × 1.04", "Open clusters", "not stated"):
        assert words in text
    assert "no clusters rows" in text
    assert "3 numbers: 1 same, 1 differs, 1 not stated." in text
    assert "does not apply" not in text
    text = shown(parity(applies=False, reason="the sky is synthetic"), width)
    assert "does not apply: the sky is synthetic." in text


def test_the_table_of_a_finished_run_is_shown(
    connection: psycopg.Connection, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing may be validated again.
    monkeypatch.setattr("catalog.cli.stage.perform", lambda *_: pytest.fail("a stage was begun"))
    with pytest.raises(NotFoundError, match="is missing") as error:
        CliRunner().invoke(cli, ["validate", "--parity"], catch_exceptions=False)
    assert error.value.remedy == f"`rvscat validate --run {run.run_id}` makes it."
    folder = report_folder(settings, run)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"results": []}))
    with pytest.raises(NotFoundError, match="earlier version"):
        CliRunner().invoke(cli, ["validate", "--parity"], catch_exceptions=False)
    (folder / "report.json").write_text(json.dumps({"parity": parity()}), encoding="utf-8")
    told = CliRunner().invoke(cli, ["validate", "--parity", "--run", str(run.run_id)], catch_exceptions=False)
    assert told.exit_code == 0
    assert f"beside run {run.run_id}" in told.output
    told = CliRunner().invoke(cli, ["validate", "--parity", "--json"], catch_exceptions=False)
    assert json.loads(told.output) == parity()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--profile", "tiny", "--run", "1"], "not both"),
        (["--json"], "--json goes with --parity"),
        (["--parity", "--profile", "tiny"], "give --run"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], words: str) -> None:
    told = CliRunner().invoke(cli, ["validate", *options])
    assert told.exit_code == 2
    assert words in told.output

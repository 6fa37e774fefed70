"""`rvscat tune`: what it says before, during and after a search."""

import json
import re
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from catalog.cli.main import cli
from catalog.cli.tune import print_result
from catalog.cli.tune_display import TuneDisplay
from catalog.database.ledger import Run, find_run
from catalog.ensemble.search import BASE, SearchFolder, SearchResult, SearchSpace, TrialRecord
from catalog.errors import ConfigurationError, NotFoundError, SampleError
from catalog.profiles import load_profile
from catalog.settings import Settings
from tests.ensemble.search.records import search_record

SPACE = SearchSpace.model_validate(
    {
        "network": {"filters": [[16, 32], [8, 16], [4, 8]], "dropout": {"low": 0.0, "high": 0.4}},
        "training": {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}},
    }
)
RECORD = search_record(load_profile("tiny"), SPACE)


def trial(number: int, val_mse: float | None, dropout: float = 0.2) -> TrialRecord:
    values = {"filters_1": 16, "filters_2": 16, "filters_3": 8, "dropout": dropout, "learning_rate": 1e-3}
    return TrialRecord(
        number=number,
        status="failed" if val_mse is None else "completed",
        values={} if number == BASE else values,
        max_epochs=5,
        epochs=5,
        best_epoch=4,
        val_mse=val_mse,
        message="" if val_mse is not None else "the loss of epoch 1 is nan",
        wall_s=65.0,
    )


TRIALS = [trial(BASE, 0.02), trial(1, 0.025), trial(2, None), trial(3, 0.015, 0.3)]


@pytest.fixture
def found(settings: Settings) -> SearchFolder:
    """A search that is over, in the data folder."""
    with SearchFolder.opened(settings.home / "tuning", RECORD.key) as folder:
        folder.describe(RECORD)
        for each in TRIALS:
            folder.write(each)
    return folder


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["tune", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_best_trials_are_shown_with_what_they_change() -> None:
    console = Console(file=StringIO(), width=100, highlight=False)
    axes = SPACE.axes(RECORD.profile.network, RECORD.profile.training)
    print_result(console, SearchResult(Path("folder"), RECORD, TRIALS, axes))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "Search 0123456789abcdef of profile tiny, run 1" in text
    assert "300 stars to train on, 100 to validate on; 3 of 3 trials of up to 5 epochs, 1 failed" in " ".join(
        text.split()
    )
    rows = [line for line in text.splitlines() if re.search(r"0\.0[12]", line)]
    assert re.search(r"^ +3 +0\.015000 +−25 % +4/5 +1:05 +filters 16-16-8, dropout 0\.3", rows[0])
    assert re.search(r"^profile +0\.020000 +4/5 +1:05 +none", rows[1])
    assert re.search(r"^ +1 +0\.025000 +\+25 %", rows[2])
    assert "Trial 2 failed: the loss of epoch 1 is nan" in text


def test_searches_are_shown_without_searching(found: SearchFolder, tmp_path: Path) -> None:
    out = tmp_path / "best.toml"
    text = invoke("--show", "--out", str(out))
    assert "Search 0123456789abcdef" in text
    assert load_profile(str(out)).network.filters == (16, 16, 8)
    assert "Search 0123456789abcdef" in invoke("--show", "--profile", "tiny")
    with pytest.raises(NotFoundError, match="no search for it yet"):
        invoke("--show", "--profile", "demo")
    programs = json.loads(invoke("--show", "--json", "--run", "1"))
    assert [each["best"] for each in programs] == [3]
    assert [each["val_mse"] for each in programs[0]["trials"]] == [0.02, 0.025, None, 0.015]
    assert json.loads(invoke("--show", "--json", "--run", "2")) == []


def test_no_search_yet(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="no search yet"):
        invoke("--show")


def test_errors_come_before_anything_is_begun(
    connection: psycopg.Connection, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[network]\nneurons = [1, 2]\n")
    with pytest.raises(ConfigurationError, match=r"network\.neurons is unknown"):
        invoke("--profile", "tiny", "--space", str(mine))
    with pytest.raises(ConfigurationError, match="was not written by a search"):
        invoke("--profile", "tiny", "--out", str(mine))
    with pytest.raises(NotFoundError, match="Unknown profile 'none'"):
        invoke("--profile", "none")
    with pytest.raises(SampleError, match="has no training sample yet"):
        invoke("--profile", "tiny")
    monkeypatch.setattr("catalog.ensemble.search.proposals.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="keras_tuner, which is not installed") as caught:
        invoke("--profile", "tiny")
    assert "rvscat[tune]" in caught.value.remedy


def test_what_was_found_is_written_and_told(
    run: Run,
    connection: psycopg.Connection,
    found: SearchFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    axes = SPACE.axes(RECORD.profile.network, RECORD.profile.training)
    asked = []

    def search(_: object, run: Run, settings: Settings, options: object, display: TuneDisplay) -> SearchResult:
        asked.append((run.run_id, options))
        for each in TRIALS:
            display(each.number, 4, f"trial {each.number}")
            display.trial(each, before=each.number < 2)
        return SearchResult(found.path, RECORD, TRIALS, axes)

    monkeypatch.setattr("catalog.ensemble.search.search", search)
    text = invoke("--trials", "3", "--epochs", "5", "--method", "random", "--seed", "7")
    assert "Taken up again after 2 trials." in text
    assert "Trial 2 failed: the loss of epoch 1 is nan" in text
    assert "Trial 3: validation MSE 0.015000 after 5 epochs (best so far)" in text
    assert f"rvscat run --profile {found.path / 'tuned.toml'}" in text
    tuned = load_profile(str(found.path / "tuned.toml"))
    assert (tuned.network.dropout, tuned.training.learning_rate) == (0.3, 1e-3)
    assert asked[0][0] == find_run(connection).run_id
    options = asked[0][1]
    assert (options.trials, options.epochs, options.method, options.seed) == (3, 5, "random", 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json"], "--json goes with --show"),
        (["--profile", "tiny", "--run", "1"], "not both"),
        (["--trials", "0"], "--trials"),
        (["--method", "grid"], "'grid' is not one of"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, ["tune", *arguments])
    assert result.exit_code == 2
    assert words in result.output


def test_the_display_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    # Of this module alone: event loops of other threads sleep by the true clock.
    monkeypatch.setattr("catalog.cli.tune_display.time", SimpleNamespace(monotonic=lambda: clock[0]))
    console = Console(file=StringIO(), width=100, highlight=False)
    display = TuneDisplay("tiny", console)
    row = {"trial": "1/3", "epoch": "2/5", "validation MSE": "0.02000"}
    display(1.0, 4.0, "trial 1")
    display.parts([row])
    assert display.seconds_left() is None
    clock[0] += 30.0
    display(2.0, 4.0, "trial 2, epoch 1")
    assert display.seconds_left() == pytest.approx(60.0)
    console.print(display)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "50% trial 2, epoch 1 (about 1:00 left)" in text
    assert re.search(r"50% trial 2, epoch 1 +about 1:00 left", text)
    assert re.search(r"1/3 +2/5 +0\.02000", text)

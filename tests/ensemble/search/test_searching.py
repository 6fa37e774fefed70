import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.search import SearchFolder, SearchOptions, SearchResult, SearchSpace, load_space, search
from catalog.ensemble.search.state import METHODS, Method
from catalog.errors import ArtefactError, RvscatError, SampleError
from catalog.profiles import Profile
from catalog.settings import Settings
from tests.ensemble.search.conftest import Heard, KnownSession
from tests.features.sky import Sky, make_sky, store_sky

Search = Callable[..., SearchResult]


@pytest.fixture
def searched(connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, space: SearchSpace) -> Search:
    """Search with the small space; four trials of three epochs unless told otherwise."""

    def do(
        heard: Heard | None = None, method: Method = "random", trials: int | None = 4, epochs: int = 3, **more: int
    ) -> SearchResult:
        options = SearchOptions(method, trials, epochs, space=space, **more)
        return search(connection, run, settings, options, heard)

    return do


def test_a_search_trains_the_profile_first_and_keeps_what_it_finds(
    searched: Search, known_session: type[KnownSession], profile: Profile, settings: Settings
) -> None:
    heard = Heard()
    result = searched(heard)
    assert known_session.made[0][0] == profile.network
    assert known_session.made[0][1].learning_rate == profile.training.learning_rate
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3, 4]
    assert all(trial.status == "completed" and trial.epochs == 3 for trial in result.trials)
    assert result.best is not None
    assert result.best.val_mse == min(trial.val_mse or 1 for trial in result.trials)
    # Each trial has its own settings, and those are what was trained.
    for trial, (network, training) in zip(result.trials[1:], known_session.made[1:], strict=True):
        assert [trial.values[f"filters_{i}"] for i in (1, 2, 3)] == list(network.filters)
        assert (trial.values["dropout"], trial.values["learning_rate"]) == (network.dropout, training.learning_rate)
        assert (network.spectrum_units, training.seed) == (profile.network.spectrum_units, profile.training.seed)
    # Ten of forty stars validate: the first split of the run.
    assert (result.record.n_training, result.record.n_validation) == (30, 10)

    assert heard.ended == [(i, False) for i in range(5)]
    done = [done for done, total, _ in heard.told if total == 5]
    assert done == sorted(done)
    assert done[-1] == 5
    assert heard.rows[3]["trial"] == "1/4"
    assert heard.rows[3]["best so far"] == f"{result.trials[0].val_mse:.5f}"
    assert result.folder.parent == settings.home / "tuning"
    assert {path.name for path in result.folder.iterdir()} == {
        "search.json",
        "search.lock",
        "trials",
        "trials.csv",
        "trials.json",
    }
    rows = list(csv.DictReader((result.folder / "trials.csv").read_text().splitlines()))
    assert [float(row["val_mse"]) for row in rows] == [trial.val_mse for trial in result.trials]
    assert rows[0]["filters_1"] == str(profile.network.filters[0])
    assert json.loads((result.folder / "trials.json").read_text())[2]["values"] == result.trials[2].values


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_was_stopped_ends_as_if_nothing_had_been(
    method: Method,
    searched: Search,
    known_session: type[KnownSession],
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    space: SearchSpace,
    tmp_path: Path,
) -> None:
    trials = None if method == "hyperband" else 8
    options = SearchOptions(method, trials, 3, space=space)
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    elsewhere.home.mkdir()
    expected = search(connection, run, elsewhere, options)
    n = len(known_session.made)

    known_session.epochs_done, known_session.stop_at = 0, 14
    with pytest.raises(KeyboardInterrupt):
        searched(method=method, trials=trials)
    known_session.stop_at = None
    before = len(known_session.made) - n
    heard = Heard()
    result = searched(heard, method=method, trials=trials)
    told = [number for number, was_before in heard.ended if was_before]
    assert told == list(range(before - 1))
    # The trial in which it was stopped, and those that were missing.
    assert len(known_session.made) - n - before == n - (before - 1)

    def without_times(result: SearchResult) -> list[object]:
        return [trial.model_dump(exclude={"finished"}) for trial in result.trials]

    assert without_times(result) == without_times(expected)

    known_session.made.clear()
    assert searched(method=method, trials=trials).trials == result.trials
    assert known_session.made == []


def test_more_trials_can_be_asked_for(searched: Search, known_session: type[KnownSession]) -> None:
    few = searched(trials=2)
    more = searched(trials=6)
    assert len(known_session.made) == 7
    assert more.folder == few.folder
    assert more.trials[:3] == few.trials
    assert [trial.number for trial in more.trials] == list(range(7))


def test_another_question_is_another_search(
    searched: Search, known_session: type[KnownSession], connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    other_space = SearchSpace.model_validate({"training": {"batch_size": [8, 16]}})
    results = [
        searched(trials=1),
        searched(trials=1, seed=1),
        searched(trials=1, epochs=2),
        searched(trials=1, method="bayesian"),
        search(connection, run, settings, SearchOptions("random", 1, 3, space=other_space)),
    ]
    connection.execute(
        "UPDATE survey.apogee_star SET teff = teff + 1 WHERE (file_id, row_number) IN "
        "(SELECT apogee_file_id, apogee_row FROM production.sample_star WHERE role = 'training')"
    )
    connection.commit()
    results.append(searched(trials=1))
    assert len({result.folder for result in results}) == len(results)
    assert len(known_session.made) == 2 * len(results)


def test_a_trial_that_diverges_is_told_and_the_search_goes_on(
    searched: Search, known_session: type[KnownSession]
) -> None:
    known_session.diverge_above = 2e-3
    heard = Heard()
    result = searched(heard, trials=8)
    failed = [trial for trial in result.trials if trial.status == "failed"]
    assert 0 < len(failed) < 8
    assert all(trial.message == "the loss of epoch 1 is nan" for trial in failed)
    assert all((trial.status == "failed") == (trial.values["learning_rate"] > 2e-3) for trial in result.trials[1:])
    assert any("failed: the loss of epoch 1 is nan" in words for _, _, words in heard.told)
    assert result.best is not None
    assert result.best.status == "completed"
    n = len(known_session.made)
    assert searched(trials=9).trials[:9] == result.trials
    assert len(known_session.made) == n + 1


def test_the_same_settings_are_not_trained_twice(
    known_session: type[KnownSession], connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky
) -> None:
    # The profile has batches of 16.
    space = SearchSpace.model_validate({"training": {"batch_size": [16, 32]}})
    result = search(connection, run, settings, SearchOptions("random", 4, 2, space=space))
    assert len(known_session.made) == 2
    same = next(trial for trial in result.trials[1:] if trial.values == {"batch_size": 16})
    assert (same.same_as, same.val_mse) == (0, result.trials[0].val_mse)


def test_damaged_state_is_told_with_a_remedy(searched: Search, known_session: type[KnownSession]) -> None:
    result = searched(trials=2)
    file = result.folder / "trials" / "0001.json"
    file.write_text(file.read_text().replace('"epochs": 3', '"epochs": 4'))
    with pytest.raises(ArtefactError, match=r"0001\.json is damaged: its SHA-256") as caught:
        searched(trials=3)
    assert f"Remove {file}" in caught.value.remedy
    file.unlink()
    assert searched(trials=3).trials[:2] == [
        *result.trials[:1],
        result.trials[1].model_copy(update={"finished": SearchFolder(result.folder).trials()[1].finished}),
    ]
    (result.folder / "search.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"search\.json is damaged") as caught:
        searched(trials=3)
    assert f"Remove the folder {result.folder}" in caught.value.remedy


def test_two_searches_at_once_are_refused(searched: Search, known_session: type[KnownSession]) -> None:
    result = searched(trials=1)
    with (
        SearchFolder.opened(result.folder.parent, result.record.key),
        pytest.raises(RvscatError, match="Another process is at work on this search"),
    ):
        searched(trials=2)


def test_a_run_without_a_training_sample(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    with pytest.raises(SampleError, match="has no training sample yet") as caught:
        search(connection, run, settings, SearchOptions())
    assert "rvscat sample --profile tiny" in caught.value.remedy
    connection.rollback()
    store_sky(connection, run, make_sky(30, 20))
    with pytest.raises(SampleError, match="has 10 stars with all inputs and labels; at least 20"):
        search(connection, run, settings, SearchOptions())


def test_a_killed_search_goes_on_in_the_middle_of_a_trial(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, tmp_path: Path
) -> None:
    file = tmp_path / "space.toml"
    file.write_text("[training]\nlearning_rate = {low = 1e-4, high = 1e-2, log = true}\n")
    script = Path(__file__).with_name("killed_search.py")
    killed = subprocess.run(
        [sys.executable, str(script), str(settings.home), str(file), settings.database_url or ""],
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"},
        timeout=600,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    heard = Heard()
    result = search(connection, run, settings, SearchOptions("random", 2, 15, 3, load_space(file)), heard)
    assert heard.ended == [(0, True), (1, False), (2, False)]
    assert any("trial 1 goes on after epoch" in words for _, _, words in heard.told)
    assert all(len(trial.history) == trial.epochs == 15 for trial in result.trials)

from pathlib import Path
from typing import Any

import pytest

from catalog.ensemble.search import Method, SearchSpace, TrialRecord
from catalog.ensemble.search.proposals import (
    make_oracle,
    require_keras_tuner,
    search_trials,
    start_keras_tuner,
    trials_of_a_sweep,
)
from catalog.ensemble.search.state import METHODS
from catalog.errors import ConfigurationError, RvscatError
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL

Trial = tuple[int, dict[str, int | float], int, int | None]


def error_of(values: dict[str, int | float]) -> float:
    return 0.01 + abs(values["dropout"] - 0.15) + values["learning_rate"]


def proposals(
    folder: Path,
    space: SearchSpace,
    method: Method,
    seed: int = 4,
    trials: int | None = 8,
    epochs: int = 9,
    recorded: dict[int, dict[str, int | float]] | None = None,
    failing: tuple[int, ...] = (),
) -> list[Trial]:
    """Do all trials with made-up results, and return what was asked."""
    asked: list[Trial] = []

    def run(number: int, values: dict[str, int | float], limit: int, parent: int | None) -> TrialRecord:
        asked.append((number, values, limit, parent))
        status = "failed" if number in failing else "completed"
        score = None if number in failing else error_of(values) / limit
        return TrialRecord(number=number, status=status, values=values, max_epochs=limit, val_mse=score)

    tuner = start_keras_tuner()
    axes = space.axes(SMALL, TrainingSettings())
    oracle = make_oracle(tuner, method, axes, seed, trials, epochs, (recorded or {}).get)
    search_trials(tuner, oracle, str(folder), epochs, run)
    assert list(folder.iterdir()) == []
    return asked


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_proposes_the_same_trials(method: Method, space: SearchSpace, tmp_path: Path) -> None:
    first = proposals(tmp_path, space, method)
    assert [number for number, *_ in first] == list(range(1, 9))
    assert proposals(tmp_path, space, method) == first
    assert proposals(tmp_path, space, method, seed=0) != first
    assert proposals(tmp_path, space, method, trials=9)[:8] == first
    for _, values, *_ in first:
        assert values["filters_1"] in (2, 4)
        assert values["batch_size"] in (8, 16, 32)
        assert 1e-4 <= values["learning_rate"] <= 1e-2
        # As they stand in a profile: few digits.
        assert float(f"{values['learning_rate']:.4g}") == values["learning_rate"]


def test_a_gaussian_process_learns_from_earlier_trials_however_it_knows_of_them(
    space: SearchSpace, tmp_path: Path
) -> None:
    first = proposals(tmp_path, space, "bayesian", trials=9)
    known = {number: values for number, values, *_ in first[:8]}
    assert proposals(tmp_path, space, "bayesian", trials=9, recorded=known) == first
    at_random = proposals(tmp_path, space, "random", trials=9)
    # Seven points at random (dimensions and one), then its own.
    assert [values for _, values, *_ in first[:7]] == [values for _, values, *_ in at_random[:7]]
    assert [values for _, values, *_ in first[7:]] != [values for _, values, *_ in at_random[7:]]


@pytest.mark.parametrize("epochs", [2, 9, 40])
def test_a_sweep_of_hyperband(epochs: int, space: SearchSpace, tmp_path: Path) -> None:
    asked = proposals(tmp_path, space, "hyperband", trials=None, epochs=epochs)
    assert len(asked) == trials_of_a_sweep(epochs)
    by_number = {number: (values, limit) for number, values, limit, _ in asked}
    children = [(number, values, limit, parent) for number, values, limit, parent in asked if parent is not None]
    for number, values, limit, parent in children:
        assert parent is not None
        assert parent < number
        assert by_number[parent][0] == values
        assert by_number[parent][1] < limit <= epochs
    assert bool(children) == (epochs >= 3)
    assert max(limit for _, _, limit, _ in asked) == epochs


@pytest.mark.parametrize("method", METHODS)
def test_failed_trials_do_not_end_the_search(method: Method, space: SearchSpace, tmp_path: Path) -> None:
    assert len(proposals(tmp_path, space, method, failing=(1, 2, 3, 4, 5))) == 8


def test_what_is_not_a_failed_trial_ends_the_search(space: SearchSpace, tmp_path: Path) -> None:
    tuner = start_keras_tuner()
    oracle = make_oracle(tuner, "random", space.axes(SMALL, TrainingSettings()), 1, 3, 2, {}.get)

    def full(*_: Any) -> TrialRecord:
        raise RvscatError("The disk is full.", "Make room.")

    with pytest.raises(RvscatError, match=r"The disk is full\. Make room\."):
        search_trials(tuner, oracle, str(tmp_path), 2, full)


def test_a_small_space_is_exhausted(tmp_path: Path) -> None:
    space = SearchSpace.model_validate({"network": {"dropout": [0.1, 0.2]}, "training": {"learning_rate": [0.1, 0.2]}})
    asked = proposals(tmp_path, space, "random", trials=50)
    assert 1 < len(asked) <= 4


def test_without_keras_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.ensemble.search.proposals.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as caught:
        require_keras_tuner()
    assert "pip install 'rvscat[tune]'" in caught.value.remedy

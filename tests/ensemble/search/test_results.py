import tomllib
from pathlib import Path

import pytest

from catalog.ensemble.search import BASE, SearchResult, SearchSpace, TrialRecord, ranked, require_own, write_profile
from catalog.ensemble.search.space import apply_values
from catalog.errors import ConfigurationError, TrainingError
from catalog.profiles import Profile, load_profile, profile_names
from tests.ensemble.search.records import search_record

VALUES: dict[str, int | float] = {
    "filters_1": 4,
    "filters_2": 16,
    "filters_3": 3,
    "dropout": 0.1 + 0.2,
    "learning_rate": 1.234e-5,
    "batch_size": 8,
}
VERSIONS = {"rvscat": "1.0", "keras_tuner": "1.4.8"}


def trial(number: int, val_mse: float | None, values: dict[str, int | float]) -> TrialRecord:
    return TrialRecord(
        number=number,
        status="failed" if val_mse is None else "completed",
        values=values,
        max_epochs=5,
        epochs=5,
        best_epoch=4,
        val_mse=val_mse,
        message="the loss of epoch 1 is nan" if val_mse is None else "",
        finished="2026-11-22T20:00:00+00:00",
        versions=VERSIONS,
    )


def result(folder: Path, profile: Profile, space: SearchSpace, *trials: TrialRecord) -> SearchResult:
    return SearchResult(
        folder, search_record(profile, space), list(trials), space.axes(profile.network, profile.training)
    )


@pytest.mark.parametrize("name", profile_names())
def test_the_profile_is_whole_and_gives_the_settings_of_the_best_trial(
    name: str, tmp_path: Path, space: SearchSpace
) -> None:
    base = load_profile(name)
    worse = VALUES | {"dropout": 0.0}
    found = result(tmp_path, base, space, trial(BASE, 0.2, {}), trial(1, 0.12, worse), trial(2, 0.1, VALUES))
    file = tmp_path / "tuned.toml"
    assert write_profile(found, file).number == 2
    tuned = load_profile(str(file))
    network, training = apply_values(found.axes, VALUES, base.network, base.training)
    assert (tuned.network, tuned.training) == (network, training)
    assert (tuned.network.filters, tuned.network.dropout) == ((4, 16, 3), 0.1 + 0.2)
    assert (tuned.training.learning_rate, tuned.training.batch_size) == (1.234e-5, 8)
    # All else is that of the profile.
    same = {"name": base.name, "description": base.description, "network": base.network, "training": base.training}
    assert tuned.model_copy(update=same) == base

    text = file.read_text()
    assert set(tomllib.loads(text)["network"]) - set(base.network.model_dump(exclude_defaults=True)) == {
        "filters",
        "dropout",
    }
    old = f"{base.training.learning_rate!r}"
    assert f"learning_rate = 1.234e-05  # {name}: {old}" in text
    header = [line for line in text.splitlines() if line.startswith("#")]
    for words in (
        f"Profile      {name}, run 1",
        f"Sample       {'b' * 16}: 300 to train on, 100 to validate on",
        "Search       0123456789abcdef: bayesian, seed 7",
        "Trials       2 of up to 5 epochs, 0 failed",
        "trial 2: validation MSE 0.1 of scaled labels, epoch 4 of 5; the profile's own settings: 0.2",
        "Date         2026-11-22T20:00:00+00:00",
        "rvscat 1.0, keras_tuner 1.4.8",
    ):
        assert any(words in line for line in header), words


def test_no_trial_is_better(tmp_path: Path, space: SearchSpace, profile: Profile) -> None:
    found = result(tmp_path, profile, space, trial(BASE, 0.1, {}), trial(1, 0.1, VALUES), trial(2, None, VALUES))
    assert write_profile(found, tmp_path / "tuned.toml").number == BASE
    tuned = load_profile(str(tmp_path / "tuned.toml"))
    assert (tuned.network, tuned.training) == (profile.network, profile.training)
    assert "the profile's own settings: validation MSE 0.1 of scaled labels" in (tmp_path / "tuned.toml").read_text()
    assert [each.number for each in ranked(found.trials)] == [0, 1]


def test_all_trials_failed(tmp_path: Path, space: SearchSpace, profile: Profile) -> None:
    found = result(tmp_path, profile, space, trial(BASE, None, {}), trial(1, None, VALUES))
    with pytest.raises(TrainingError, match=r"None of the 2 trials .* came to an end.* epoch 1 is nan") as caught:
        write_profile(found, tmp_path / "tuned.toml")
    assert "lower learning rates" in caught.value.remedy


def test_a_file_of_a_person_is_not_replaced(tmp_path: Path, space: SearchSpace, profile: Profile) -> None:
    found = result(tmp_path, profile, space, trial(BASE, 0.1, {}), trial(1, 0.05, VALUES))
    mine = tmp_path / "mine.toml"
    mine.write_text("description = 'mine'\n")
    with pytest.raises(ConfigurationError, match=r"mine\.toml exists, and was not written by a search"):
        write_profile(found, mine)
    assert mine.read_text() == "description = 'mine'\n"
    own = tmp_path / "own.toml"
    write_profile(found, own)
    write_profile(found, own)
    with pytest.raises(ConfigurationError, match=r"does not end in \.toml"):
        require_own(tmp_path / "tuned.txt")
    with pytest.raises(ConfigurationError, match="does not exist"):
        require_own(tmp_path / "nowhere" / "tuned.toml")

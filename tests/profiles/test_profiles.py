"""Profiles: the paper's values by default, everything recorded, mistakes named."""

from pathlib import Path

import pytest

from catalog.errors import ConfigurationError, NotFoundError
from catalog.profiles import Profile, load_profile, profile_names


def test_the_paper_profile_is_the_paper() -> None:
    paper = load_profile("paper")
    assert paper.mock is None
    assert paper.data_release == "dr3"
    assert paper.training.splits * paper.training.initialisations == 28
    assert paper.training.train_fraction == 0.75
    assert paper.training.early_stopping_patience == 20
    assert paper.network.filters == (32, 16, 8)
    assert paper.network.kernel_size == 8
    assert paper.network.pool_after == (2, 3)
    assert (paper.network.spectrum_units, paper.network.scalar_units, paper.network.xp_units) == (128, 32, 64)
    assert paper.network.dense_units == (128, 32)
    assert paper.likeness.perplexities == (30, 50, 75, 100)


def test_every_shipped_profile_loads_and_survives_json() -> None:
    assert profile_names() == ["demo", "paper", "tiny"]
    for name in profile_names():
        profile = load_profile(name)
        assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_synthetic_rows_never_share_a_release_with_real_ones() -> None:
    assert load_profile("demo").data_release == "dr3-mock-4000-2024"
    assert load_profile("tiny").data_release != load_profile("demo").data_release


def test_the_key_changes_with_what_can_change_the_catalogue() -> None:
    demo = load_profile("demo")
    same = demo.model_copy(update={"description": "other words", "expected_seconds": {"train": 1.0}})
    other = demo.model_copy(update={"training": demo.training.model_copy(update={"seed": 1})})
    assert same.key == demo.key
    assert other.key != demo.key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("description = ", "not valid TOML"),
        ('description = "x"\n[training]\nepochs = 3', "training.epochs"),
        ('description = "x"\n[training]\ntrain_fraction = 1.5', "train_fraction"),
        ("", "description"),
    ],
)
def test_mistakes_in_a_profile_file_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_profile(str(file))


def test_a_profile_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('description = "x"\n[training]\nsplits = 2\n')
    mine = load_profile(str(file))
    assert mine.name == "mine"
    assert mine.training.splits == 2
    assert mine.training.initialisations == 4


def test_unknown_profile() -> None:
    with pytest.raises(NotFoundError, match="demo, paper, tiny"):
        load_profile("nothing")

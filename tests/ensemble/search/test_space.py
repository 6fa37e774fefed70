from pathlib import Path

import pytest

from catalog.ensemble.search import SearchSpace, load_space
from catalog.ensemble.search.space import apply_values
from catalog.errors import ConfigurationError
from catalog.profiles.model import NetworkSettings, TrainingSettings

NETWORK, TRAINING = NetworkSettings(), TrainingSettings()


def test_the_shipped_space_holds_what_the_paper_tuned_and_chose() -> None:
    axes = load_space().axes(NETWORK, TRAINING)
    names = [axis.name for axis in axes]
    # The architecture first, one dimension for each convolution block and each hidden layer.
    assert names[:4] == ["filters_1", "filters_2", "filters_3", "kernel_size"]
    assert {"spectrum_units", "scalar_units", "xp_units", "dense_units_1", "dense_units_2", "dropout"} < set(names)
    assert {"kernel_l2", "leaky_slope", "learning_rate", "batch_size"} < set(names)
    for axis in axes:
        settings = {"network": NETWORK, "training": TRAINING}[axis.section]
        value = getattr(settings, axis.setting)
        value = value if axis.part is None else value[axis.part]
        values = axis.dimension.values()
        if values:
            assert value in values, axis.name
        else:
            assert axis.dimension.low is not None
            assert axis.dimension.high is not None
            assert axis.dimension.low <= value <= axis.dimension.high, axis.name


def test_a_file_names_all_that_is_searched(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(
        "[network]\ndense_units = [[64, 128], {low = 8, high = 32, step = 8}]\n"
        "[training]\nbatch_size = {low = 16, high = 200, step = 2, log = true}\n"
        "learning_rate = {low = 1e-4, high = 1e-2, log = true}\n"
    )
    axes = load_space(file).axes(NETWORK, TRAINING)
    assert [axis.name for axis in axes] == ["dense_units_1", "dense_units_2", "learning_rate", "batch_size"]
    assert axes[1].dimension.values() == (8, 16, 24, 32)
    assert axes[3].dimension.values() == (16, 32, 64, 128)
    assert axes[2].value(0.00123456) == 0.001235
    assert axes[2].value(0.0099999999) == 0.01
    values = {"dense_units_1": 64, "dense_units_2": 24, "learning_rate": 0.001235, "batch_size": 128}
    network, training = apply_values(axes, values, NETWORK, TRAINING)
    assert network == NetworkSettings(dense_units=(64, 24))
    assert training == TrainingSettings(learning_rate=0.001235, batch_size=128)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[network\n", "is not valid TOML"),
        ("[network]\nneurons = [1, 2]", "network.neurons is unknown, or cannot be searched"),
        ("[training]\nseed = [1, 2]", "training.seed is unknown"),
        ("[network]\ndropout = 0.2", "network.dropout: 0.2 is neither a list of choices nor a range"),
        ("[network]\ndropout = [0.2]", "network.dropout: at least two choices"),
        ("[network]\ndropout = [0.2, 0.2, 0.3]", "network.dropout: at least two choices are needed, each once"),
        ("[network]\ndropout = [0.2, 1.0]", "network.dropout: 1 is not from 0 to 0.95"),
        ("[network]\ndropout = {low = 0.5, high = 0.1}", "low = 0.5 is not below high = 0.1"),
        ("[network]\ndropout = {low = 0.0, high = inf}", "is not below high"),
        ("[network]\ndropout = {low = 0.1}", "low and high of a range"),
        ("[network]\ndropout = {low = 0.1, high = 0.3, step = 0.5}", "the range has one value only"),
        ("[network]\nkernel_l2 = {low = 0.0, high = 0.1, log = true}", "must begin above zero"),
        ("[network]\nkernel_size = [4, 6.5]", "network.kernel_size: 6.5 is not a whole number"),
        ("[network]\nkernel_size = [4, 'eight']", "network.kernel_size.choices.2: Input should be a valid number"),
        ("[network]\nfilters = [[8, 16], [0, 4], [2, 4]]", "network.filters.2: 0 is not at least 1"),
        ("[network]\nfilters = [8, 16, 32]", "network.filters.1: 8 is neither a list of choices"),
        ("[training]\nlearning_rate = [0.0, 0.1]", "training.learning_rate: 0 is not at least 1e-12"),
    ],
)
def test_a_space_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_space(file)
    assert words in caught.value.message
    assert "mine.toml" in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_space(tmp_path / "none.toml")


def test_a_space_must_fit_the_profile() -> None:
    space = SearchSpace.model_validate({"network": {"filters": [[8, 16], [4, 8]]}})
    with pytest.raises(ConfigurationError, match=r"2 lists for network\.filters, the profile's network has 3 \(32, 16"):
        space.axes(NETWORK, TRAINING)
    with pytest.raises(ConfigurationError, match="search space is empty"):
        SearchSpace().axes(NETWORK, TRAINING)
    # What the network does not have is not searched.
    axes = load_space().axes(NetworkSettings(inputs=("spectrum",)), TRAINING)
    assert not {"scalar_units", "xp_units"} & {axis.name for axis in axes}
    only = SearchSpace.model_validate({"network": {"xp_units": [8, 16]}})
    with pytest.raises(ConfigurationError, match="search space is empty"):
        only.axes(NetworkSettings(inputs=("spectrum",)), TRAINING)

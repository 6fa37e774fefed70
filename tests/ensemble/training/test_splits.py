import numpy as np
import pytest

from catalog.ensemble.training.splits import MemberPlan, member_seed, plan_members, validation_masks
from catalog.errors import SampleError
from catalog.profiles.model import TrainingSettings

PAPER = TrainingSettings()


def test_the_paper_has_28_members() -> None:
    plans = plan_members(PAPER)
    assert [plan.member for plan in plans] == list(range(28))
    assert {(plan.split, plan.initialisation) for plan in plans} == {(s, i) for s in range(7) for i in range(4)}


def test_seeds_differ_and_depend_on_the_ensembles_seed_alone() -> None:
    seeds = [member_seed(PAPER, plan, attempt) for plan in plan_members(PAPER) for attempt in range(3)]
    assert len(set(seeds)) == 84
    assert all(0 <= seed < 2**32 for seed in seeds)
    other = PAPER.model_copy(update={"seed": 1})
    assert member_seed(other, MemberPlan(0, 0, 0)) != seeds[0]
    # Recorded catalogues name their seeds: they must never change.
    assert seeds[0] == member_seed(PAPER.model_copy(update={"max_epochs": 3}), MemberPlan(9, 0, 0))


def test_a_quarter_of_the_stars_validates_each_split() -> None:
    masks = validation_masks(np.arange(1000), PAPER)
    assert masks.shape == (7, 1000)
    assert (masks.sum(axis=1) == 250).all()
    overlap = (masks[0] & masks[1]).sum()
    assert 30 < overlap < 100  # independent: 62.5 expected


def test_splits_do_not_depend_on_the_order_of_rows() -> None:
    source_id = np.random.default_rng(0).choice(10**9, 200, replace=False)
    order = np.random.default_rng(1).permutation(200)
    np.testing.assert_array_equal(
        validation_masks(source_id, PAPER)[:, order], validation_masks(source_id[order], PAPER)
    )


def test_a_small_sample_is_refused_with_what_to_do() -> None:
    with pytest.raises(SampleError, match=r"has 39 stars .* at least 40 .*min_training_stars") as caught:
        validation_masks(np.arange(39), PAPER)
    assert "rvscat status" in caught.value.remedy
    settings = TrainingSettings(min_training_stars=1, train_fraction=0.99)
    with pytest.raises(SampleError, match="has 3 stars"):
        validation_masks(np.arange(3), settings)
    with pytest.raises(SampleError, match="has 1 star with"):
        validation_masks(np.arange(1), settings)

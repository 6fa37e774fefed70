"""Which members an ensemble has, their seeds, and which stars each of them is validated on (Sect. 3.2)."""

from dataclasses import dataclass

import numpy as np

from catalog.errors import SampleError
from catalog.profiles.model import TrainingSettings

__all__ = ["MemberPlan", "member_seed", "plan_members", "validation_masks"]

# First element of a spawn key: splits and weights draw from streams that never meet.
_SPLIT, _MEMBER = 0, 1


@dataclass(frozen=True)
class MemberPlan:
    """One network of an ensemble: a split of the training sample and an initialisation."""

    member: int
    split: int
    initialisation: int


def plan_members(settings: TrainingSettings) -> list[MemberPlan]:
    """Return all members: every initialisation of the first split, then of the next.

    Parameters
    ----------
    settings : TrainingSettings

    Returns
    -------
    list of MemberPlan
        28 with the paper's 7 splits and 4 initialisations.
    """
    return [
        MemberPlan(split * settings.initialisations + initialisation, split, initialisation)
        for split in range(settings.splits)
        for initialisation in range(settings.initialisations)
    ]


def member_seed(settings: TrainingSettings, plan: MemberPlan, attempt: int = 0) -> int:
    """Return the seed of a member's weights, batches and dropout.

    Parameters
    ----------
    settings : TrainingSettings
    plan : MemberPlan
    attempt : int
        0, and one more each time that the member has diverged.

    Returns
    -------
    int
        32 bits.
    """
    key = (_MEMBER, plan.split, plan.initialisation, attempt)
    return int(np.random.SeedSequence(settings.seed, spawn_key=key).generate_state(1)[0])


def validation_masks(source_id: np.ndarray, settings: TrainingSettings) -> np.ndarray:
    """Split the training sample at random, once for each split.

    Membership depends on the set of stars alone, not on the order of rows.

    Parameters
    ----------
    source_id : numpy.ndarray of int
        Shape (n,), each once.
    settings : TrainingSettings

    Returns
    -------
    numpy.ndarray of bool
        Shape (splits, n); True where the star is in the validation set.

    Raises
    ------
    SampleError
        The sample is too small to split.
    """
    n = len(source_id)
    n_train = round(settings.train_fraction * n)
    minimum = max(2, settings.min_training_stars)
    if n < minimum or not 0 < n_train < n:
        raise SampleError(
            f"The training sample has {n} star{'' if n == 1 else 's'} with all inputs and labels; at least {minimum} "
            f"are needed to train on {settings.train_fraction:.0%} and validate on the rest.",
            "See `rvscat status` for the cuts and what was left out; ingest more stars, or change "
            "training.min_training_stars or training.train_fraction in the profile.",
        )
    by_id = np.argsort(source_id)
    masks = np.zeros((settings.splits, n), dtype=bool)
    for split, mask in enumerate(masks):
        generator = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(_SPLIT, split)))
        mask[by_id[generator.permutation(n)[n_train:]]] = True
    return masks

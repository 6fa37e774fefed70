from dataclasses import replace

import numpy as np
import pytest

from catalog.ensemble.training.divergence import (
    DivergedError,
    constant_mse,
    require_better_than_constant,
    require_finite_loss,
)
from catalog.ensemble.training.member import TrainingArrays
from catalog.profiles.model import TrainingSettings

PATIENT = TrainingSettings(early_stopping_patience=3, diverged_above=0.9)


def test_the_constant_is_the_mean_label_of_the_members_own_training_stars(arrays: TrainingArrays) -> None:
    held = arrays.validation[1]
    expected = np.mean((arrays.labels[held] - arrays.labels[~held].mean(axis=0)) ** 2)
    assert constant_mse(arrays, 1) == pytest.approx(expected, rel=1e-5)
    assert constant_mse(replace(arrays, labels=np.ones_like(arrays.labels)), 0) == 0.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_epoch_without_a_number_is_refused(value: float) -> None:
    require_finite_loss(4, {"loss": 1.0, "val_loss": 1e30})
    with pytest.raises(DivergedError, match=f"the val_loss of epoch 4 is {value}"):
        require_finite_loss(4, {"loss": 1.0, "val_loss": value})


def test_a_member_must_once_be_better_than_a_constant() -> None:
    require_better_than_constant({"val_mse": [9.0, 0.89, 5.0]}, 1.0, PATIENT)
    with pytest.raises(DivergedError, match=r"in 3 epochs .* never below 0.9, 0.9 times that of the mean label.*0.91"):
        require_better_than_constant({"val_mse": [9.0, 0.91, 5.0]}, 1.0, PATIENT)


def test_short_trainings_and_perfect_constants_are_not_judged() -> None:
    require_better_than_constant({"val_mse": [9.0, 9.0]}, 1.0, PATIENT)
    require_better_than_constant({"val_mse": [9.0] * 5}, 0.0, PATIENT)

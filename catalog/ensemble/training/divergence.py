"""Members that have learnt nothing: found, told and trained again, never averaged in silently.

A member has diverged when its loss is no longer finite, or when it is no better than a constant: the mean label of its
own training stars, which anyone could give without a network.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from catalog.ensemble.training.arrays import TrainingArrays
from catalog.profiles.model import TrainingSettings

__all__ = ["DivergedError", "constant_mse", "require_better_than_constant", "require_finite_loss"]


class DivergedError(ArithmeticError):
    """A member has not learnt: another seed is needed."""


def constant_mse(arrays: TrainingArrays, split: int) -> float:
    """Return the validation MSE of the mean label of a split's training stars, on the network's scale.

    Parameters
    ----------
    arrays : TrainingArrays
    split : int
        Row of ``arrays.validation``.

    Returns
    -------
    float
    """
    held = arrays.validation[split]
    labels = np.asarray(arrays.labels, dtype=np.float64)
    return float(((labels[held] - labels[~held].mean(axis=0)) ** 2).mean())


def require_finite_loss(epoch: int, figures: Mapping[str, float]) -> None:
    """Refuse an epoch whose loss is no number.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    figures : mapping
        ``loss``, ``val_loss`` and others.

    Raises
    ------
    DivergedError
        One of them is NaN or infinite.
    """
    for name, value in figures.items():
        if not np.isfinite(value):
            raise DivergedError(f"the {name} of epoch {epoch} is {value}")


def require_better_than_constant(
    history: Mapping[str, Sequence[float]], constant: float, training: TrainingSettings
) -> None:
    """Refuse a member that is never better than a constant.

    A training of fewer epochs than the patience has not had its chance, and where all stars have the same labels a
    constant is perfect: these are not judged.

    Parameters
    ----------
    history : mapping
        Holds ``val_mse`` of each epoch.
    constant : float
        See `constant_mse`.
    training : TrainingSettings

    Raises
    ------
    DivergedError
        The lowest ``val_mse`` is not below ``training.diverged_above`` times `constant`.
    """
    val_mse = history["val_mse"]
    if len(val_mse) < training.early_stopping_patience or not constant > 0.0:
        return
    limit = training.diverged_above * constant
    if not min(val_mse) < limit:
        raise DivergedError(
            f"in {len(val_mse)} epochs the validation MSE was never below {limit:.3g}, "
            f"{training.diverged_above:g} times that of the mean label; the lowest was {min(val_mse):.3g}"
        )

"""What a runtime is: all members of an ensemble, ready to be given stars."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

__all__ = ["Runtime", "Session", "in_batches"]

Session = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Inputs on the network's scale, float32, shapes (n, …), to labels on that scale, shape (n_members, n, n_labels)."""


class Runtime(Protocol):
    """One way to compute the labels of every member."""

    name: str
    description: str
    """Versions, and what it makes use of."""

    def session(self) -> Session:
        """Return a function for one thread."""


def in_batches(
    predict: Callable[[list[np.ndarray]], np.ndarray], inputs: Sequence[np.ndarray], batch: int
) -> np.ndarray:
    """Give `predict` one batch after the other, all of the same shape: short ones are filled up with zeros.

    Parameters
    ----------
    predict : callable
        Takes inputs of shape (batch, …), gives labels of shape (…, batch, n_labels).
    inputs : sequence of numpy.ndarray
        Shapes (n, n_features).
    batch : int

    Returns
    -------
    numpy.ndarray
        Shape (…, n, n_labels).
    """
    blocks = []
    # Without any star, one batch of zeros tells the other dimensions.
    for first in range(0, max(1, len(inputs[0])), batch):
        parts = [values[first : first + batch] for values in inputs]
        lacking = batch - len(parts[0])
        if lacking:
            parts = [np.pad(part, ((0, lacking), (0, 0))) for part in parts]
        blocks.append(np.asarray(predict(parts))[..., : batch - lacking, :])
    return np.concatenate(blocks, axis=-2)

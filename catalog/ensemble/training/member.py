"""Training of one member (Sect. 3): epoch after epoch, with checkpoints on the way."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from catalog.ensemble.backend import quiet
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import Checkpoint, CheckpointKeeper
from catalog.ensemble.training.session import TrainedMember, TrainingSession
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["OnEpoch", "TrainedMember", "TrainingArrays", "train_member", "weights_sha256"]

OnEpoch = Callable[[int, dict[str, float]], None]


def weights_sha256(weights: Sequence[np.ndarray]) -> str:
    """Return a fingerprint of a network's weights: equal weights give equal fingerprints, on any day."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@quiet()
def train_member(
    arrays: TrainingArrays,
    split: int,
    seed: int,
    network: NetworkSettings,
    training: TrainingSettings,
    on_epoch: OnEpoch,
    keeper: CheckpointKeeper | None = None,
    start: Checkpoint | None = None,
) -> TrainedMember:
    """Train one network.

    Adam on the mean squared error unless the profile says otherwise; ReduceLROnPlateau; early stopping with the
    best weights kept (Sect. 3.1). With one thread on a CPU the same seed gives the same weights, bit by bit, also
    when the training was stopped and went on from a checkpoint.

    Parameters
    ----------
    arrays : TrainingArrays
    split : int
        Row of ``arrays.validation``.
    seed : int
        Of weights, order of stars and dropout.
    network : NetworkSettings
    training : TrainingSettings
    on_epoch : callable
        Told the number of epochs done and the figures of the last, its ``seconds`` and ``patience_left`` among them:
        so many more epochs without improvement end the training.
    keeper : CheckpointKeeper, optional
        Given the state of the training now and then.
    start : Checkpoint, optional
        Where a training with this seed was stopped.

    Returns
    -------
    TrainedMember

    Raises
    ------
    DivergedError
        The loss is not finite, or the network never gets better than a constant.
    """
    session = TrainingSession(arrays, split, seed, network, training)
    if start is not None:
        session.put_back(start)
    while not session.ended:
        figures = session.epoch()
        on_epoch(session.epochs, figures)
        if keeper is not None and not session.ended and keeper.due():
            keeper.write(session.state())
    return session.finish()

"""Trains and predicts with the small network on the backend that KERAS_BACKEND names; writes what came out.

Both backends begin with the weights in ``initial.npz``: each draws its own from a seed. There is no dropout, for the
same reason.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.backend import backend_versions, quiet, start_keras
from catalog.ensemble.prediction.loading import predict_scaled
from catalog.ensemble.studies.gradients import jacobian
from catalog.ensemble.training import session
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import CheckpointKeeper
from catalog.ensemble.training.member import train_member
from catalog.profiles.model import TrainingSettings
from tests.ensemble.conftest import SMALL

NETWORK = SMALL.model_copy(update={"dropout": 0.0})
TRAINING = TrainingSettings(max_epochs=4, batch_size=16, learning_rate=5e-3)


class _StopError(Exception):
    pass


@quiet()
def probe(folder: Path) -> dict[str, np.ndarray]:
    """Train twice, once straight and once with a stop after three epochs; predict with the first."""
    arrays = TrainingArrays.open(folder)
    with np.load(folder / "initial.npz") as file:
        initial = [file[name] for name in file.files]
    build = session.build_network

    def build_with_weights(*sizes: Any) -> Any:
        network = build(*sizes)
        network.set_weights(initial)
        return network

    def stop(epoch: int, _: object) -> None:
        if epoch == 3:
            raise _StopError

    session.build_network = build_with_weights
    try:
        straight = train_member(arrays, 0, 1, NETWORK, TRAINING, lambda *_: None)
        keeper = CheckpointKeeper(folder / "probe.checkpoint", backend_versions(), 0.0)
        try:
            train_member(arrays, 0, 1, NETWORK, TRAINING, stop, keeper)
        except _StopError:
            pass
        resumed = train_member(arrays, 0, 1, NETWORK, TRAINING, lambda *_: None, None, keeper.read())
    finally:
        session.build_network = build
    fresh = build_with_weights(*arrays.sizes, NETWORK)
    return {
        "backend": np.array(backend_versions()["backend"]),
        "untrained": predict_scaled(fresh, arrays.inputs(slice(None))),
        **{f"gradient_{i}": part for i, part in enumerate(jacobian(fresh)(arrays.inputs(slice(0, 6))))},
        "trained": predict_scaled(straight.network, arrays.inputs(slice(None))),
        "val_loss": np.array(straight.history["val_loss"]),
        "resumed": np.array(resumed.history["val_loss"]),
        "same": np.array(
            all(
                np.array_equal(a, b)
                for a, b in zip(straight.network.get_weights(), resumed.network.get_weights(), strict=True)
            )
        ),
    }


if __name__ == "__main__":
    start_keras(threads=1)
    np.savez(Path(sys.argv[1]) / "probe.npz", allow_pickle=False, **probe(Path(sys.argv[1])))

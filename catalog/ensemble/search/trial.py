"""One trial: a network with the proposed settings, trained by the training session of the ensemble."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from catalog import __version__
from catalog.database.ledger import fingerprint
from catalog.ensemble.backend import backend_versions, quiet
from catalog.ensemble.search.state import TrialRecord
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import CHECKPOINT_SECONDS, CheckpointError, CheckpointKeeper
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.session import TrainedMember, TrainingSession
from catalog.profiles.model import NetworkSettings, TrainingSettings

__all__ = ["SPLIT", "TrialTrainer"]

SPLIT = 0
"""Every trial is trained and validated on the stars of the run's first split: those of member 1."""

OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, eq=False)
class TrialTrainer:
    """What is the same for all trials."""

    arrays: TrainingArrays
    seed: int
    """Of weights, batches and dropout: that of member 1, so that trials differ in their settings alone."""
    folder: Path
    """Of the checkpoints."""
    sample: str
    """Fingerprint of the training sample."""
    epochs: int
    """Of any trial, at most."""
    keep: bool = False
    """Whether a later trial with the same settings goes on from the end of a trial (Hyperband)."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    @quiet()
    def train(
        self,
        trial: TrialRecord,
        network: NetworkSettings,
        training: TrainingSettings,
        on_epoch: OnEpoch,
        on_resume: OnEpoch,
    ) -> TrialRecord:
        """Do a trial, from its checkpoint where there is one.

        Parameters
        ----------
        trial : TrialRecord
            Its number, values and epochs.
        network : NetworkSettings
        training : TrainingSettings
        on_epoch : callable
            Told the number of epochs done and the figures of the last.
        on_resume : callable
            Told the number of epochs that a checkpoint holds.

        Returns
        -------
        TrialRecord
            Completed; or failed, where the network diverges or cannot be built.
        """
        # The same in all rounds of Hyperband: a trial that goes on must be as if it had never stopped.
        training = training.model_copy(update={"max_epochs": self.epochs})
        try:
            trained = self._train(trial.max_epochs, network, training, on_epoch, on_resume)
        except (DivergedError, _NoNetworkError) as error:
            return trial.model_copy(update={"status": "failed", "message": str(error), **_stamp()})
        best = trained.best_epoch - 1
        return trial.model_copy(
            update={
                "status": "completed",
                "epochs": trained.epochs,
                "best_epoch": trained.best_epoch,
                "val_mse": trained.history["val_mse"][best],
                "history": tuple(trained.history["val_mse"]),
                "wall_s": round(trained.wall_s, 2),
                **_stamp(kernels=trained.kernels),
            }
        )

    def discard(self, network: NetworkSettings, training: TrainingSettings) -> None:
        """Remove the checkpoint of a trial that is recorded, unless a later one may go on from it."""
        if not self.keep:
            self._checkpoint(network, training).unlink(missing_ok=True)

    def _train(
        self,
        epochs: int,
        network: NetworkSettings,
        training: TrainingSettings,
        on_epoch: OnEpoch,
        on_resume: OnEpoch,
    ) -> TrainedMember:
        try:
            session = TrainingSession(self.arrays, SPLIT, self.seed, network, training)
        except ValueError as error:
            # Keras refuses, for instance, a kernel that is wider than what pooling leaves of the spectrum.
            raise _NoNetworkError(f"the network cannot be built: {str(error).splitlines()[0]}") from error
        identity = {
            "sample": self.sample,
            "seed": self.seed,
            "network": network.model_dump(mode="json"),
            "training": training.model_dump(mode="json"),
            "kernels": session.kernels,
            **backend_versions(),
        }
        keeper = CheckpointKeeper(self._checkpoint(network, training), identity, self.checkpoint_seconds)
        try:
            start = keeper.read()
        except CheckpointError:
            # It is of no use: the trial begins again.
            keeper.discard()
            start = None
        if start is not None:
            session.put_back(start)
            on_resume(session.epochs, {})
        while not session.ended and session.epochs < epochs:
            figures = session.epoch()
            on_epoch(session.epochs, figures)
            if keeper.due() and not session.ended:
                keeper.write(session.state())
        # One that stopped early has nothing more to learn.
        if self.keep and not session.ended:
            keeper.write(session.state())
        return session.finish()

    def _checkpoint(self, network: NetworkSettings, training: TrainingSettings) -> Path:
        """Return where these settings have their checkpoint, whatever the number of epochs."""
        key = fingerprint(network.model_dump(mode="json"), training.model_dump(mode="json", exclude={"max_epochs"}))
        return self.folder / f"{key[:16]}.checkpoint"


class _NoNetworkError(ValueError):
    """The settings make no network."""


def _stamp(**versions: str) -> dict[str, Any]:
    versions = {"rvscat": __version__, "keras_tuner": version("keras-tuner"), **backend_versions(), **versions}
    return {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions}

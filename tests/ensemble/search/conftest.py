"""A sky of few stars, a small space, and a session that knows its result without training."""

import math
from typing import Any, ClassVar

import pytest

from catalog.ensemble.search import SearchListener, SearchSpace, TrialRecord
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.checkpoints import Checkpoint
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.session import TrainedMember
from catalog.profiles.model import NetworkSettings, TrainingSettings

SPACE = {
    "network": {"filters": [[2, 4], [2, 3], [2, 3]], "dropout": {"low": 0.0, "high": 0.4}},
    "training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": [8, 16, 32]},
}


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace.model_validate(SPACE)


class Heard(SearchListener):
    """Remembers what it is told; `at_epoch` may raise."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float, str]] = []
        self.rows: list[dict[str, str]] = []
        self.ended: list[tuple[int, bool]] = []

    def __call__(self, done: float, total: float, what: str = "") -> None:
        self.told.append((done, total, what))

    def parts(self, rows: Any) -> None:
        self.rows += [dict(row) for row in rows]

    def trial(self, trial: TrialRecord, *, before: bool) -> None:
        self.ended.append((trial.number, before))


class KnownSession:
    """Stands in for the training session: its errors follow from the settings and the epoch alone."""

    made: ClassVar[list[tuple[NetworkSettings, TrainingSettings]]] = []
    epochs_done = 0
    stop_at: int | None = None
    """Of all epochs of all sessions: the one in which the process is interrupted."""
    diverge_above = math.inf
    """Learning rate."""

    def __init__(
        self, arrays: TrainingArrays, split: int, seed: int, network: NetworkSettings, training: TrainingSettings
    ) -> None:
        assert split == 0
        self.kernels = "none"
        self._training = training
        self._history: dict[str, list[float]] = {}
        self._floor = 0.05 + 0.02 * (math.log10(training.learning_rate) + 2.5) ** 2 + 0.1 * network.dropout
        self._floor += 0.001 * sum(network.filters) + 1e-9 * seed
        type(self).made.append((network, training))

    @property
    def epochs(self) -> int:
        return len(self._history.get("val_mse", ()))

    @property
    def ended(self) -> bool:
        return self.epochs >= self._training.max_epochs

    def epoch(self) -> dict[str, float]:
        type(self).epochs_done += 1
        if self.stop_at == self.epochs_done:
            raise KeyboardInterrupt
        if self._training.learning_rate > self.diverge_above:
            raise DivergedError(f"the loss of epoch {self.epochs + 1} is nan")
        error = self._floor + 0.1 / (self.epochs + 1)
        figures = {"loss": error, "val_loss": error, "val_mse": error, "learning_rate": self._training.learning_rate}
        for name, value in figures.items():
            self._history.setdefault(name, []).append(value)
        return figures

    def state(self) -> Checkpoint:
        return Checkpoint({"history": self._history}, {})

    def put_back(self, checkpoint: Checkpoint) -> None:
        self._history = checkpoint.state["history"]

    def finish(self) -> TrainedMember:
        return TrainedMember(None, self._history, self.epochs, 1.0, kernels=self.kernels)


@pytest.fixture
def known_session(monkeypatch: pytest.MonkeyPatch) -> type[KnownSession]:
    """Put it in the place of the training session."""

    class Session(KnownSession):
        made: ClassVar[list[tuple[NetworkSettings, TrainingSettings]]] = []

    monkeypatch.setattr("catalog.ensemble.search.trial.TrainingSession", Session)
    return Session

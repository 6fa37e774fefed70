"""What is told while members are trained: how far the whole is, and how each member at work stands."""

import statistics
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catalog.profiles.model import TrainingSettings
from catalog.progress import Listener, Progress

__all__ = ["TrainingWatch"]


class TrainingWatch:
    """Turns the events of training processes into progress and notes.

    Parameters
    ----------
    training : TrainingSettings
    n_members : int
        Of the whole ensemble.
    epochs_finished : list of int
        Epochs of each member that was finished before.
    progress : Progress
        A `Listener` is also told of each member at work.
    """

    def __init__(
        self, training: TrainingSettings, n_members: int, epochs_finished: list[int], progress: Progress
    ) -> None:
        self.notes: list[str] = []
        self._training = training
        self._n_members = n_members
        self._epochs_finished = list(epochs_finished)
        self._progress = progress
        self._at_work: dict[int, Mapping[str, Any]] = {}
        n_before = len(epochs_finished)
        self._tell(f"{n_before} members were finished before" if n_before else "starting the training processes")

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Hear of an event: ``epoch``, ``diverged``, ``resumed``, ``refused``, ``restarted`` or ``done``."""
        member, name = int(event["member"]), f"member {int(event['member']) + 1}"
        match event["event"]:
            case "epoch":
                self._at_work[member] = event
                words = (
                    f"{name} of {self._n_members}, epoch {event['epoch']}: loss {event['loss']:.4f}, "
                    f"validation {event['val_loss']:.4f}, learning rate {event['learning_rate']:.1e}"
                )
            case "resumed":
                words = f"{name} goes on after epoch {event['epoch']}"
                self.notes.append(f"Member {member + 1} went on after epoch {event['epoch']}, where it was stopped.")
            case "done":
                self._at_work.pop(member, None)
                self._epochs_finished.append(int(event["epochs"]))
                words = (
                    f"{name} of {self._n_members} finished after {event['epochs']} epochs, "
                    f"validation {event['val_loss']:.4f}"
                )
            case "refused":
                words = f"{name} begins again"
                self.notes.append(f"{event['message']} Member {member + 1} began again.")
            case "diverged":
                self._at_work.pop(member, None)
                words = f"{name} has diverged, next seed"
            case _:
                words = f"{name} is taken up again"
                self.notes.append(f"{event['message']} Another process took the member up again.")
        self._tell(words)

    def end(self) -> None:
        """Say that no member is at work any more."""
        self._at_work.clear()
        self._tell_parts()

    def seconds_left(self, event: Mapping[str, Any]) -> tuple[float, bool]:
        """Estimate how long a member still takes.

        Parameters
        ----------
        event : mapping
            Its last epoch.

        Returns
        -------
        seconds : float
        known : bool
            False where it is only the least that is left: patience decides on the end, and no member has ended yet
            to compare with.
        """
        most = self._training.max_epochs - event["epoch"]
        least = min(most, event.get("patience_left", 0))
        pace = float(event.get("seconds", 0.0))
        if not self._epochs_finished:
            return pace * least, least == most
        usual = statistics.median(self._epochs_finished) - event["epoch"]
        return pace * min(most, max(least, usual)), True

    def _tell(self, words: str) -> None:
        done = len(self._epochs_finished) * self._training.max_epochs
        done += sum(int(event["epoch"]) for event in self._at_work.values())
        self._progress(done, self._n_members * self._training.max_epochs, words)
        self._tell_parts()

    def _tell_parts(self) -> None:
        if isinstance(self._progress, Listener):
            self._progress.parts([self._row(member) for member in sorted(self._at_work)])

    def _row(self, member: int) -> dict[str, str]:
        event = self._at_work[member]
        seconds, known = self.seconds_left(event)
        return {
            "member": f"{member + 1}",
            "epoch": f"{event['epoch']}/{self._training.max_epochs}",
            "loss": f"{event['loss']:.5f}",
            "validation": f"{event['val_loss']:.5f}",
            "learning rate": f"{event['learning_rate']:.1e}",
            "left": f"{'' if known else '> '}{timedelta(seconds=round(seconds))}",
            # On a cluster.
            **({"worker": str(event["where"])} if "where" in event else {}),
        }

"""Members trained by others: on a cluster, through whatever runs tasks.

A task gets the path of the work folder and numbers. It trains its member in a process of its own, as `pool` does here,
so that the same settings give the same bits wherever that is; all else lies in the folder, which every worker must see.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog import __version__
from catalog.ensemble.space import told_of_full_disk
from catalog.ensemble.training.gathering import finished_member
from catalog.ensemble.training.journal import JournalReader, MemberJournal, begin_session, end_session, here
from catalog.ensemble.training.pool import RESTARTS, OnEvent, train_members
from catalog.ensemble.training.splits import MemberPlan
from catalog.errors import ConfigurationError, TrainingError
from catalog.tasks import LostPart, Part, TaskRunner

__all__ = ["TrainedElsewhere", "train_by_number"]

_TARGET = f"{__name__}:train_by_number"


def train_by_number(
    folder: str, session: str, member: int, split: int, initialisation: int, rvscat_version: str = __version__
) -> None:
    """Train one member of the task in `folder`, from its last checkpoint if there is one.

    Parameters
    ----------
    folder : str
        Work folder that holds a saved `Task`.
    session : str
        See `journal`.
    member, split, initialisation : int
        See `MemberPlan`.
    rvscat_version : str
        Of the process that waits for the member.

    Raises
    ------
    ConfigurationError
        The folder is not to be seen from here, or rvscat is another version here.
    SupersededError
        Nobody waits for the member any more.
    TrainingError
        The process that trained it ended before its time.
    RvscatError
        The member has diverged with every seed, or could not be saved.
    """
    if rvscat_version != __version__:
        raise ConfigurationError(
            f"{here()}, which is to train member {member + 1}, has rvscat {__version__}; the training runs on "
            f"{rvscat_version}.",
            "Install the same version everywhere.",
        )
    journal = MemberJournal(Path(folder), session, member)
    plan = MemberPlan(member, split, initialisation)
    with told_of_full_disk(Path(folder).parent, f"member {member + 1}"):
        journal.begin()
        train_members(Path(folder), [plan], 1, journal, journal.require_current, f"member_{member:02d}")


class TrainedElsewhere:
    """Trains members as `pool.train_members` does, by the workers of a task runner.

    A member whose worker is lost is done again from its checkpoint by another one; the runner does so by itself, or
    else it is asked again.

    Parameters
    ----------
    runner : TaskRunner
    """

    def __init__(self, runner: TaskRunner) -> None:
        self._runner = runner

    def __call__(self, folder: Path, plans: Sequence[MemberPlan], _workers: int, on_event: OnEvent) -> None:
        """Train members and wait for all of them.

        Parameters
        ----------
        folder : pathlib.Path
            Work folder with the task and the arrays, on a file system that all workers share.
        plans : sequence of MemberPlan
        _workers : int
            Of no concern: the runner has its own.
        on_event : callable
            See `pool.train_members`; each event also has ``where``, host and process.

        Raises
        ------
        ConfigurationError
            A worker does not see the folder, or has another version of rvscat.
        TrainingError
            The worker of a member was lost again and again.
        RvscatError
            A member has diverged with every seed, or could not be saved.
        """
        waiting, lost_before = list(plans), Counter[int]()
        try:
            while waiting:
                lost = self._train(folder, waiting, on_event)
                waiting = [waiting[part.number] for part in lost]
                for plan, part in zip(waiting, lost, strict=True):
                    if lost_before[plan.member] >= RESTARTS:
                        raise TrainingError(
                            f"Member {plan.member + 1} was lost {RESTARTS + 1} times: {part.message}",
                            "What was trained is kept. Look at the workers' logs and memory, then run the command "
                            "again.",
                        )
                    lost_before[plan.member] += 1
                    on_event({"event": "restarted", "member": plan.member, "message": part.message})
        finally:
            # Whatever still runs has nobody to wait for it.
            end_session(folder)

    def _train(self, folder: Path, plans: Sequence[MemberPlan], on_event: OnEvent) -> list[LostPart]:
        session = begin_session(folder)
        reader, relay = JournalReader(folder, session), _Relay(on_event)
        spoilt: list[LostPart] = []

        def tell() -> None:
            for event in reader.news():
                relay(event)

        def on_end(number: int, _: Any) -> None:
            tell()
            plan = plans[number]
            outcome = finished_member(folder / "members", plan)
            if outcome is None:
                spoilt.append(LostPart(number, f"The files of member {plan.member + 1} are not whole."))
                return
            on_event({"event": "done", "member": plan.member, "epochs": outcome.epochs, "val_loss": outcome.val_loss})

        parts: list[Part] = [
            {
                "folder": str(folder), "session": session, "member": plan.member, "split": plan.split,
                "initialisation": plan.initialisation, "rvscat_version": __version__,
            }
            for plan in plans
        ]  # fmt: skip
        lost = self._runner.run(_TARGET, parts, on_end, tell)
        tell()
        return lost + spoilt


class _Relay:
    """Passes events on; tells where a runner has given a member to another worker by itself."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._where: dict[int, str] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        member = int(event["member"])
        if event["event"] == "began":
            before = self._where.get(member)
            self._where[member] = str(event["where"])
            if before is not None:
                self._on_event(
                    {
                        "event": "restarted",
                        "member": member,
                        "message": f"The worker {before}, which trained member {member + 1}, was lost.",
                    }
                )
        elif event["event"] != "done" and event.get("where") == self._where.get(member):
            self._on_event(dict(event))

"""One catalogue made in spite of faults: each is inflicted, told of, and gone on from with the same command."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from tests.acceptance.faults.digest import Digest, differences, digest_of
from tests.acceptance.faults.harm import Fault, Scene
from tests.acceptance.faults.home import Ended, Home
from tests.acceptance.faults.listing import STAGES

__all__ = ["Outcome", "travel"]


@dataclass(frozen=True)
class Outcome:
    """What became of one fault."""

    fault: Fault
    said: str
    """What the user saw."""
    again: str
    """What the same command did afterwards."""
    same: bool | None
    """Whether what the stage left behind is that of an undisturbed run; None when it was not reached."""
    seconds: float
    """Until the disturbed command had ended."""
    defects: tuple[str, ...] = ()
    at_end: bool = False
    """Whether the disturbed command itself made the whole catalogue."""

    @property
    def good(self) -> bool:
        """Survived, and told of in words."""
        return bool(self.same) and not self.defects


def travel(
    home: Home, faults: Sequence[Fault], reference: Digest, tell: Callable[[str], None], keep: bool = False
) -> list[Outcome]:
    """Make a catalogue with these faults on the way; another one when it came to its end before all were inflicted.

    Parameters
    ----------
    home : Home
        Begun anew, from the last state before the first fault's stage that it keeps.
    faults : sequence of Fault
        In the order of their moments.
    reference : Digest
        Of an undisturbed run.
    tell : callable
        Hears each fault's end.
    keep : bool
        Keep a copy of the home after each fault, to begin other journeys there.

    Returns
    -------
    list of Outcome
    """
    before = STAGES[: STAGES.index(faults[0].moment.stage)]
    state = next((stage for stage in reversed(before) if home.kept(stage)), None)
    home.empty() if state is None else home.take_up(state)
    outcomes: list[Outcome] = []
    for fault in faults:
        try:
            outcome, reached = _inflict(home, fault)
        except Exception as error:
            # A defect of this script, or of what it leans on: told, and the journey goes on.
            outcome, reached = Outcome(fault, f"{type(error).__name__}: {error}", "", None, 0.0, ("script",)), False
        if not reached and outcome.at_end and outcomes:
            # What was done after the fault before it leaves no place for this one: it begins a catalogue of its own.
            break
        if not reached and outcomes:
            outcomes[-1] = replace(outcomes[-1], again=f"did not come to {fault.name}: {outcome.said}")
        outcomes.append(outcome)
        tell(f"{fault.name}: {outcome.said} [{outcome.seconds:.0f} s] {', '.join(outcome.defects)}")
        if keep and reached:
            home.keep(fault.moment.stage)
        if outcome.at_end:
            break
    last = home.start().ended()
    tell(f"the same command again: {last.said} [{last.seconds:.0f} s]")
    differing = differences(digest_of(home.path, home.url()), reference) if last.status == 0 else []
    for stage, name in differing:
        tell(f"differs: {name} ({stage})")
    judged = list(_judged(outcomes, last, {stage for stage, _ in differing}))
    left = faults[len(outcomes) :]
    return judged + (travel(home, left, reference, tell, keep) if left else [])


def _inflict(home: Home, fault: Fault) -> tuple[Outcome, bool]:
    disk = nullcontext() if fault.disk is None else home.small_disk(fault.disk, fault.room_mb)
    with disk as small:
        process = home.start(
            fault.moment, own_prefect=fault.own_prefect, variables=dict(fault.variables), clock_s=fault.clock_s
        )
        scene = Scene(home, process, small)
        try:
            reached = process.at_moment()
            if reached:
                fault.harm(scene)
            ended = process.ended()
        except BaseException:
            process.kill()
            raise
        if small is not None and reached:
            small.make_room()
    reached = reached or bool(fault.variables)
    told = scene.others[0] if scene.others else ended
    defects = []
    if not reached:
        defects.append("moment not reached")
    if told.ugly or ended.ugly:
        defects.append("traceback")
    if fault.survives and ended.status != 0:
        defects.append("not survived")
    said = "nothing: it came to its end" if told.status == 0 else told.said
    return Outcome(fault, said, "", None, ended.seconds, tuple(defects), ended.status == 0), reached


def _judged(outcomes: list[Outcome], last: Ended, differing: set[str]) -> Iterator[Outcome]:
    for outcome in outcomes:
        again = outcome.again or ("ended well" if last.status == 0 else last.said)
        same = None
        if last.status == 0 and outcome.again == "" and "moment not reached" not in outcome.defects:
            # A fault can spoil its own stage and what comes after it.
            after = set(STAGES[STAGES.index(outcome.fault.moment.stage) :])
            same = not after & differing
        yield replace(outcome, again=again, same=same)

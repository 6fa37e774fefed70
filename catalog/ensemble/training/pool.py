"""Several members at a time: one training process a core, each with one thread.

Two processes of one thread each train faster than one process of two threads. The processes are started
afresh, never forked, and share the training arrays through mapped files. Where one is killed, another takes its
member up again from the last checkpoint.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from catalog.ensemble.training.splits import MemberPlan
from catalog.errors import RvscatError, TrainingError

__all__ = ["RESTARTS", "OnEvent", "Trainer", "train_members"]

RESTARTS = 2
"""How often a member whose process was killed is taken up again."""

_WORKER = "catalog.ensemble.training.worker"
_PACKAGE_PARENT = Path(__file__).resolve().parents[3]
_LOG_LINES = 5
_PATIENCE_S = 5.0
_IDLE_S = 1.0

OnEvent = Callable[[dict[str, Any]], None]
_Events = queue.SimpleQueue[tuple["_Worker", dict[str, Any] | None]]


class Trainer(Protocol):
    """Trains members of the task in a folder and waits for them: `train_members`, or a cluster."""

    def __call__(self, folder: Path, plans: Sequence[MemberPlan], workers: int, on_event: OnEvent, /) -> None:
        """Train all members, at most `workers` at once on this machine."""


@dataclass(eq=False)
class _Worker:
    number: int
    process: subprocess.Popen[str]
    log: Path
    plan: MemberPlan | None = None
    reader: threading.Thread | None = field(default=None, repr=False)

    def order(self, plan: MemberPlan) -> None:
        self.plan = plan
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(asdict(plan)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: its reader tells

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, which says nothing about what it was doing."""
        return self.process.wait() < 0

    def death(self, plan: MemberPlan) -> TrainingError:
        code = self.process.wait()
        how = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        said = f" Its last words ({self.log}): {' | '.join(line.strip() for line in lines)}" if lines else ""
        remedy = "What was trained is kept: run the command again."
        if code == -signal.SIGKILL:
            remedy += " Where memory was short, let fewer train at once (RVSCAT_WORKERS)."
        return TrainingError(f"The process that trained member {plan.member + 1} {how}.{said}", remedy)


def train_members(
    folder: Path,
    plans: Sequence[MemberPlan],
    workers: int,
    on_event: OnEvent,
    idle: Callable[[], None] = lambda: None,
    log: str = "worker",
) -> None:
    """Train members in processes of their own and wait for all of them.

    Whatever ends this function, an interrupt from the keyboard included, ends its processes; they also end by
    themselves when this process is killed.

    Parameters
    ----------
    folder : pathlib.Path
        Work folder with the task and the arrays; networks and logs are written there.
    plans : sequence of MemberPlan
        Members to train.
    workers : int
        Processes at once.
    on_event : callable
        Told, in this thread, each event of the processes as a dictionary: ``epoch``, ``diverged``, ``resumed``,
        ``refused``, ``done``; and ``restarted`` where a process was killed and another goes on in its place.
    idle : callable
        Called in this thread while nothing happens, every second; what it raises ends the training.
    log : str
        Beginning of the names of the processes' log files.

    Raises
    ------
    TrainingError
        A process ended by itself before its time, or was killed again and again.
    RvscatError
        A member has diverged with every seed, or could not be saved.
    """
    waiting = list(reversed(plans))
    events: _Events = queue.SimpleQueue()
    n_left = len(plans)
    restarts: Counter[int] = Counter()
    with _processes(folder, log, min(workers, len(plans)), events) as pool:
        for worker in pool:
            worker.order(waiting.pop())
        while n_left:
            try:
                worker, event = events.get(timeout=_IDLE_S)
            except queue.Empty:
                idle()
                continue
            if event is None:
                # One that had nothing more to do is not missed.
                if worker.plan is not None:
                    pool[worker.number] = _replace(worker, worker.plan, events, restarts, on_event)
                continue
            if event["event"] == "error":
                raise RvscatError(event["message"], event["remedy"])
            on_event(event)
            if event["event"] == "done":
                n_left -= 1
                worker.plan = None
                if waiting:
                    worker.order(waiting.pop())


def _replace(worker: _Worker, plan: MemberPlan, events: _Events, restarts: Counter[int], on_event: OnEvent) -> _Worker:
    """Start another process in the place of one that was killed, and let it go on with the member."""
    death = worker.death(plan)
    _end(worker)
    if not worker.was_killed or restarts[plan.member] >= RESTARTS:
        raise death
    restarts[plan.member] += 1
    on_event({"event": "restarted", "member": plan.member, "message": death.message})
    successor = _start(worker.log, worker.number, events)
    successor.order(plan)
    return successor


@contextmanager
def _processes(folder: Path, log: str, n: int, events: _Events) -> Iterator[list[_Worker]]:
    pool: list[_Worker] = []
    try:
        for i in range(n):
            pool.append(_start(folder / f"{log}-{i}.log", i, events))
        yield pool
    finally:
        for worker in pool:
            _close_input(worker)
        for worker in pool:
            _end(worker)


def _close_input(worker: _Worker) -> None:
    """Tell a process to end."""
    assert worker.process.stdin is not None
    try:
        worker.process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already


def _end(worker: _Worker) -> None:
    _close_input(worker)
    try:
        worker.process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
    assert worker.reader is not None
    assert worker.process.stdout is not None
    worker.reader.join()
    worker.process.stdout.close()


def _start(log: Path, number: int, events: _Events) -> _Worker:
    path = os.pathsep.join(filter(None, [str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(log.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, **threads, "PYTHONPATH": path},
            # An interrupt from the keyboard reaches the parent alone, which ends the workers in order.
            start_new_session=True,
        )
    worker = _Worker(number, process, log)
    assert process.stdout is not None
    worker.reader = threading.Thread(target=_relay, args=(worker, process.stdout, events), daemon=True)
    worker.reader.start()
    return worker


def _relay(worker: _Worker, lines: IO[str], events: _Events) -> None:
    for line in lines:
        if not line.endswith("\n"):
            break  # half a line is all that a killed process could say
        events.put((worker, json.loads(line)))
    events.put((worker, None))

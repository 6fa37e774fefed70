"""Several members at a time: one training process a core, each with one thread.

Two processes of one thread each train faster than one process of two threads. The processes are started
afresh, never forked, and share the training arrays through mapped files.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from catalog.ensemble.splits import MemberPlan
from catalog.errors import RvscatError, TrainingError

__all__ = ["train_members"]

_WORKER = "catalog.ensemble.worker"
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_LOG_LINES = 5
_PATIENCE_S = 5.0

OnEvent = Callable[[dict[str, Any]], None]


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[str]
    log: Path
    member: int | None = None
    reader: threading.Thread | None = field(default=None, repr=False)

    def order(self, plan: MemberPlan) -> None:
        self.member = plan.member
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(asdict(plan)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: its reader tells

    def death(self) -> TrainingError:
        code = self.process.wait()
        how = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        said = f" Its last words ({self.log}): {' | '.join(line.strip() for line in lines)}" if lines else ""
        remedy = "Finished members are kept: run the command again."
        if code == -signal.SIGKILL:
            remedy += " Where memory was short, let fewer train at once (RVSCAT_WORKERS)."
        return TrainingError(f"The process that trained member {self.member} {how}.{said}", remedy)


def train_members(folder: Path, plans: Sequence[MemberPlan], workers: int, on_event: OnEvent) -> None:
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
        Told, in this thread, each event of the processes as a dictionary: ``epoch``, ``diverged``, ``done``.

    Raises
    ------
    TrainingError
        A process ended before its time.
    RvscatError
        A member has diverged with every seed.
    """
    waiting = list(reversed(plans))
    events: queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = queue.SimpleQueue()
    n_left = len(plans)
    with _processes(folder, min(workers, len(plans)), events) as pool:
        for worker in pool:
            worker.order(waiting.pop())
        while n_left:
            worker, event = events.get()
            if event is None:
                raise worker.death()
            if event["event"] == "error":
                raise RvscatError(event["message"], event["remedy"])
            on_event(event)
            if event["event"] == "done":
                n_left -= 1
                worker.member = None
                if waiting:
                    worker.order(waiting.pop())


@contextmanager
def _processes(
    folder: Path, n: int, events: "queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]]"
) -> Iterator[list[_Worker]]:
    pool: list[_Worker] = []
    try:
        for i in range(n):
            pool.append(_start(folder, i, events))
        yield pool
    finally:
        for worker in pool:
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended already
        for worker in pool:
            try:
                worker.process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            assert worker.reader is not None
            assert worker.process.stdout is not None
            worker.reader.join()
            worker.process.stdout.close()


def _start(folder: Path, i: int, events: "queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]]") -> _Worker:
    path = os.pathsep.join(filter(None, [str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    log = folder / f"worker-{i}.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, **threads, "PYTHONPATH": path},
            # An interrupt from the keyboard reaches the parent alone, which ends the workers in order.
            start_new_session=True,
        )
    worker = _Worker(process, log)
    assert process.stdout is not None
    worker.reader = threading.Thread(target=_relay, args=(worker, process.stdout, events), daemon=True)
    worker.reader.start()
    return worker


def _relay(worker: _Worker, lines: IO[str], events: "queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]]") -> None:
    for line in lines:
        if not line.endswith("\n"):
            break  # half a line is all that a killed process could say
        events.put((worker, json.loads(line)))
    events.put((worker, None))

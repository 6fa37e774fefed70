"""A training process: ``python -m catalog.ensemble.training.worker FOLDER``.

It reads one JSON line a member from its standard input and answers on its standard output with one JSON line
an event. When its input ends, its parent has ended, however that came about: the worker then ends at once, in
the middle of an epoch if need be. What the backend prints goes to standard error, which is a log file.
"""

import fcntl
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from catalog.ensemble.backend import start_keras
from catalog.ensemble.training.splits import MemberPlan
from catalog.ensemble.training.task import Task, train_and_save
from catalog.ensemble.training.work import WORKERS_LOCK
from catalog.errors import RvscatError

__all__ = ["main"]


class _Orders:
    """Lines of standard input, read beside the training, so that the parent's end is noticed."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.busy = threading.Event()
        self.busy.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self.lines.put(line)
        self.lines.put(None)
        # An idle worker ends by itself; give it the time to do so.
        for _ in range(20):
            if self.busy.is_set():
                break
            time.sleep(0.05)
        os._exit(1)

    def __iter__(self) -> "_Orders":
        return self

    def __next__(self) -> dict[str, Any]:
        self.busy.clear()
        line = self.lines.get()
        if line is None:
            raise StopIteration
        self.busy.set()
        order: dict[str, Any] = json.loads(line)
        return order


def main() -> int:
    """Train members as they are ordered, until standard input ends."""
    orders = _Orders()
    # Whatever the backend may print must not run into the events.
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    folder = Path(sys.argv[1])
    with (folder / WORKERS_LOCK).open("a") as lock:
        # Shared by all workers: the next training waits until none of them writes any more.
        fcntl.flock(lock, fcntl.LOCK_SH)
        start_keras(threads=1)
        task = Task.open(folder)
        for order in orders:
            plan = MemberPlan(**order)
            try:
                outcome = train_and_save(task, plan, emit)
            except RvscatError as error:
                emit({"event": "error", "member": plan.member, "message": error.message, "remedy": error.remedy})
                continue
            emit({"event": "done", "member": plan.member, "epochs": outcome.epochs, "val_loss": outcome.val_loss})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Time and memory of a stretch of work, its child processes included."""

import os
import threading
import time
from types import TracebackType
from typing import Self

import psutil

__all__ = ["Usage"]

_SAMPLE_SECONDS = 0.25


class Usage:
    """Context manager that measures what happens inside it.

    Attributes
    ----------
    wall_s, cpu_s : float
        Seconds; `cpu_s` is the sum over this process and its children.
    peak_mb : float
        Largest resident memory seen, in MB (10^6 bytes), children included, sampled four times a second.
    """

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = self.peak_mb = 0.0
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._children_cpu: dict[int, float] = {}
        self._children_before: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._start_cpu = self._own_cpu()
        self._sample()
        # What children did before does not count: the flow's server, for one.
        self._children_before = dict(self._children_cpu)
        self._thread = threading.Thread(target=self._watch, daemon=True, name="usage")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update()
        self._stop.set()
        self._thread.join()

    def update(self) -> None:
        """Bring the three figures up to date."""
        self._sample()
        self.wall_s = time.monotonic() - self._start
        self.cpu_s = self._own_cpu() - self._start_cpu
        for child, seconds in self._children_cpu.items():
            self.cpu_s += seconds - self._children_before.get(child, 0.0)

    def _own_cpu(self) -> float:
        times = os.times()
        return times.user + times.system

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        total = self._process.memory_info().rss
        for child in self._process.children(recursive=True):
            try:
                # Children that ended are counted by what was last seen of them.
                times = child.cpu_times()
                self._children_cpu[child.pid] = times.user + times.system
                total += child.memory_info().rss
            except psutil.Error:
                continue
        self.peak_mb = max(self.peak_mb, total / 1e6)

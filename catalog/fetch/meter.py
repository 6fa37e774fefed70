"""How much of a download is there, and whether it is to stop: what its threads share."""

import threading
from dataclasses import dataclass, field

__all__ = ["Meter", "StoppedError", "size_words"]


class StoppedError(Exception):
    """The download is to stop; nobody needs to be told."""


@dataclass
class Meter:
    """Counts bytes over all files of a download; threads share it."""

    done: int = 0
    """Bytes that are there, those of earlier runs included."""
    received: int = 0
    """Bytes that came over the network this time."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Size of each file, where it is known, or its estimate."""
    n_files: int = 0
    """Files in all, where more are to come than have a size."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """Bytes of all files; those of unknown size count as the mean of the others."""
        with self._lock:
            known = sum(self.sizes.values())
            if 0 < len(self.sizes) < self.n_files:
                known = known * self.n_files // len(self.sizes)
            return max(known, self.done)

    def expect(self, name: str, size: int) -> None:
        """Know the size of a file."""
        with self._lock:
            self.sizes[name] = size

    def came(self, n_bytes: int) -> None:
        """Count bytes from the network.

        Raises
        ------
        StoppedError
            Someone called `stop`.
        """
        with self._lock:
            self.done += n_bytes
            self.received += n_bytes
        if self._stop.is_set():
            raise StoppedError

    def lost(self, n_bytes: int) -> None:
        """Take back bytes that turned out useless."""
        with self._lock:
            self.done -= n_bytes

    def stop(self) -> None:
        """Let every thread end at its next bytes."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait, but not when all is to stop.

        Raises
        ------
        StoppedError
            Someone called `stop`.
        """
        if self._stop.wait(seconds):
            raise StoppedError


def size_words(n_bytes: float) -> str:
    """Return a size as people say it: ``812 B``, ``1.4 GB``."""
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    size, unit = float(n_bytes), 0
    while size >= 999.5 and unit < len(units) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {units[unit]}" if unit == 0 or size >= 99.5 else f"{size:.1f} {units[unit]}"

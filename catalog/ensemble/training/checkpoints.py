"""The state of a training after an epoch, in a file that is whole, fits, or is refused.

A member that goes on from its checkpoint ends with the very weights that it would have had: the file holds weights,
optimiser, learning rate, early stopping with the best weights, and the random state of shuffling and dropout.

The file is one line of words, one line with the SHA-256 of the rest, and an ``.npz`` archive.
"""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.registry.files import write_whole
from catalog.errors import ArtefactError

__all__ = ["CHECKPOINT_SECONDS", "Checkpoint", "CheckpointError", "CheckpointKeeper"]

CHECKPOINT_SECONDS = 5.0
"""Training between two checkpoints of a member, at least: an epoch may be shorter."""

_SHARE = 0.02
"""Of the training time that checkpoints may take, at most."""

_FIRST_LINE = b"rvscat checkpoint 1\n"
_META = "meta"
_AGAIN = "The member begins again; nothing is to be done."


class CheckpointError(ArtefactError):
    """A checkpoint is damaged, or of another training than the one that looks at it."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a training after an epoch."""

    state: dict[str, Any]
    """What JSON can hold: epochs done, history, counters of the schedules, random state, earlier failures."""
    arrays: dict[str, np.ndarray]
    """Variables of network and optimiser, and the best weights so far."""


@dataclass
class CheckpointKeeper:
    """Keeps the checkpoints of one member: writes them now and then, and reads the last one.

    Parameters
    ----------
    path : pathlib.Path
    identity : mapping
        Everything that must be the same for a training to go on: member, settings, sample, backend and versions.
    seconds : float
        Of training between two checkpoints, at least; 0 writes one after each epoch, whatever it costs.
    """

    path: Path
    identity: Mapping[str, Any]
    seconds: float = CHECKPOINT_SECONDS
    extra: dict[str, Any] = field(default_factory=dict)
    """Written beside the state of the training: seed, attempt and earlier failures."""

    def __post_init__(self) -> None:
        # As JSON gives it back: tuples become lists.
        self.identity = json.loads(json.dumps(self.identity))
        self._last = time.perf_counter()
        self._cost = 0.0

    def due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        pause = max(self.seconds, self._cost / _SHARE) if self.seconds else 0.0
        return time.perf_counter() - self._last >= pause

    def write(self, checkpoint: Checkpoint) -> None:
        """Put `checkpoint` in the place of the one before.

        Raises
        ------
        OSError
            It could not be written, for instance on a full disk; the one before is still there.
        """
        begin = time.perf_counter()
        meta = {"identity": self.identity, "extra": self.extra, "state": checkpoint.state}
        arrays = {**checkpoint.arrays, _META: np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        payload = stream.getbuffer()
        digest = hashlib.sha256(payload).hexdigest().encode()

        def write(path: Path) -> None:
            with path.open("wb") as file:
                file.write(_FIRST_LINE + digest + b"\n")
                file.write(payload)

        write_whole(self.path, write)
        self._last = time.perf_counter()
        self._cost = self._last - begin

    def read(self) -> Checkpoint | None:
        """Return the last checkpoint, or None where there is none; `extra` becomes what was kept with it.

        Raises
        ------
        CheckpointError
            It is damaged, or of another training.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        head, _, rest = data[len(_FIRST_LINE) :].partition(b"\n")
        if not data.startswith(_FIRST_LINE) or hashlib.sha256(rest).hexdigest().encode() != head:
            raise CheckpointError(f"{self.path} is no whole checkpoint: its SHA-256 is not the one it names.", _AGAIN)
        try:
            with np.load(io.BytesIO(rest), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays.pop(_META).tobytes())
            identity, extra, state = meta["identity"], meta["extra"], meta["state"]
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{self.path} cannot be read: {error}", _AGAIN) from error
        if identity != self.identity:
            odd = ", ".join(sorted(k for k in {*identity, *self.identity} if identity.get(k) != self.identity.get(k)))
            raise CheckpointError(f"{self.path} is of another training: {odd} is not the same.", _AGAIN)
        self.extra = extra
        return Checkpoint(state, arrays)

    def discard(self) -> None:
        """Remove the checkpoint."""
        self.path.unlink(missing_ok=True)

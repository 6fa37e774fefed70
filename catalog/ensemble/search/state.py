"""What a search has found so far, in a folder of its own: one search at a time, and nothing half-written is taken.

Each finished trial is a JSON file with its SHA-256. keras_tuner's own state is not kept: with the same seed and the
same results it proposes the same trials again, so that a search that was killed is taken up by going through its
trials.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.ensemble.registry.files import write_whole
from catalog.ensemble.search.space import SearchSpace
from catalog.errors import ArtefactError, RvscatError
from catalog.profiles import Profile

__all__ = ["BASE", "METHODS", "Method", "SearchFolder", "SearchRecord", "TrialRecord", "known_searches"]

BASE = 0
"""Number of the trial with the profile's own settings, which all others are compared with."""

Method = Literal["bayesian", "hyperband", "random"]
METHODS: tuple[Method, ...] = ("bayesian", "hyperband", "random")

_SEARCH = "search.json"
_LOCK = "search.lock"
_TRIALS = "trials"

_Record = TypeVar("_Record", bound=BaseModel)


class TrialRecord(BaseModel):
    """A trial that has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """0 for the profile's own settings, then 1, 2, …"""
    status: Literal["completed", "failed"]
    values: dict[str, int | float]
    """Of each dimension of the space."""
    max_epochs: int
    epochs: int = 0
    """Done; early stopping may end a trial before `max_epochs`."""
    best_epoch: int = 0
    """Whose weights are kept, counted from 1: that of the lowest validation loss."""
    val_mse: float | None = None
    """Of those weights, on the scaled labels."""
    history: tuple[float, ...] = ()
    """Validation MSE of each epoch."""
    message: str = ""
    """Why it failed."""
    same_as: int | None = None
    """An earlier trial with the same settings, whose result this is."""
    wall_s: float = 0.0
    finished: str = ""
    """UTC, ISO 8601."""
    versions: dict[str, str] = {}


class SearchRecord(BaseModel):
    """What a search is, and when it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    run_id: int
    profile: Profile
    sample: str
    """Fingerprint of the training sample."""
    n_training: int
    n_validation: int
    method: Method
    seed: int
    epochs: int
    """Of a trial, at most."""
    space: SearchSpace
    started: str
    """UTC, ISO 8601."""
    planned: int = 0
    """Trials that were asked for last."""
    finished: int | None = None
    """`planned` when the search last came to its end."""


@dataclass(frozen=True)
class SearchFolder:
    """The folder of a search."""

    path: Path

    @classmethod
    @contextmanager
    def opened(cls, parent: Path, key: str) -> Iterator["SearchFolder"]:
        """Give the folder of a search to this process alone.

        Parameters
        ----------
        parent : pathlib.Path
            Folder of all searches.
        key : str

        Yields
        ------
        SearchFolder

        Raises
        ------
        RvscatError
            Another process is at work on this search.
        """
        folder = cls(parent / key[:16])
        (folder.path / _TRIALS).mkdir(parents=True, exist_ok=True)
        with (folder.path / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RvscatError(
                    f"Another process is at work on this search in {folder.path}.",
                    "Wait until it has ended; `rvscat tune --show` tells how far it is.",
                ) from None
            for half in folder.path.rglob(".[0-9]*-*"):
                half.unlink(missing_ok=True)
            yield folder

    @property
    def checkpoints(self) -> Path:
        """Folder of trials that are not finished."""
        return self.path / "checkpoints"

    @property
    def sample(self) -> Path:
        """Folder of the spectra, while the search is at work."""
        return self.path / "sample"

    def describe(self, record: SearchRecord) -> None:
        """Write what the search is."""
        text = record.model_dump_json(indent=1)
        write_whole(self.path / _SEARCH, lambda path: path.write_text(_sealed(json.loads(text))))

    def described(self) -> SearchRecord | None:
        """Return what the search is, or None where it has not begun.

        Raises
        ------
        ArtefactError
            The file is damaged.
        """
        remedy = f"Remove the folder {self.path} to search anew."
        content = _read(self.path / _SEARCH, remedy)
        return None if content is None else _validated(SearchRecord, content, self.path / _SEARCH, remedy)

    def write(self, trial: TrialRecord) -> None:
        """Keep a trial that has ended."""
        content = json.loads(trial.model_dump_json())
        write_whole(self._trial(trial.number), lambda path: path.write_text(_sealed(content)))

    def trial(self, number: int) -> TrialRecord | None:
        """Return a trial, or None where it has not ended.

        Raises
        ------
        ArtefactError
            Its file is damaged.
        """
        path = self._trial(number)
        remedy = f"Remove {path}: this trial is then done again, and the search goes on."
        content = _read(path, remedy)
        return None if content is None else _validated(TrialRecord, content, path, remedy)

    def trials(self) -> list[TrialRecord]:
        """Return all trials that have ended, in the order of their numbers.

        Raises
        ------
        ArtefactError
            A file is damaged.
        """
        numbers = sorted(int(path.stem) for path in (self.path / _TRIALS).glob("[0-9]*.json"))
        return [trial for number in numbers if (trial := self.trial(number)) is not None]

    def _trial(self, number: int) -> Path:
        return self.path / _TRIALS / f"{number:04d}.json"


def known_searches(parent: Path) -> list[SearchFolder]:
    """Return the folders of all searches that have begun, the latest last.

    Parameters
    ----------
    parent : pathlib.Path
        Folder of all searches.
    """
    found = [path for path in parent.glob(f"*/{_SEARCH}") if not path.parent.name.startswith(".")]
    return [SearchFolder(path.parent) for path in sorted(found, key=lambda path: (path.stat().st_mtime, path))]


def _sealed(content: Any) -> str:
    return json.dumps({"sha256": _sha256(content), "content": content}, indent=1, ensure_ascii=False) + "\n"


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(path: Path, remedy: str) -> Any:
    """Return the content of a sealed file, or None where there is none."""
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(sealed, Mapping) and sealed["sha256"] == _sha256(sealed["content"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise ArtefactError(f"{path} is damaged: {error!r}.", remedy) from error
    if not whole:
        raise ArtefactError(f"{path} is damaged: its SHA-256 is not the one it names.", remedy)
    return sealed["content"]


def _validated(model: type[_Record], content: Any, path: Path, remedy: str) -> _Record:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ArtefactError(
            f"{path} was written by another version of rvscat: {error.errors()[0]['msg']}.", remedy
        ) from error

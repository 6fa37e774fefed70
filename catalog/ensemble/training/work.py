"""The folder in which the members of a training gather: one training at a time, kept until the ensemble is whole.

A training that was killed leaves its folder; the next one with the same key goes on in it. Folders that no training
has come back to for a week are removed.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from catalog.ensemble.registry.files import age_days
from catalog.ensemble.registry.keys import folder_name
from catalog.ensemble.training.journal import end_session
from catalog.errors import RvscatError

__all__ = ["ABANDONED_DAYS", "WORKERS_LOCK", "discard_work", "remove_abandoned", "remove_partial", "work_folder"]

WORKERS_LOCK = "workers.lock"
"""Held, shared, by the training processes of a folder."""

ABANDONED_DAYS = 7.0
"""After which the folder of a training that was killed is removed."""

_LOCK = "training.lock"
_PATIENCE_S = 30.0


@contextmanager
def work_folder(parent: Path, training_key: str) -> Iterator[Path]:
    """Give the folder of a training to this process alone; it stays, for `discard_work` to remove.

    Half-written files of a training that was killed are removed.

    Parameters
    ----------
    parent : pathlib.Path
        Folder of all ensembles.
    training_key : str
        See `catalog.ensemble.registry.keys`.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    RvscatError
        Another process trains these networks, or a training process of an earlier training does not end.
    """
    folder = _path(parent, training_key)
    with _locked(folder) as lock:
        if lock is None:
            raise RvscatError(
                f"Another process trains the same networks in {folder}.",
                "Wait until it has ended: see `rvscat status`.",
            )
        end_session(folder)
        _await_workers(folder)
        for half in folder.rglob(".[0-9]*-*"):
            half.unlink(missing_ok=True)
        yield folder


def discard_work(parent: Path, training_key: str) -> None:
    """Remove the folder of a training whose ensemble is whole."""
    shutil.rmtree(_path(parent, training_key), ignore_errors=True)


def remove_abandoned(parent: Path, training_key: str, days: float = ABANDONED_DAYS) -> list[str]:
    """Remove folders of trainings that were killed and that nobody has come back to.

    Parameters
    ----------
    parent : pathlib.Path
        Folder of all ensembles.
    training_key : str
        Of the training that begins: its folder stays.
    days : float
        Without a change since.

    Returns
    -------
    list of str
        One note a folder.
    """
    notes = []
    for folder in sorted([*parent.glob(".work-*"), *parent.glob(".*.partial")]):
        if folder == _path(parent, training_key) or not folder.is_dir():
            continue
        age = age_days(folder)
        if age < days:
            continue
        with _locked(folder) as lock:
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                notes.append(f"{folder.name}, left by a training that was stopped {age:.0f} days ago, was removed.")
    return notes


def remove_partial(folder: Path) -> None:
    """Remove what could be written of an ensemble before its disk was full."""
    shutil.rmtree(folder.with_name(f".{folder.name}.partial"), ignore_errors=True)


def _path(parent: Path, training_key: str) -> Path:
    return parent / f".work-{folder_name(training_key)}"


@contextmanager
def _locked(folder: Path) -> Iterator[IO[str] | None]:
    """Lock `folder`, or give None where another process has; the kernel frees it when this process ends."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            if _same_file(lock, folder / _LOCK):
                yield lock
                return
        # The folder was removed between opening and locking: once more.


def _same_file(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _await_workers(folder: Path) -> None:
    """Wait for the processes of a training that was killed: they end when they notice."""
    deadline = time.monotonic() + _PATIENCE_S
    with (folder / WORKERS_LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RvscatError(
                        f"A training process of an earlier training still works in {folder}.",
                        "End it: its command line is `python -m catalog.ensemble.training.worker`, with this folder.",
                    ) from None
                time.sleep(0.1)
            else:
                return

"""Folders that are written beside their place and put there when they are whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import ConfigurationError
from catalog.mock.manifest import is_ours

__all__ = ["replacing"]


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a fresh folder that replaces `folder` when the block ends without error.

    Parameters
    ----------
    folder : Path
        Absent, empty, or an earlier synthetic sky.

    Yields
    ------
    Path
        A hidden folder beside `folder`. What killed writings left there is removed first.

    Raises
    ------
    ConfigurationError
        `folder` holds something that is no synthetic sky.
    """
    if folder.exists() and not (folder.is_dir() and (is_ours(folder) or not any(folder.iterdir()))):
        raise ConfigurationError(
            f"{folder} holds files that are no synthetic sky: they are not overwritten.",
            "Move them away, or choose another size or seed for the synthetic sky.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.writing-"
    for old in folder.parent.glob(f"{prefix}*"):
        if not _is_running(old.name.removeprefix(prefix)):
            shutil.rmtree(old)
    workplace = folder.parent / f"{prefix}{os.getpid()}"
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir()
    try:
        yield workplace
        if folder.exists():
            discarded = folder.parent / f"{prefix}{os.getpid()}-old"
            folder.rename(discarded)
            workplace.rename(folder)
            shutil.rmtree(discarded)
        else:
            workplace.rename(folder)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _is_running(process: str) -> bool:
    """Return whether a process with that number lives."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True

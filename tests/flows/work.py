"""Parts for tests."""

import os
import signal
from pathlib import Path
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from catalog.errors import TrainingError


def one_thread() -> ThreadPoolTaskRunner[Any]:
    """A task runner that does one part after the other, in this process."""
    return ThreadPoolTaskRunner(max_workers=1)


def double(number: int) -> dict[str, Any]:
    return {"twice": 2 * number, "process": os.getpid()}


def fail(number: int) -> int:
    if number == 1:
        raise TrainingError("Part 1 cannot be done.", "Leave it.")
    return number


def break_(number: int) -> None:
    raise ZeroDivisionError(f"part {number}")


def die_once(number: int, folder: str) -> int:
    mark = Path(folder) / "died"
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number

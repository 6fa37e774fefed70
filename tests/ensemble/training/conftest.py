"""The processes that trainings start."""

from typing import Any

import psutil
import pytest

from catalog.ensemble.training import pool


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[psutil.Process]:
    """The processes that a test starts."""
    found: list[psutil.Process] = []
    start = pool._start

    def remember(*arguments: Any) -> Any:
        worker = start(*arguments)
        found.append(psutil.Process(worker.process.pid))
        return worker

    monkeypatch.setattr(pool, "_start", remember)
    return found

"""Folders for embedded servers, which an unprivileged account must reach when root runs the tests, and accounts."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.database.embedded import place
from catalog.database.embedded.account import Account


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every account can enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="embedded-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def shared_parent(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /var/lib, so that tests leave nothing there."""
    parent = open_folder / "var-lib"
    parent.mkdir()
    parent.chmod(0o755)
    monkeypatch.setattr(place, "SHARED_PARENTS", (open_folder / "missing", parent))
    return parent


@pytest.fixture
def myself() -> Account:
    """This process's own account."""
    return Account("me", os.geteuid(), os.getegid(), switch=False)

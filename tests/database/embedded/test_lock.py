"""One process at a time."""

import os
import subprocess
from pathlib import Path

import pytest

from catalog.database.embedded import (
    lock,
)
from catalog.errors import DatabaseError

AS_ROOT = os.geteuid() == 0
needs_user = pytest.mark.skipif(AS_ROOT, reason="root may read and write everything")


def test_the_lock_is_held_once_and_outlives_its_maker_in_a_child(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with lock.file_lock(file) as descriptor:
        with pytest.raises(DatabaseError, match="has held"), lock.file_lock(file, timeout_s=0.1):
            pass
        assert lock.take(file, 0) is None
    with lock.file_lock(file):
        pass
    descriptor = lock.take(file, 0)
    assert descriptor is not None
    with subprocess.Popen(["sleep", "60"], pass_fds=[descriptor]) as child:
        os.close(descriptor)
        assert lock.take(file, 0) is None
        child.kill()
    again = lock.take(file, 5)
    assert again is not None
    os.close(again)


@needs_user
def test_a_lock_that_cannot_be_opened_is_told() -> None:
    with pytest.raises(DatabaseError, match="Cannot lock /usr/lock"), lock.file_lock(Path("/usr/lock")):
        pass

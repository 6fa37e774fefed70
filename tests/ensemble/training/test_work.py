import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.ensemble.training import work
from catalog.ensemble.training.work import WORKERS_LOCK, discard_work, remove_abandoned, work_folder
from catalog.errors import RvscatError

KEY, OTHER = "a" * 64, "b" * 64

HOLDER = """
import sys
from pathlib import Path
from catalog.ensemble.training.work import work_folder
with work_folder(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that trains in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), KEY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_training_at_a_time_until_it_ends_or_is_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    message = r"Another process trains the same networks.*rvscat status"
    with pytest.raises(RvscatError, match=message), work_folder(tmp_path, KEY):
        pass
    with work_folder(tmp_path, OTHER):
        pass
    holder.kill()
    holder.communicate()
    with work_folder(tmp_path, KEY) as folder:
        assert folder == tmp_path / f".work-{KEY[:16]}"


def test_a_training_waits_for_the_processes_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with work_folder(tmp_path, KEY) as folder:
        pass
    with (folder / WORKERS_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        monkeypatch.setattr(work, "_PATIENCE_S", 0.2)
        with pytest.raises(RvscatError, match="still works"), work_folder(tmp_path, KEY):
            pass
    with work_folder(tmp_path, KEY):
        pass


def test_half_written_files_go_and_whole_ones_stay(tmp_path: Path) -> None:
    with work_folder(tmp_path, KEY) as folder:
        (folder / "members").mkdir()
        for name in ("member_00.keras", ".4711-member_01.keras", ".12-member_01.checkpoint", ".keep"):
            (folder / "members" / name).write_text("x")
    with work_folder(tmp_path, KEY) as folder:
        assert {path.name for path in (folder / "members").iterdir()} == {"member_00.keras", ".keep"}
    discard_work(tmp_path, KEY)
    assert list(tmp_path.iterdir()) == []
    discard_work(tmp_path, KEY)


def test_folders_that_nobody_came_back_to_are_removed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    def aged(name: str, days: float) -> Path:
        folder = tmp_path / name
        (folder / "members").mkdir(parents=True, exist_ok=True)
        (folder / "members" / "x").write_text("x")
        then = time.time() - days * 86_400
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (then, then))
        return folder

    old, recent, whole = aged(".work-old", 8), aged(".work-recent", 6), aged("0123456789abcdef", 90)
    mine, half = aged(f".work-{OTHER[:16]}", 30), aged(".0123456789abcdef.partial", 9)
    held = aged(f".work-{KEY[:16]}", 30)
    notes = remove_abandoned(tmp_path, OTHER)
    holder.communicate()
    assert notes == [
        ".0123456789abcdef.partial, left by a training that was stopped 9 days ago, was removed.",
        ".work-old, left by a training that was stopped 8 days ago, was removed.",
    ]
    assert [path.exists() for path in (old, half, recent, whole, mine, held)] == [False, False, True, True, True, True]

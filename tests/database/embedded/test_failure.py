"""What is said of a server that does not start."""

from pathlib import Path

import pytest

from catalog.database.embedded.failure import failure, log_since, log_sizes


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ('FATAL:  could not write lock file "postmaster.pid": No space left on device', "make room"),
        ("FATAL:  could not create shared memory segment: Function not implemented", "memory"),
        ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", "crashed"),
        ("PANIC:  could not locate a valid checkpoint record at 0/1", "backup"),
        ("something new", "RVSCAT_DATABASE_URL"),
    ],
)
def test_a_failure_shows_the_log_and_a_remedy(said: str, remedy: str) -> None:
    error = failure("It failed", "\n".join(["earlier line"] * 40 + [said]))
    assert said in error.message
    assert error.message.count("earlier line") < 20
    assert remedy in error.remedy


def test_only_what_was_logged_at_this_start_is_shown(tmp_path: Path) -> None:
    weekday, restarted = tmp_path / "postgresql-Mon.log", tmp_path / "postgresql-Tue.log"
    weekday.write_text("old\n")
    restarted.write_text("a week ago\n")
    before = log_sizes(tmp_path)
    with weekday.open("a") as stream:
        stream.write("new\n")
    restarted.write_text("anew\n")
    (tmp_path / "start.log").write_text("reason\n")
    assert log_since(tmp_path, before) == "new\nanew\nreason\n"

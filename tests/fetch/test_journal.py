"""The journal of a folder and its lock."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.fetch import FetchError, Journal, Part
from catalog.fetch.lock import locked


def test_parts_are_remembered(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "folder")
    part = Part(url="https://archive.example/x", rows=3, job="https://archive.example/async/7", extra={"ids": [1, 2]})
    journal.record("x", part)
    again = Journal(journal.folder)
    assert again["x"] == part
    assert "x" in again
    assert again.names() == ["x"]
    assert again["y"] == Part()
    again.forget("x")
    assert Journal(journal.folder).names() == []


def test_a_file_is_untouched_until_it_changes(tmp_path: Path) -> None:
    journal, file = Journal(tmp_path), tmp_path / "x.csv"
    assert journal.untouched("x.csv") is None
    file.write_text("1")
    assert journal.untouched("x.csv") is None
    journal.record_file("x.csv", Part(checksum="md5:0"))
    assert Journal(tmp_path).untouched("x.csv") == journal["x.csv"]
    os.utime(file, (1, 1))
    assert journal.untouched("x.csv") is None
    journal.record_file("x.csv", Part())
    file.write_text("22")
    os.utime(file, (1, 1))
    assert journal.untouched("x.csv") is None


def test_a_file_may_be_recorded_before_it_has_its_name(tmp_path: Path) -> None:
    journal, part = Journal(tmp_path), tmp_path / "x.csv.part"
    part.write_text("1")
    journal.record_file("x.csv", Part(), part)
    assert journal.untouched("x.csv") is None
    part.replace(tmp_path / "x.csv")
    assert journal.untouched("x.csv") is not None


def test_it_is_json_that_a_person_can_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.record("b", Part(url="u"))
    journal.record("a", Part())
    text = (tmp_path / "_fetch.json").read_text()
    assert list(json.loads(text)["parts"]) == ["a", "b"]
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "parts": {"x": 3}}'])
def test_a_damaged_journal_is_kept_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / "_fetch.json").write_text(text)
    journal = Journal(tmp_path)
    assert journal.names() == []
    assert (tmp_path / "_fetch.damaged.json").read_text() == text
    journal.record("x", Part())
    assert Journal(tmp_path).names() == ["x"]


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "_fetch.json").write_text('{"version": 1, "parts": {"x": {"rows": 3, "colour": "red"}}}')
    assert Journal(tmp_path)["x"].rows == 3


def test_a_large_journal_is_written_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for n in range(2000):
            journal.record(f"{n}", Part(rows=n))
        assert len(Journal(tmp_path).names()) >= 512
    again = Journal(tmp_path)
    assert len(again.names()) == 2000
    assert again["1999"].rows == 1999


def test_one_process_at_a_time_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "rvs"
    program = (
        "import sys, pathlib\nfrom catalog.fetch.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n print('in', flush=True)\n sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        words = rf"Another download \(process {other.pid}\) is at work in {folder}"
        with pytest.raises(FetchError, match=words), locked(folder):
            pass
        other.kill()
        other.wait()
    # The kernel frees the lock of a killed process.
    with locked(folder):
        pass

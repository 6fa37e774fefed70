"""The server's own file: which process serves a folder, and what a server that is gone has left."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from catalog.database.embedded.account import Account
from catalog.database.embedded.postmaster import Postmaster, find_postmaster, release_stale
from tests.database.embedded.places import in_place


@pytest.mark.parametrize(
    "text",
    ["", "garbage\n", "0\n", "-7\n/somewhere\n", "99999999999999999999\n", f"{os.getpid()}\n/somewhere\n1\n5432\n"],
    ids=["empty", "garbage", "zero", "negative", "too large", "a process that is no server"],
)
def test_a_file_that_names_no_server_of_this_folder_finds_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert find_postmaster(tmp_path) is None


def test_a_process_with_the_number_but_other_data_is_not_the_server(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)", "-D"]
    with (
        subprocess.Popen([*command, str(other)], stdout=subprocess.PIPE) as somebody,
        subprocess.Popen([*command, str(mine)], stdout=subprocess.PIPE) as ours,
    ):
        try:
            # A process that is just being started has no command line yet.
            for process in (somebody, ours):
                assert process.stdout is not None
                assert process.stdout.readline()
            lines = [str(mine), "1", "5432", str(tmp_path / "run"), "", "1 2", "ready   "]
            (mine / "postmaster.pid").write_text("\n".join([str(somebody.pid), *lines]))
            assert find_postmaster(mine) is None
            (mine / "postmaster.pid").write_text("\n".join([str(ours.pid), *lines]))
            found = find_postmaster(mine)
            assert found == Postmaster(ours.pid, 5432, tmp_path / "run", "", "ready")
            # Its socket is not there: nobody can connect.
            assert not found.reachable
        finally:
            somebody.kill()
            ours.kill()


def test_releasing_keeps_what_postgresql_needs_to_recognise_survivors(tmp_path: Path, myself: Account) -> None:
    made = in_place(tmp_path)
    short = Path(tempfile.mkdtemp(prefix="rvscat-"))
    (short / ".s.PGSQL.5432.lock").touch()
    (made.run / ".s.PGSQL.5432").touch()
    file = made.data / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{made.data}\n1\n5432\n{short}\n\n  8826964     65536\nready   \n")
    release_stale(made, myself)
    lines = file.read_text().split("\n")
    assert lines[6] == "  8826964     65536"
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[0]), 0)
    assert not short.exists()
    assert not list(made.run.iterdir())


def test_releasing_removes_an_empty_file_and_spares_foreign_folders(tmp_path: Path, myself: Account) -> None:
    made = in_place(tmp_path)
    file = made.data / "postmaster.pid"
    file.touch()
    release_stale(made, myself)
    assert not file.exists()
    foreign = tmp_path / "precious"
    foreign.mkdir(mode=0o700)
    file.write_text(f"1\n{made.data}\n1\n5432\n{foreign}\n")
    release_stale(made, myself)
    assert foreign.is_dir()

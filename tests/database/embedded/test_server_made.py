"""Real servers that are made: twice at once, in odd folders, by root and by users."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from catalog.database import embedded
from catalog.database.embedded import binaries, ensure_server, remove_server, server_status
from catalog.database.embedded.account import server_account
from catalog.settings import Settings
from tests.database.embedded.servers import AS_ROOT, ask, place_of, python, said

needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root starts the server as another account")


@pytest.fixture
def server_at() -> Iterator[Callable[[Path], Settings]]:
    """Settings for a home; its server is removed at the end, started or not."""
    made: list[Settings] = []

    def settings_of(home: Path) -> Settings:
        made.append(Settings(home=home))
        return made[-1]

    yield settings_of
    for one in made:
        remove_server(one)


def test_two_processes_make_one_server_in_a_folder_with_spaces_and_a_long_path(
    open_folder: Path, server_at: Callable[[Path], Settings]
) -> None:
    home = open_folder / "a folder with spaces" / ("deep-" * 20) / "Größe"
    settings = server_at(home)
    printing = "print(ensure_server(settings)); print(server_status(settings).pid)"
    first, second = python(printing, home), python(printing, home)
    assert said(first) == said(second)
    url = ensure_server(settings)
    assert ask(url, "SELECT 1") == 1
    folder = Path(str(ask(url, "SHOW unix_socket_directories")))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(place_of(settings).base.glob("new-*"))
    embedded.stop_server(settings)
    assert not folder.exists()


def test_a_first_start_that_was_killed_is_done_again(open_folder: Path, server_at: Callable[[Path], Settings]) -> None:
    settings = server_at(open_folder / "home")
    with python("ensure_server(settings)", settings.home) as killed:
        base = settings.home / "postgres"
        while not list(base.glob("new-*/data/base")):
            assert killed.poll() is None
            time.sleep(0.005)
        killed.kill()
    assert not server_status(settings).running
    assert not (base / "data").exists()
    assert ask(ensure_server(settings), "SELECT 1") == 1
    assert not list(base.glob("new-*"))


def modes(folder: Path) -> dict[str, tuple[int, int]]:
    """Mode and owner of a folder and all above it."""
    return {str(path): (path.stat().st_mode, path.stat().st_uid) for path in (folder, *folder.parents)}


@needs_root
def test_root_in_a_closed_folder_gets_data_and_programs_elsewhere(
    tmp_path: Path, shared_parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    home.mkdir()
    # The environment lies in the closed folder, too.
    newest = max(binaries.find_binaries().items())[1]
    package = closed / "site" / binaries.WHEEL
    package.mkdir(parents=True)
    (package / newest.folder.name).symlink_to(newest.folder, target_is_directory=True)
    libraries = newest.folder.parent.parent / f"{binaries.WHEEL}.libs"
    (closed / "site" / libraries.name).symlink_to(libraries, target_is_directory=True)
    monkeypatch.setattr(binaries, "_folders", lambda: [package / newest.folder.name])
    before = modes(home) | modes(shared_parent)

    settings = Settings(home=home)
    url = ensure_server(settings)
    try:
        assert ask(url, "SELECT 1") == 1
        assert modes(home) | modes(shared_parent) == before
        place = place_of(settings)
        assert place.base.parent == shared_parent / "rvscat"
        # The programs are root's, open to all and writable by none.
        running = Path(psutil.Process(server_status(settings).pid).cmdline()[0])
        assert running.is_relative_to(shared_parent / "rvscat" / f"postgresql-{newest.version}")
        for path in (running, *running.parents[:3]):
            assert path.stat().st_uid == 0
            assert path.stat().st_mode & 0o777 == 0o755
        assert not (running.parent.parent / "include").exists()

        # The copy is made once, and made again when the wheel's is another build.
        made = running.stat().st_ino
        embedded.stop_server(settings)
        assert ensure_server(settings) == url
        assert running.stat().st_ino == made
        embedded.stop_server(settings)
        with running.open("ab") as stream:
            stream.write(b"another build")
        ensure_server(settings)
        assert running.stat().st_ino != made

        # A removed home is a fresh beginning: the old server ends, its data are named and kept.
        old = server_status(settings)
        shutil.rmtree(home)
        fresh = ensure_server(settings)
        assert fresh != url
        assert not psutil.pid_exists(old.pid or 0) or psutil.Process(old.pid).status() == psutil.STATUS_ZOMBIE
        assert server_status(settings).left_behind == (place.base,)
    finally:
        remove_server(settings)
    assert not server_status(settings).running
    assert [path.name for path in (shared_parent / "rvscat").glob("*-*") if path.name != place.base.name] == [
        f"postgresql-{newest.version}"
    ]


@needs_root
def test_a_user_and_afterwards_root_use_the_users_server(open_folder: Path) -> None:
    nobody = server_account(Settings(home=open_folder, database_account="nobody"))
    shared = open_folder / "programs"
    shared.mkdir(mode=0o755)
    newest = max(binaries.find_binaries().items())[1]
    programs = binaries.reachable_binaries(newest, nobody, [shared]).folder
    home = open_folder / "home"
    home.mkdir()
    nobody.own(home)
    # Imported as root, since the interpreter may lie in root's folder; then root's rights are given up for good.
    become = "import psycopg, encodings.idna; from catalog.database.embedded import binaries\n"
    become += f"binaries._folders = lambda: [Path({str(programs)!r})]\n"
    become += f"os.setgroups([]); os.setgid({nobody.gid}); os.setuid({nobody.uid})\n"
    report = "import json; from dataclasses import asdict\n"
    report += "ensure_server(settings); print(json.dumps(asdict(server_status(settings)), default=str))"
    found = json.loads(said(python(become + report, home)))
    settings = Settings(home=home)
    try:
        assert found["account"] == "nobody"
        assert Path(found["data"]) == home / "postgres" / "data"
        assert (home / "postgres").stat().st_uid == nobody.uid
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        ensure_server(settings)
        assert server_status(settings).pid == found["pid"]
        embedded.stop_server(settings)
        ensure_server(settings)
        assert server_status(settings).account == "nobody"
        # And the user again: nothing that root did is in the way.
        again = json.loads(said(python(become + report, home)))
        assert again["pid"] == server_status(settings).pid
        # Somebody else's server is refused, and said whose it is.
        stranger = become.replace(f"setuid({nobody.uid})", "setuid(12345)")
        refused = python(stranger + "ensure_server(settings)", home)
        _, err = refused.communicate(timeout=60)
        assert "cannot be read by this user" in err
    finally:
        remove_server(settings)

"""Real servers: made, found again, killed, started twice at once, in odd folders, by root and by users."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from catalog.database import embedded
from catalog.database.embedded import binaries, endpoint, ensure_server, remove_server, server, server_status
from catalog.database.embedded.account import server_account
from catalog.database.embedded.place import Place, recorded_place
from catalog.errors import DatabaseError
from catalog.settings import Settings

REPOSITORY = Path(embedded.__file__).parents[3]
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root starts the server as another account")

ENSURE = """
import os, sys
from pathlib import Path
from catalog.database.embedded import ensure_server, server_status
from catalog.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Settings of one running server that the tests share; each leaves it running."""
    with tempfile.TemporaryDirectory(prefix="embedded-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        made = Settings(home=Path(name) / "home")
        # Whom root names at first stays in charge without being named again.
        ensure_server(made.model_copy(update={"database_account": "nobody"}))
        yield made
        remove_server(made)


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


def place_of(settings: Settings) -> Place:
    """The place of a server that was made."""
    found = recorded_place(settings.home)
    assert found is not None
    return found


def ask(url: str, question: str) -> object:
    """First value of a query's answer, asked of the maintenance database."""
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def tell(url: str, *statements: str) -> None:
    """Run statements in the maintenance database."""
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def python(script: str, home: Path) -> subprocess.Popen[str]:
    """Another Python with nothing but the path in its environment: no HOME, no settings."""
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [sys.executable, "-c", ENSURE + script, str(home)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have succeeded."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


# --- what a server is like -------------------------------------------------------------------------------------------


def test_it_answers_with_the_settings_that_catalogues_need(settings: Settings) -> None:
    url = ensure_server(settings)
    assert int(str(ask(url, "SHOW server_version_num"))) >= 160_000
    wanted = {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "wal_level": "minimal",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "password_encryption": "scram-sha-256",
    }
    assert {name: ask(url, f"SHOW {name}") for name in wanted} == wanted
    # Letters sort by code point, whatever the machine's locale; letters beyond ASCII are letters.
    assert ask(url, "SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b','A','a','B']) x") == "ABab"
    assert ask(url, "SELECT upper('é')") == "É"


def test_nobody_gets_in_without_the_password(settings: Settings) -> None:
    url = ensure_server(settings)
    for wrong in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url, dbname="postgres", password=wrong, passfile="/dev/null")


def test_everything_is_closed_to_others(settings: Settings) -> None:
    place = place_of(settings)
    for path in (place.data, place.run, place.log):
        assert path.stat().st_mode & 0o777 == 0o700
    assert place.password.stat().st_mode & 0o777 == 0o600
    assert place.base.stat().st_mode & 0o777 == (0o711 if AS_ROOT else 0o700)
    assert (place.data.stat().st_uid == 0) is False
    process = psutil.Process(server_status(settings).pid)
    assert process.uids().real == place.data.stat().st_uid
    assert [one for one in process.net_connections() if one.family.name.startswith("AF_INET")] == []


def test_the_password_is_in_no_log_and_no_command_line(settings: Settings) -> None:
    place = place_of(settings)
    password = place.password.read_text().strip()
    assert len(password) >= 24
    with pytest.raises(psycopg.errors.SyntaxError):
        tell(ensure_server(settings), "no statement")
    files = [path for folder in (place.log, place.data) for path in folder.rglob("*") if path.is_file()]
    assert any(path.parent == place.log and "no statement" in path.read_text() for path in files)
    assert [path for path in files if password.encode() in path.read_bytes()] == []
    process = psutil.Process(server_status(settings).pid)
    family = [process, *process.children()]
    assert [one for one in family if password in " ".join(one.cmdline()) + " ".join(one.environ().values())] == []
    assert password not in str(server_status(settings))


def test_the_status_says_what_and_where(settings: Settings) -> None:
    found = server_status(settings)
    assert found.running
    assert found.embedded
    assert found.data == place_of(settings).data
    assert found.pid is not None
    assert psutil.Process(found.pid).name() == "postgres"
    assert found.version == ask(ensure_server(settings), "SHOW server_version")
    assert not AS_ROOT or found.account == "nobody"
    assert found.account == psutil.Process(found.pid).username()
    assert found.url is not None
    assert "***" in found.url
    assert found.size_bytes is not None
    assert 20e6 < found.size_bytes < 2e9


# --- kept, found again, started anew ---------------------------------------------------------------------------------


def test_asking_again_finds_the_same_server(settings: Settings) -> None:
    pid = server_status(settings).pid
    assert ensure_server(settings) == ensure_server(settings)
    assert server_status(settings).pid == pid


def test_data_are_kept_when_it_stops_and_starts(settings: Settings) -> None:
    url = ensure_server(settings)
    tell(url, "CREATE TABLE kept AS SELECT 42 AS value")
    pid = server_status(settings).pid
    assert embedded.stop_server(settings)
    stopped = server_status(settings)
    assert (stopped.running, stopped.pid) == (False, None)
    assert stopped.version == str(url and place_of(settings).data.joinpath("PG_VERSION").read_text().strip())
    assert not embedded.stop_server(settings)
    assert ensure_server(settings) == url
    assert server_status(settings).pid != pid
    assert ask(url, "SELECT value FROM kept") == 42
    tell(url, "DROP TABLE kept")


def test_it_outlives_a_killed_process_and_its_terminal(settings: Settings) -> None:
    embedded.stop_server(settings)
    starter = python(
        "ensure_server(settings); print(server_status(settings).pid, flush=True); os.kill(os.getpid(), 9)",
        settings.home,
    )
    out, _ = starter.communicate(timeout=120)
    assert starter.returncode == -signal.SIGKILL
    pid = int(out)
    ensure_server(settings)
    assert server_status(settings).pid == pid
    # Ctrl-C in a terminal reaches the processes of its session.
    assert os.getsid(pid) != os.getsid(0)


def test_a_crash_loses_nothing_that_was_committed(settings: Settings) -> None:
    url = ensure_server(settings)
    tell(url, "CREATE TABLE crashed AS SELECT generate_series(1, 1000) AS value")
    pid = server_status(settings).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    url = ensure_server(settings)
    assert server_status(settings).pid != pid
    assert ask(url, "SELECT count(*) FROM crashed") == 1000
    tell(url, "DROP TABLE crashed")


def test_a_number_taken_by_another_process_of_the_account_is_no_hindrance(settings: Settings) -> None:
    ensure_server(settings)
    place, account = place_of(settings), server_account(settings)
    left = (place.data / "postmaster.pid").read_text().split("\n")
    embedded.stop_server(settings)
    switch = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
    with subprocess.Popen(["sleep", "60"], **switch) as somebody:
        try:
            (place.data / "postmaster.pid").write_text("\n".join([str(somebody.pid), *left[1:]]))
            (place.run / ".s.PGSQL.5432.lock").write_text("\n".join([str(somebody.pid), *left[1:]]))
            for file in (place.data / "postmaster.pid", place.run / ".s.PGSQL.5432.lock"):
                account.own(file)
                file.chmod(0o600)
            assert ask(ensure_server(settings), "SELECT 1") == 1
            assert somebody.poll() is None
        finally:
            somebody.kill()


def test_a_server_that_cannot_be_seen_is_not_started_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_server(settings)
    pid = server_status(settings).pid
    # As in another container with the same folder: its process has no number here.
    monkeypatch.setattr(server, "find_postmaster", lambda data: None)
    monkeypatch.setattr(server, "wait_until_ready", lambda data: None)
    monkeypatch.setattr(server, "_SURVIVORS_SECONDS", 0.2)
    with pytest.raises(DatabaseError, match=r"cannot be seen from here.*container"):
        ensure_server(settings)
    monkeypatch.undo()
    ensure_server(settings)
    assert server_status(settings).pid == pid


def test_a_socket_that_was_cleaned_away_is_told(settings: Settings) -> None:
    ensure_server(settings)
    (place_of(settings).run / ".s.PGSQL.5432").unlink()
    assert not server_status(settings).running
    with pytest.raises(DatabaseError, match=r"socket.*is gone.*rvscat db stop"):
        ensure_server(settings)
    assert embedded.stop_server(settings)
    assert ask(ensure_server(settings), "SELECT 1") == 1


def test_a_failed_start_shows_the_log_and_a_remedy(settings: Settings) -> None:
    ensure_server(settings)
    embedded.stop_server(settings)
    own = place_of(settings).data / "postgresql.conf"
    good = own.read_text()
    try:
        own.write_text(good + "work_mem = 'plenty'\n")
        with pytest.raises(DatabaseError) as caught:
            ensure_server(settings)
        assert 'invalid value for parameter "work_mem": "plenty"' in caught.value.message
        assert "postgresql.conf" in caught.value.remedy
        # A user's own settings win over ours.
        own.write_text(good + "work_mem = '5MB'\n")
        assert ask(ensure_server(settings), "SHOW work_mem") == "5MB"
    finally:
        own.write_text(good)
        embedded.stop_server(settings)
        ensure_server(settings)


def test_a_missing_password_file_is_told(settings: Settings) -> None:
    ensure_server(settings)
    password = place_of(settings).password
    kept = password.rename(password.with_name("kept"))
    try:
        with pytest.raises(DatabaseError, match=r"password file .* is missing"):
            ensure_server(settings)
    finally:
        kept.rename(password)


def test_without_sockets_it_serves_this_machine_with_a_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.stop_server(settings)
    monkeypatch.setattr(endpoint, "_takes_sockets", lambda folder: False)
    url = ensure_server(settings)
    assert "@127.0.0.1:" in url
    assert ask(url, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url, dbname="postgres", password="wrong")
    monkeypatch.undo()
    embedded.stop_server(settings)
    assert ask(ensure_server(settings), "SHOW listen_addresses") == ""


# --- making one ------------------------------------------------------------------------------------------------------


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


# --- as root, as nobody ----------------------------------------------------------------------------------------------


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

"""A real server that runs: what it is like, killed, found again and started anew."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from catalog.database import embedded
from catalog.database.embedded import endpoint, ensure_server, remove_server, server, server_status
from catalog.database.embedded.account import server_account
from catalog.errors import DatabaseError
from catalog.settings import Settings
from tests.database.embedded.servers import AS_ROOT, ask, place_of, python, tell


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

"""The pieces of the embedded server that need no running server."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from catalog.database.embedded import (
    binaries,
    client_environment,
    endpoint,
    ensure_server,
    lock,
    place,
    psql_program,
    server_status,
    stop_server,
)
from catalog.database.embedded.account import Account, account_of_data, server_account
from catalog.database.embedded.cluster import data_version
from catalog.database.embedded.failure import failure, log_since, log_sizes
from catalog.database.embedded.place import Place
from catalog.database.embedded.postmaster import Postmaster, find_postmaster, release_stale
from catalog.errors import ConfigurationError, DatabaseError
from catalog.settings import Settings

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root starts programs as another account")
needs_user = pytest.mark.skipif(AS_ROOT, reason="root may read and write everything")


@pytest.fixture
def myself() -> Account:
    """This process's own account."""
    return Account("me", os.geteuid(), os.getegid(), switch=False)


def in_place(folder: Path) -> Place:
    """A place whose folders exist."""
    made = Place(folder)
    for part in (made.data, made.run, made.log):
        part.mkdir(mode=0o700, parents=True)
    return made


# --- the server's own file -------------------------------------------------------------------------------------------


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


# --- where it listens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 90, "with,comma"])
def test_a_path_that_cannot_name_a_socket_gives_a_private_short_folder(
    tmp_path: Path, myself: Account, name: str
) -> None:
    made = in_place(tmp_path / name)
    chosen = endpoint.choose_endpoint(made, myself)
    assert chosen.folder is not None
    try:
        assert chosen.folder != made.run
        assert len(str(chosen.folder)) < 80
        assert chosen.folder.stat().st_mode & 0o777 == 0o700
        assert chosen.folder.stat().st_uid == os.geteuid()
    finally:
        chosen.folder.rmdir()


def test_a_socket_folder_that_others_can_enter_is_not_used(myself: Account) -> None:
    with tempfile.TemporaryDirectory() as short:
        made = in_place(Path(short))
        assert endpoint.choose_endpoint(made, myself).folder == made.run
        made.run.chmod(0o755)
        chosen = endpoint.choose_endpoint(made, myself).folder
        assert chosen not in (made.run, None)
        chosen.rmdir()


def test_without_sockets_it_listens_on_loopback(
    tmp_path: Path, myself: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_takes_sockets", lambda folder: False)
    chosen = endpoint.choose_endpoint(in_place(tmp_path), myself)
    assert chosen.folder is None
    assert chosen.address == "127.0.0.1"
    assert chosen.port > 1023


@pytest.mark.parametrize("folder", ["/tmp/plain", "/srv/with space/and%percent/é&?#@:"])
def test_the_url_says_the_same_to_psycopg_and_sqlalchemy(folder: str) -> None:
    postmaster = Postmaster(1, 5433, Path(folder), "", "ready")
    url = endpoint.server_url(postmaster, "rvscat", "p/w:@?#% d", "rvscat")
    said = conninfo_to_dict(url)
    assert said == {"user": "rvscat", "password": "p/w:@?#% d", "dbname": "rvscat", "host": folder, "port": "5433"}
    parsed = make_url(url)
    assert (parsed.username, parsed.password, parsed.database) == ("rvscat", "p/w:@?#% d", "rvscat")
    assert parsed.query == {"host": folder, "port": "5433"}


def test_the_url_of_a_loopback_server() -> None:
    url = endpoint.server_url(Postmaster(1, 40000, None, "127.0.0.1", "ready"), "rvscat", "secret", "rvscat")
    assert url == "postgresql://rvscat:secret@127.0.0.1:40000/rvscat"


# --- clients ---------------------------------------------------------------------------------------------------------


def test_a_client_gets_the_password_by_its_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("PGSSLROOTCERT", "/certificate")
    url = "postgresql://me:se%27cret@host:5433/base?sslmode=require&keepalives_idle=7"
    environment, rest = client_environment(url, complete=False)
    assert rest == "keepalives_idle='7'"
    assert environment["PGPASSWORD"] == "se'cret"
    assert (environment["PGHOST"], environment["PGPORT"], environment["PGSSLMODE"]) == ("host", "5433", "require")
    assert environment["PGSSLROOTCERT"] == "/certificate"
    # The embedded server's URL is complete: nothing of the user's may lead elsewhere.
    environment, _ = client_environment("postgresql://me:pw@/base?host=%2Frun&port=5432", complete=True)
    assert "PGHOSTADDR" not in environment
    assert "PGSSLROOTCERT" not in environment
    assert environment["PGHOST"] == "/run"


def test_psql_is_the_bundled_one_or_for_other_servers_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "psql"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    here, elsewhere = Settings(home=tmp_path), Settings(home=tmp_path, database_url="postgresql://h/d")
    assert psql_program(here).parent.parent.name.startswith("pginstall")
    assert psql_program(elsewhere) == system
    monkeypatch.setattr(binaries, "WHEEL", "no_such_package")
    assert psql_program(here) == system
    system.unlink()
    with pytest.raises(DatabaseError, match="no psql"):
        psql_program(here)


# --- programs --------------------------------------------------------------------------------------------------------


def test_the_wheel_is_found_without_importing_it() -> None:
    script = (
        "import sys; from catalog.database.embedded.binaries import find_binaries; print(max(find_binaries()));"
        "assert not [name for name in sys.modules if name.startswith('pixeltable')]"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=python_env())
    assert int(found.stdout) >= 16


def python_env() -> dict[str, str]:
    """Environment of a Python that finds this package, and nothing else."""
    return {"PYTHONPATH": os.pathsep.join([str(Path(place.__file__).parents[3]), *sys.path]), "PATH": os.defpath}


def test_a_missing_wheel_and_a_broken_program_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "pginstall99" / "bin" / "postgres"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho 'wrong kind of machine' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(binaries, "_folders", lambda: [tmp_path / "pginstall99"])
    with pytest.raises(DatabaseError, match="wrong kind of machine"):
        binaries.find_binaries()
    monkeypatch.undo()
    monkeypatch.setattr(binaries, "WHEEL", "no_such_package")
    with pytest.raises(DatabaseError, match=r"no-such-package.*RVSCAT_DATABASE_URL"):
        binaries.find_binaries()


def test_data_of_another_major_version_are_refused_with_a_remedy(open_folder: Path) -> None:
    data = place.home_folder(open_folder) / "data"
    data.mkdir(parents=True)
    server_account(Settings(home=open_folder)).own(data)
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 12; .* 18(?s:.*)pg_dump"):
        ensure_server(Settings(home=open_folder))
    (data / "PG_VERSION").unlink()
    with pytest.raises(DatabaseError, match="no readable PG_VERSION"):
        data_version(data)


# --- accounts --------------------------------------------------------------------------------------------------------


@needs_root
def test_root_needs_an_account_that_exists_and_is_not_root(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such account"):
        server_account(Settings(home=tmp_path, database_account="no-such-account"))
    with pytest.raises(ConfigurationError, match="is root"):
        server_account(Settings(home=tmp_path, database_account="root"))
    assert server_account(Settings(home=tmp_path, database_account="nobody")).uid == pwd.getpwnam("nobody").pw_uid


@needs_root
def test_existing_data_are_run_by_their_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12345)
    assert account_of_data(Settings(home=tmp_path), data).uid == 12345
    with pytest.raises(DatabaseError, match="belongs to 12345, but account nobody"):
        account_of_data(Settings(home=tmp_path, database_account="nobody"), data)


@needs_root
def test_reach_is_tried_not_guessed(tmp_path: Path) -> None:
    nobody = server_account(Settings(home=tmp_path, database_account="nobody"))
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(mode=0o777, parents=True)
    closed.chmod(0o700)
    assert not nobody.can_enter(closed / "inside")
    assert not nobody.can_keep_data_in(closed / "inside")
    assert not list((closed / "inside").iterdir())
    assert nobody.can_enter(Path("/"))


def test_programs_get_none_of_the_users_database_variables(myself: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    monkeypatch.delenv("HOME", raising=False)
    said = myself.run(["/bin/sh", "-c", 'echo "$PGOPTIONS"; umask; pwd']).stdout.split("\n")
    assert said[0] == ""
    assert int(said[1], 8) == 0o077
    with pytest.raises(DatabaseError, match="no-such-program as account me"):
        myself.run(["/no-such-program"])


def test_a_user_cannot_take_over_another_users_database(tmp_path: Path) -> None:
    if AS_ROOT:
        pytest.skip("root may read and write everything")
    with pytest.raises(DatabaseError, match="belongs to user root"):
        account_of_data(Settings(home=tmp_path), Path("/usr"))


# --- places ----------------------------------------------------------------------------------------------------------


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    old = os.umask(0o077)
    try:
        place.make_folder(folder, 0o711)
        assert folder.stat().st_mode & 0o777 == 0o711
        folder.chmod(0o751)
        place.make_folder(folder, 0o700)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o751


def test_a_file_with_secrets_is_private_from_its_first_byte(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        place.write_private(tmp_path / "password", "secret\n")
    finally:
        os.umask(old)
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["password"]


def test_nothing_is_made_by_asking(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert not server_status(settings).running
    assert not stop_server(settings)
    assert not settings.home.exists()


def test_a_recorded_place_that_is_gone_is_told(tmp_path: Path) -> None:
    place.home_folder(tmp_path).mkdir()
    (place.home_folder(tmp_path) / "location").write_text("/no/such/folder\n")
    with pytest.raises(DatabaseError, match=r"/no/such/folder.*begin with an empty database"):
        ensure_server(Settings(home=tmp_path))


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"Cannot make the folder .*RVSCAT_HOME"):
        ensure_server(Settings(home=tmp_path / "file" / "home"))


def test_a_path_that_the_tools_would_mangle_is_refused(tmp_path: Path, myself: Account) -> None:
    home = tmp_path / "a$HOME"
    place.home_folder(home).mkdir(parents=True)
    with pytest.raises(DatabaseError, match=r"'\$'"):
        place.make_place(home, myself)


def test_a_shared_folder_that_others_can_write_is_refused(shared_parent: Path, myself: Account) -> None:
    assert list(place.shared_folders(myself)) == [shared_parent / "rvscat"]
    (shared_parent / "rvscat").chmod(0o777)
    assert list(place.shared_folders(myself)) == []
    (shared_parent / "rvscat").rmdir()
    (shared_parent / "rvscat").symlink_to("/tmp")
    assert list(place.shared_folders(myself)) == []


# --- locks and failures ----------------------------------------------------------------------------------------------


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

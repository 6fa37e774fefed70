"""Where a server listens, and what clients and their URLs are told."""

import os
import tempfile
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from catalog.database.embedded import (
    binaries,
    client_environment,
    endpoint,
    psql_program,
)
from catalog.database.embedded.account import Account
from catalog.database.embedded.postmaster import Postmaster
from catalog.errors import DatabaseError
from catalog.settings import Settings
from tests.database.embedded.places import in_place


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

"""`rvscat db`, as a user meets it: with the embedded server, and with another one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from catalog.cli.db import db
from catalog.database import embedded, migrate
from catalog.settings import Settings

REPOSITORY = Path(embedded.__file__).parents[3]


@pytest.fixture(scope="module")
def server_home() -> Iterator[Path]:
    """Home of an embedded server that these tests share."""
    with tempfile.TemporaryDirectory(prefix="embedded-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "home"
        embedded.remove_server(Settings(home=Path(name) / "home"))


@pytest.fixture
def rvscat(server_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run one `db` command with the embedded server."""
    monkeypatch.setenv("RVSCAT_HOME", str(server_home))
    monkeypatch.delenv("RVSCAT_DATABASE_URL", raising=False)
    return run


def run(*arguments: str, **keywords: str) -> Result:
    """Run one `db` command; errors come through."""
    return CliRunner().invoke(db, arguments, catch_exceptions=False, **keywords)


def command_line(*arguments: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    """Run `rvscat db` as a program of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from catalog.cli import main; main()", "db", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        **keywords,
    )


def test_a_server_comes_and_goes(rvscat: Callable[..., Result], server_home: Path) -> None:
    assert "not made yet" in rvscat("status").output
    assert "not running" in rvscat("stop").output
    assert not server_home.exists()

    assert f"started, data in {server_home}/postgres/data" in rvscat("start").output
    assert "running already" in rvscat("start").output
    said = rvscat("status").output
    assert "embedded, running" in said
    assert "postgresql://rvscat:***@/rvscat?host=" in said
    assert "MB free" in said

    assert "has stopped" in rvscat("stop").output
    said = rvscat("status").output
    assert "embedded, stopped" in said
    assert "process" not in said
    assert "not running" in rvscat("stop").output


def test_status_for_programs(rvscat: Callable[..., Result]) -> None:
    rvscat("start")
    found = json.loads(rvscat("status", "--json").output)
    assert found["running"] is True
    assert Path(found["data"]).is_dir()
    assert found["size_bytes"] > 10_000_000
    assert found["left_behind"] == []


def test_the_url_opens_the_database(rvscat: Callable[..., Result]) -> None:
    url = rvscat("url").output.strip()
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_database(), to_regclass('survey.gaia_source')").fetchone()
    assert row == ("rvscat", "survey.gaia_source")
    masked = rvscat("url", "--masked").output.strip()
    assert "***" in masked
    assert masked.split("@")[1] == url.split("@")[1]


def test_psql_gets_arguments_input_and_exit_status(rvscat: Callable[..., Result]) -> None:
    rvscat("start")
    answer = command_line("psql", "-At", "-v", "n=6", "-f", "-", input="SELECT :n * 7;\n")
    assert (answer.stdout, answer.stderr) == ("42\n", "")
    assert command_line("psql", "-v", "ON_ERROR_STOP=1", "-c", "SELECT nothing").returncode == 1
    # Its own command line, as others on this machine see it, holds no password.
    seen = command_line("psql", "-At", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline")
    assert r"\!" in seen.stdout
    assert rvscat("url").output.split(":")[2].split("@")[0] not in seen.stdout


def test_the_schema_goes_down_only_when_confirmed(rvscat: Callable[..., Result]) -> None:
    url = rvscat("url").output.strip()
    head = migrate.head_revision()
    refused = rvscat("downgrade", input="n\n")
    assert "ALL DATA in them are LOST" in refused.output
    assert refused.exit_code == 1
    assert migrate.current_revision(url) == head
    assert "base (empty)" in rvscat("downgrade", "base", "--yes").output
    assert migrate.current_revision(url) is None
    assert head in rvscat("upgrade").output
    assert rvscat("downgrade", input="y\n").exit_code == 0
    assert migrate.current_revision(url) not in (None, head)
    assert head in rvscat("upgrade").output


def test_an_unknown_revision_is_told(rvscat: Callable[..., Result]) -> None:
    said = rvscat("upgrade", "no_such_revision")
    assert said.exit_code == 2
    assert "no_such_revision" in said.output
    assert migrate.head_revision() in said.output


def test_another_server_is_left_alone(settings: Settings) -> None:
    assert settings.database_url is not None
    for action in ("start", "stop"):
        said = run(action)
        assert said.exit_code == 0
        assert "names another server" in said.output
        assert f"nothing to {action}" in said.output
    assert not (settings.home / "postgres").exists()
    found = json.loads(run("status", "--json").output)
    assert (found["running"], found["embedded"], found["pid"]) == (True, False, None)
    with psycopg.connect(settings.database_url) as connection:
        assert found["version"] == connection.info.parameter_status("server_version")
    assert run("url").output.strip() == settings.database_url
    answer = command_line("psql", "-At", "-c", "SELECT current_database()")
    assert answer.stdout.strip() == settings.database_url.split("?")[0].rsplit("/", maxsplit=1)[1]


def test_another_server_that_is_away_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_DATABASE_URL", "postgresql://me:secret@127.0.0.1:9/base")
    said = run("status")
    assert said.exit_code == 0
    assert "cannot be reached" in said.output
    assert "secret" not in said.output


@pytest.mark.parametrize("command", sorted(db.commands))
def test_every_command_explains_itself(command: str) -> None:
    said = run(command, "--help").output
    assert len(said.splitlines()[2].strip()) > 30

"""Whose account runs a server, and what it reaches."""

import os
import pwd
from pathlib import Path

import pytest

from catalog.database.embedded.account import Account, account_of_data, server_account
from catalog.errors import ConfigurationError, DatabaseError
from catalog.settings import Settings

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root starts programs as another account")


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

"""Where data lie: folders, their rights, and what is refused."""

import os
from pathlib import Path

import pytest

from catalog.database.embedded import (
    ensure_server,
    place,
    server_status,
    stop_server,
)
from catalog.database.embedded.account import Account
from catalog.errors import DatabaseError
from catalog.settings import Settings


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

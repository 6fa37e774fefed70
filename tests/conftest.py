"""Fixtures for every test: a fresh migrated database, settings in a temporary home, real files."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings

from catalog.database import migrate
from catalog.database.ledger import Run, open_run
from catalog.profiles import Profile, load_profile
from catalog.settings import Settings
from tests.databases import database

# The same examples everywhere and every time. To look for others: pytest --hypothesis-profile=default
hypothesis_settings.register_profile("same", derandomize=True)
hypothesis_settings.load_profile("same")


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server: RVSCAT_DATABASE_URL, or an embedded one that lasts as long as the tests."""
    if url := os.environ.get("RVSCAT_DATABASE_URL"):
        yield url
        return
    from catalog.database.embedded import ensure_server, remove_server

    settings = Settings(home=tmp_path_factory.mktemp("server"))
    yield ensure_server(settings)
    remove_server(settings)


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of an empty, migrated database to copy from."""
    with database(server_url) as url:
        migrate.upgrade(url)
        yield urlsplit(url).path[1:]


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """URL of a fresh migrated database, dropped afterwards."""
    with database(server_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """URL of a database that the tests of one module share."""
    with database(server_url, template_database) as url:
        yield url


@pytest.fixture
def fresh_database(server_url: str, template_database: str) -> Callable[[], AbstractContextManager[str]]:
    """Maker of further databases: a context manager that gives a URL."""
    return lambda: database(server_url, template_database)


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a temporary home and a fresh database; the environment says the same."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("RVSCAT_HOME", str(home))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", database_url)
    return Settings(home=home, database_url=database_url, workers=2)


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    """Connection to the fresh database."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        yield connection


@pytest.fixture
def profile() -> Profile:
    """The smallest profile."""
    return load_profile("tiny")


@pytest.fixture
def run(connection: psycopg.Connection, profile: Profile) -> Run:
    """A run of the smallest profile."""
    return open_run(connection, profile)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of published survey files, named by RVSCAT_REAL_DATA."""
    folder = os.environ.get("RVSCAT_REAL_DATA")
    if not folder:
        pytest.skip("RVSCAT_REAL_DATA does not name a folder of published survey files")
    path = Path(folder)
    if not (path / "FORMATS.md").is_file():
        pytest.fail(f"RVSCAT_REAL_DATA={folder} holds no FORMATS.md: wrong folder?")
    return path

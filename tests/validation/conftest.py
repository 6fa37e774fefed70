"""A seeded catalogue: shared and rolled back, or the test's own."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.profiles import load_profile
from tests.validation.seeding import Catalogue, Sky, seed_catalogue


@pytest.fixture(scope="session")
def seeded_database(server_url: str, template_database: str) -> Iterator[tuple[str, Run, Sky]]:
    """Seed one database for all tests that only read or roll back."""
    name = f"rvscat_validation_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(server_url)
    maintenance, url = (urlunsplit(parts._replace(path=f"/{path}")) for path in ("postgres", name))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    with psycopg.connect(url) as connection:
        run = open_run(connection, load_profile("tiny"))
        sky = seed_catalogue(connection, run)
        connection.execute("ANALYZE")
    yield url, run, sky
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def catalogue(seeded_database: tuple[str, Run, Sky]) -> Iterator[Catalogue]:
    """Give a seeded catalogue of 1500 stars that may be spoilt: the transaction is rolled back."""
    url, run, sky = seeded_database
    with psycopg.connect(url) as connection:
        yield Catalogue(connection, run, sky)
        connection.rollback()


@pytest.fixture
def sky(connection: psycopg.Connection, run: Run) -> Sky:
    """Seed the test's own fresh database, for stages that commit."""
    return seed_catalogue(connection, run)

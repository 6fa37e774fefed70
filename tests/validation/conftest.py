"""A seeded catalogue: shared and rolled back, or the test's own."""

from collections.abc import Iterator

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.profiles import load_profile
from tests.databases import database
from tests.validation.seeding import Catalogue, Sky, seed_catalogue


@pytest.fixture(scope="session")
def seeded_database(server_url: str, template_database: str) -> Iterator[tuple[str, Run, Sky]]:
    """Seed one database for all tests that only read or roll back."""
    with database(server_url, template_database) as url:
        with psycopg.connect(url) as connection:
            run = open_run(connection, load_profile("tiny"))
            sky = seed_catalogue(connection, run)
            connection.execute("ANALYZE")
        yield url, run, sky


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

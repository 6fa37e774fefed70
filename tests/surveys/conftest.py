"""What the tests of survey files share."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import psycopg
import pytest
from psycopg import sql

from catalog.releases import Release, load_release
from catalog.settings import Settings
from catalog.surveys import open_survey
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.ingest import IngestedFile, ingest_path
from tests.surveys.ingested import RVS, Ingest, Rows


@pytest.fixture(scope="session")
def release() -> Release:
    """Gaia DR3."""
    return load_release("dr3")


@pytest.fixture
def read(release: Release) -> Callable[[Path, str], SurveyBatch]:
    """Read a whole file as one batch."""

    def read_file(path: Path, product: str) -> SurveyBatch:
        batches = list(open_survey(path, product, release).batches())
        names = batches[0].columns
        columns = {name: np.ma.concatenate([batch.columns[name] for batch in batches]) for name in names}
        return SurveyBatch(
            {
                name: values if np.ma.getmaskarray(values).any() else np.ma.getdata(values)
                for name, values in columns.items()
            },
            np.concatenate([batch.row_number for batch in batches]),
            [rejection for batch in batches for rejection in batch.rejections],
        )

    return read_file


@pytest.fixture(scope="module")
def shared_database(server_url: str, template_database: str) -> Iterator[str]:
    """URL of one database for a whole module: emptying it is far quicker than making another."""
    name = f"rvscat_test_{uuid.uuid4().hex[:12]}"
    maintenance = urlunsplit(urlsplit(server_url)._replace(path="/postgres"))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(create)
    yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(shared_database: str) -> str:
    """URL of that database, with all files and runs removed."""
    with psycopg.connect(shared_database) as connection:
        connection.execute("DELETE FROM production.ingest_file")
        connection.execute("DELETE FROM production.run")
    return shared_database


@pytest.fixture
def ingest(connection: psycopg.Connection, release: Release) -> Ingest:
    def one_file(path: Path, product: str = RVS, **options: Any) -> IngestedFile:
        return ingest_path(connection, path, product, "dr3", release, **options)

    return one_file


@pytest.fixture
def rows(settings: Settings) -> Rows:
    """Ask the database through another connection, which sees only what was committed."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        assert settings.database_url is not None
        with psycopg.connect(settings.database_url) as other:
            return other.execute(statement).fetchall()

    return query

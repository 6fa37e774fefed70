"""What the tests of survey files share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

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


@pytest.fixture
def database_url(module_database_url: str) -> str:
    """URL of one database for a whole module, with all files and runs removed: far quicker than making another."""
    with psycopg.connect(module_database_url) as connection:
        connection.execute("DELETE FROM production.ingest_file")
        connection.execute("DELETE FROM production.run")
    return module_database_url


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

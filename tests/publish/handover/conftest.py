"""A published catalogue, and what is handed over of it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from catalog.publish.handover.producer import FILE, Producer, load_producer
from catalog.publish.handover.subject import Subject, read_subject
from catalog.settings import Settings
from tests.acceptance.dachs_catalogue import publish_stars

N_STARS = 40

HOSTILE = '</meta> & "quoted" \\macro{x} <script>alert(1)</script> \'; DROP TABLE x; --'

SETTINGS = f"""
title = '''{HOSTILE}'''
publisher = '''{HOSTILE}'''
licence = "CC-BY-4.0"
doi = "10.17876/rvscat/1"
authority = "org.example"
service = "https://example.org/rvs"

[contact]
name = '''{HOSTILE}'''
email = "someone@example.org"

[[creators]]
name = '''Müller {HOSTILE}, Ann'''
orcid = "0000-0002-1825-0097"
affiliation = '''{HOSTILE}'''

[[creators]]
name = "A collaboration"
kind = "Organizational"
"""


@pytest.fixture(scope="module")
def published_url(module_database_url: str) -> str:
    """URL of a database with version 1; tests leave it as it is."""
    with psycopg.connect(module_database_url) as connection:
        publish_stars(connection, N_STARS)
    return module_database_url


@pytest.fixture
def connection(published_url: str) -> Iterator[psycopg.Connection]:
    """Connection to that database; what a test writes is rolled back."""
    with psycopg.connect(published_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def published(published_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of that database with a home of one's own; the environment says the same."""
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", published_url)
    return Settings(home=tmp_path, database_url=published_url)


@pytest.fixture
def hostile(tmp_path: Path) -> Producer:
    """A producer whose every word wants to be markup."""
    (tmp_path / FILE).write_text(SETTINGS, encoding="utf-8")
    return load_producer(tmp_path)


@pytest.fixture
def subject(connection: psycopg.Connection, hostile: Producer) -> Subject:
    """The stable views."""
    return read_subject(connection, hostile)


def described(connection: psycopg.Connection, subject: Subject) -> dict[str, list[tuple]]:
    """Return what TAP_SCHEMA tells of each table's columns, by the table's name without its schema."""
    rows = connection.execute(
        "SELECT table_name, trim('\"' FROM column_name), datatype, arraysize, coalesce(unit, ''), ucd, description, "
        "principal, indexed FROM tap_schema.columns WHERE table_name LIKE 'catalogue.%' "
        "ORDER BY table_name, column_index"
    ).fetchall()
    found: dict[str, list[tuple]] = {}
    for table, *facts in rows:
        found.setdefault(table.partition(".")[2], []).append(tuple(facts))
    assert set(found) == {each.name for each in subject.tables}
    return found

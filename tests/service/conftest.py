"""A small published catalogue, and survey and production rows of a few stars."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

LABELS = ("teff", "logg", "mh", "feh", "alpham")
UNITS = {"teff": "K", "logg": "log(cm.s**-2)", "mh": "'dex'", "feh": "'dex'", "alpham": "'dex'"}

# sourceid, teff, logg, mh, feh, alpham, flag_boundary, ra, dec, flag_bits
STARS: list[tuple[Any, ...]] = [
    ("1001", 4800.0, 2.5, -0.3, -0.28, 0.12, "00000000", 10.0, 20.0, 0),
    ("1002", 5777.0, 4.44, 0.0, 0.01, 0.01, "00000000", 10.3, 20.1, 0),
    ("1003", 3600.0, 0.8, -0.9, -0.95, 0.25, "10000001", 359.9, -0.1, 129),
    ("1004", 6900.0, 4.1, 0.2, 0.21, -0.02, "10000000", 0.1, 0.1, 1),
    ("1005", 5100.0, 3.2, -2.5, -2.4, 0.35, "00100000", 187.0, 89.9, 4),
]


def create_catalogue(connection: psycopg.Connection) -> None:
    """Publish `STARS` as catalogue.rvs_cnn and catalogue.rvs_cnn_extended."""
    triples = [name for label in LABELS for name in (label, f"e{label}", f"sigma_{label}")]
    connection.execute(
        f"CREATE TABLE catalogue.rvs_cnn (sourceid varchar(19) PRIMARY KEY, {', '.join(f'{n} real' for n in triples)}, "
        "flag_boundary char(8) NOT NULL)"
    )
    connection.execute(
        "CREATE TABLE catalogue.rvs_cnn_extended (source_id bigint PRIMARY KEY, sourceid varchar(19), "
        'ra double precision, "dec" double precision, flag_bits smallint, ruwe real)'
    )
    connection.execute('CREATE INDEX ON catalogue.rvs_cnn_extended USING gist (point(ra, "dec"))')
    connection.execute("GRANT SELECT ON catalogue.rvs_cnn, catalogue.rvs_cnn_extended TO rvscat_reader")
    with connection.cursor() as cursor:
        for sourceid, *labels, flag, ra, dec, bits in STARS:
            values = [value for label in labels for value in (label, abs(label) / 100, abs(label) / 50)]
            cursor.execute(
                f"INSERT INTO catalogue.rvs_cnn VALUES ({', '.join(['%s'] * 17)})", [sourceid, *values, flag]
            )
            cursor.execute(
                "INSERT INTO catalogue.rvs_cnn_extended VALUES (%s, %s, %s, %s, %s, NULL)",
                (int(sourceid), sourceid, ra, dec, bits),
            )
    describe(connection, "catalogue", "rvs_cnn", _rvs_cnn_columns(triples))
    describe(
        connection,
        "catalogue",
        "rvs_cnn_extended",
        [
            ("source_id", "long", None, None, "meta.id;meta.main"),
            ("sourceid", "char", "19", None, "meta.id"),
            ("ra", "double", None, "deg", "pos.eq.ra;meta.main"),
            ("dec", "double", None, "deg", "pos.eq.dec;meta.main"),
            ("flag_bits", "short", None, None, "meta.code.qual"),
            ("ruwe", "float", None, None, "stat.fit.goodness;pos"),
        ],
    )
    describe(
        connection,
        "tap_schema",
        "columns",
        [(n, "char", "*", None, "meta") for n in ("table_name", "column_name", "unit")]
        + [('"size"', "int", None, None, "meta"), ("column_index", "int", None, None, "meta")],
    )
    connection.commit()


def _rvs_cnn_columns(triples: list[str]) -> list[tuple[str, str, str | None, str | None, str]]:
    labels = [(n, "float", None, UNITS[next(x for x in LABELS if n.endswith(x))], "phys") for n in triples]
    return [
        ("sourceid", "char", "19", None, "meta.id;meta.main"),
        *labels,
        ("flag_boundary", "char", "8", None, "meta.code.qual"),
    ]


def describe(connection: psycopg.Connection, schema: str, table: str, columns: list[tuple[Any, ...]]) -> None:
    """Enter a table into TAP_SCHEMA."""
    name = f"{schema}.{table}"
    connection.execute("INSERT INTO tap_schema.schemas (schema_name) VALUES (%s) ON CONFLICT DO NOTHING", (schema,))
    connection.execute("INSERT INTO tap_schema.tables VALUES (%s, %s, 'table', NULL, 'a table', 1)", (schema, name))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tap_schema.columns (table_name, column_name, datatype, arraysize, unit, ucd, description, "
            "indexed, principal, std, column_index) VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0, 0, %s)",
            [(name, *facts, f"about {facts[0]}", i) for i, facts in enumerate(columns)],
        )


@pytest.fixture(scope="module")
def catalogue_url(module_database_url: str) -> str:
    """URL of a database with a small published catalogue, one for all tests of a module."""
    with psycopg.connect(module_database_url) as connection:
        create_catalogue(connection)
    return module_database_url


@pytest.fixture
def published(catalogue_url: str) -> Iterator[psycopg.Connection]:
    """Connection to that database; what a test writes is rolled back."""
    with psycopg.connect(catalogue_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def sky_of_stars(published: psycopg.Connection) -> list[tuple[int, float, float]]:
    """Two thousand more stars all over the sky, many near the poles and the meridian of right ascension zero."""
    rng = random.Random(5)
    stars = []
    for i in range(2000):
        ra = rng.choice([rng.uniform(0, 360), rng.gauss(0, 2) % 360])
        dec = rng.choice([rng.uniform(-90, 90), 90 - abs(rng.gauss(0, 2)), -90 + abs(rng.gauss(0, 2)), rng.gauss(0, 2)])
        stars.append((10_000 + i, ra, dec))
    with published.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO catalogue.rvs_cnn_extended VALUES (%s, %s, %s, %s, 0, 1.0)",
            [(source_id, str(source_id), ra, dec) for source_id, ra, dec in stars],
        )
    published.execute("ANALYZE catalogue.rvs_cnn_extended")
    return stars + [(int(star[0]), star[7], star[8]) for star in STARS]

"""Thousands of broken queries: each is answered or refused by name, and none makes PostgreSQL stumble on its text."""

import random
import re

import pytest

from catalog.errors import QueryError
from catalog.service import query
from catalog.service.published import published_tables
from tests.service.test_adql import ANSWERS
from tests.service.test_hostile import HOSTILE

GEOMETRY = [
    f"SELECT source_id, {value} AS v FROM rvs_cnn_extended WHERE {condition}"
    for value in (
        "ivo_healpix_index(6, ra, dec)",
        "DISTANCE(ivo_healpix_center(3, 77), POINT(ra, dec))",
        "COORD1(CENTROID(POLYGON(0, 0, 3, 0, 3, 3)))",
        "rvscat_flag('10000001', 'tsne')",
        "rvscat_flag_words('10000001') || IN_UNIT(ra, 'rad')",
        "ivo_interval_overlaps(ra, dec, 0x1F, 5 / 60.)",
    )
    for condition in (
        "1 = CONTAINS(POINT('ICRS', ra, dec), BOX(359, -2, 20, 1))",
        "CONTAINS(POINT(ra, dec), POLYGON(POINT(0, 0), POINT(20, 0), POINT(5, 30))) = 0",
        "DISTANCE(POINT(ra, dec), POINT(10, 20)) < AREA(CIRCLE(1, 2, 3))",
        "INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(POINT(359, 89), 5)) = 1",
    )
]

SEEDS = [adql for adql, _ in ANSWERS + HOSTILE] + GEOMETRY
PIECES = re.compile(r"\w+|\s+|[^\w\s]")
WORDS = [
    *sorted({piece for seed in SEEDS for piece in PIECES.findall(seed)}),
    *("::", "->", "->>", "..", "/*", "*/", "--", "$$", "E'", "\\", "`", "%", "1e", "0x1F", "7x", "!", "#>", "<@", "@>"),
    *("NATURAL", "USING", "LATERAL", "PIVOT", "UNNEST", "ORDINALITY", "RETURNING", "MERGE", "CALL", "GROUPING", "SETS"),
]


def mutate(rng: random.Random) -> str:
    pieces = PIECES.findall(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 4)):
        i, kind = rng.randrange(len(pieces)), rng.randrange(5)
        if kind == 0:
            pieces[i] = rng.choice(WORDS)
        elif kind == 1:
            pieces.insert(i, f" {rng.choice(WORDS)} ")
        elif kind == 2 and len(pieces) > 1:
            del pieces[i]
        elif kind == 3:
            j = rng.randrange(len(pieces))
            pieces[i], pieces[j] = pieces[j], pieces[i]
        else:
            others = PIECES.findall(rng.choice(SEEDS))
            start = rng.randrange(len(others))
            pieces[i:i] = others[start : start + rng.randint(1, 8)]
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(4))
def test_broken_queries(published, monkeypatch, seed):
    tables = published_tables(published)
    monkeypatch.setattr(query, "published_tables", lambda connection: tables)
    rng = random.Random(seed)
    answers = [attempt(published, mutate(rng)) for _ in range(1500)]
    assert [adql for adql, answer in answers if "syntax error" in answer or "not public" in answer] == []
    # The mutations are not so wild that nothing is tested but the refusal.
    assert sum(not answer for _, answer in answers) > 10


def attempt(connection, adql):
    try:
        query.run_query(connection, adql, 10, 5.0)
    except QueryError as error:
        return adql, error.message
    return adql, ""

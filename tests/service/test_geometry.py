"""Cones and distances against the formula computed here, at the poles and across right ascension zero too."""

import math

import pytest

from catalog.errors import QueryError
from catalog.service.adql import translate
from catalog.service.query import run_query

TABLES = {"catalogue.rvs_cnn_extended": ["source_id", "ra", "dec"]}


def separation(ra1, dec1, ra2, dec2):
    """Angle between two directions, degrees, from their chord."""
    x, y = (
        (
            math.cos(math.radians(dec)) * math.cos(math.radians(ra)),
            math.cos(math.radians(dec)) * math.sin(math.radians(ra)),
            math.sin(math.radians(dec)),
        )
        for ra, dec in ((ra1, dec1), (ra2, dec2))
    )
    return math.degrees(2 * math.asin(min(1.0, math.dist(x, y) / 2)))


CONES = [
    (10.0, 20.0, 5.0),
    (0.0, 0.0, 3.0),
    (359.5, 1.0, 2.0),
    (0.5, -1.0, 2.0),
    (0.0, 90.0, 3.0),
    (123.0, 89.0, 2.5),
    (300.0, -89.5, 0.4),
    (45.0, -88.0, 2.0),
    (180.0, 88.0, 1.999),
    (90.0, 0.0, 100.0),
    (-1.0, 0.0, 2.0),
    (0.0, 60.0, 29.9),
    (20.0, 0.0, 180.0),
    (10.0, 20.0, 0.0),
]


@pytest.mark.parametrize(("ra", "dec", "radius"), CONES)
def test_cone(published, sky_of_stars, ra, dec, radius):
    expected = {star for star, ra_, dec_ in sky_of_stars if separation(ra, dec, ra_, dec_) <= radius}
    written = (
        f"SELECT source_id FROM rvs_cnn_extended WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius}))"
    )
    assert {row[0] for row in run_query(published, written).rows} == expected
    # The same cone where centre and radius are no numbers: no box is possible then.
    computed = (
        f"SELECT source_id FROM rvs_cnn_extended WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra} + 0, {dec}, {radius}))"
    )
    assert {row[0] for row in run_query(published, computed).rows} == expected
    outside = (
        f"SELECT source_id FROM rvs_cnn_extended WHERE CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius})) = 0"
    )
    assert {row[0] for row in run_query(published, outside).rows} == {star for star, *_ in sky_of_stars} - expected


@pytest.mark.parametrize(
    "condition",
    [
        "CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 0.5)) = 1",
        "CONTAINS(POINT('', ra, dec), CIRCLE(POINT(10, 20), 0.5)) <> 0",
        "INTERSECTS(CIRCLE(10, 20, 0.5), POINT(ra, dec)) = 1",
        "CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 0.5)) > 0",
        "DISTANCE(POINT(ra, dec), POINT(10, 20)) < 0.5",
        "DISTANCE(ra, dec, 10, 20) < 0.5",
    ],
)
def test_ways_to_write_a_cone(published, condition):
    rows = run_query(published, f"SELECT source_id FROM rvs_cnn_extended WHERE {condition} ORDER BY source_id").rows
    assert rows == [(1001,), (1002,)]


def test_distance_in_the_list_of_columns(published):
    rows = run_query(
        published,
        "SELECT TOP 2 source_id, DISTANCE(POINT(ra, dec), POINT(10, 20)) AS d, "
        "CONTAINS(POINT(ra, dec), CIRCLE(ABS(-10), 20, 0.1)) FROM rvs_cnn_extended ORDER BY d",
    ).rows
    assert rows[0] == (1001, 0.0, 1)
    assert rows[1] == (1002, pytest.approx(separation(10.3, 20.1, 10, 20)), 0)


def test_positions_that_are_null_are_in_no_cone(published):
    published.execute("INSERT INTO catalogue.rvs_cnn_extended VALUES (7, '7', NULL, NULL, 0, NULL)")
    for condition in ("= 1", "= 0"):
        adql = f"SELECT source_id FROM rvs_cnn_extended WHERE CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 180)) {condition}"
        assert (7,) not in run_query(published, adql).rows
    adql = "SELECT CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 1)) FROM rvs_cnn_extended WHERE source_id = 7"
    assert run_query(published, adql).rows == [(None,)]


@pytest.mark.parametrize("centre", ["10, 20, 0.5", "359.9, 0, 0.5"])
def test_an_index_on_points_answers_cones(published, sky_of_stars, centre):
    sql = translate(
        f"SELECT source_id FROM rvs_cnn_extended WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({centre}))", TABLES
    )
    published.execute("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in published.execute(f"EXPLAIN {sql}").fetchall())
    assert "rvs_cnn_extended_point_idx" in plan


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("POINT(ra, dec)", "POINT can only be an argument"),
        ("CIRCLE(ra, dec, 1)", "CIRCLE can only be an argument"),
        ("CONTAINS(POINT('GALACTIC', ra, dec), CIRCLE(1, 1, 1))", "coordinate system 'GALACTIC' is not offered"),
        ("CONTAINS(CIRCLE(1, 1, 1), POINT(ra, dec))", "CONTAINS takes a POINT and a CIRCLE"),
        ("CONTAINS(POINT(ra, dec), POINT(ra, dec))", "CONTAINS takes a POINT and a CIRCLE"),
        ("CONTAINS(POINT(ra), CIRCLE(1, 1, 1))", "POINT takes longitude and latitude"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 1))", "CIRCLE takes longitude, latitude and radius"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 95, 1))", r"no circle of radius 1 around \(1, 95\)"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 1, -1))", "no circle of radius -1"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1e999, 1, 1))", "no circle"),
        ("DISTANCE(POINT(ra, dec), CIRCLE(1, 1, 1))", "DISTANCE takes two POINTs|not offered"),
        ("DISTANCE(ra, dec)", "DISTANCE takes two POINTs"),
        ("BOX(ra, dec, 1, 1)", "function BOX is not offered"),
        ("POLYGON(1, 1, 2, 2, 3, 3)", "function POLYGON is not offered"),
        ("REGION('CIRCLE 1 1 1')", "function REGION is not offered"),
    ],
)
def test_other_geometry_is_refused(expression, message):
    with pytest.raises(QueryError, match=message):
        translate(f"SELECT {expression} FROM rvs_cnn_extended", TABLES)

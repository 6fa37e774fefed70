"""Cones, boxes, polygons and distances against astropy, at the poles and across right ascension zero too."""

import math

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from catalog.errors import QueryError
from catalog.service.adql import translate
from catalog.service.query import run_query

TABLES = {"catalogue.rvs_cnn_extended": ["source_id", "ra", "dec"]}


NEIGHBOURS_OF_A_STAR = (
    "source_id IN (SELECT e.source_id FROM rvs_cnn_extended e JOIN rvs_cnn_extended u "
    "ON DISTANCE(e.ra, e.dec, u.ra, u.dec) < 0.001 WHERE u.source_id = 1001)"
)


def sky(ra, dec):
    return SkyCoord(ra, dec, unit="deg")


def separation(ra1, dec1, ra2, dec2):
    return sky(ra1, dec1).separation(sky(ra2, dec2)).deg


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

BOXES = [
    (10.0, 20.0, 4.0, 2.0),
    (0.0, 0.0, 6.0, 3.0),
    (359.5, 1.0, 5.0, 80.0),
    (30.0, 89.0, 4.0, 3.0),
    (200.0, -90.0, 5.0, 2.0),
    (120.0, -60.0, 100.0, 10.0),
    (0.0, 80.0, 90.0, 1.0),
    (77.0, 5.0, 179.9, 179.9),
    (10.0, 20.0, 1.0, 1e-9),
]

POLYGONS = [
    [(9, 19), (12, 19), (10, 23)],
    [(10, 23), (12, 19), (9, 19)],
    [(358, -3), (3, -3), (3, 3), (358, 3), (358, -3)],
    [(0, 85), (90, 86), (180, 85), (270, 84)],
    [(0, -88), (120, -88), (240, -88)],
    [(350, 60), (30, 60), (30, 80), (350, 80)],
    [(0, 89), (10, 88), (350, 87), (359, 80), (2, 80)],
    [(0, 0), (60, 0), (60, 50), (40, 10), (20, 50), (0, 50)],
    [(300, -40), (60, -40), (60, 40), (300, 40)],
    [(0, -10), (2, 1), (4, -10), (4, 10), (2, 3), (0, 10)],
]


def in_box(ra, dec, centre_ra, centre_dec, width, height):
    """Along both arms of the cross no farther than its ends, seen from its centre."""
    seen = sky(ra, dec).transform_to(sky(centre_ra, centre_dec).skyoffset_frame())
    x, y, z = seen.cartesian.xyz.value
    return (np.abs(np.degrees(np.arctan2(y, x))) <= width / 2) & (np.abs(np.degrees(np.arctan2(z, x))) <= height / 2)


def in_polygon(ra, dec, corners):
    """The direction to a corner that walks the boundary turns once around (from the antipodes too, which are out)."""
    star = sky(ra, dec)[:, None]
    corner = sky([c[0] for c in corners], [c[1] for c in corners])[None, :]
    directions = star.position_angle(corner).rad
    turns = (np.diff(directions, axis=1, append=directions[:, :1]) + np.pi) % (2 * np.pi) - np.pi
    x, y, z = corner.cartesian.xyz.value.sum(axis=(1, 2))
    middle = SkyCoord(x, y, z, representation_type="cartesian").spherical
    near = star[:, 0].separation(sky(middle.lon.deg, middle.lat.deg)).deg < 90
    return (np.abs(turns.sum(axis=1)) > np.pi) & near


def found(connection, shape, wanted="= 1", position="POINT(ra, dec)"):
    adql = f"SELECT source_id FROM rvs_cnn_extended WHERE CONTAINS({position}, {shape}) {wanted}"
    return {row[0] for row in run_query(connection, adql).rows}


def stars_in(stars, inside):
    return {int(star[0]) for star, yes in zip(stars, inside, strict=True) if yes}


def columns(stars):
    return np.array([star[1] for star in stars]), np.array([star[2] for star in stars])


@pytest.mark.parametrize(("ra", "dec", "radius"), CONES)
def test_cone(published, sky_of_stars, ra, dec, radius):
    expected = stars_in(sky_of_stars, separation(ra, dec, *columns(sky_of_stars)) <= radius + 1e-12)
    assert found(published, f"CIRCLE({ra}, {dec}, {radius})") == expected
    # Where the position is no column, no index could know it, and the exact test alone decides.
    assert found(published, f"CIRCLE({ra}, {dec}, {radius})", position="POINT(ra + 0, dec)") == expected
    everything = {star for star, *_ in sky_of_stars}
    assert found(published, f"CIRCLE({ra}, {dec}, {radius})", "= 0") == everything - expected
    near = f"SELECT source_id FROM rvs_cnn_extended WHERE {radius} >= DISTANCE(ra, dec, {ra}, {dec})"
    assert {row[0] for row in run_query(published, near).rows} == expected


@pytest.mark.parametrize(("ra", "dec", "width", "height"), BOXES)
def test_box(published, sky_of_stars, ra, dec, width, height):
    expected = stars_in(sky_of_stars, in_box(*columns(sky_of_stars), ra, dec, width, height))
    shape = f"BOX({ra}, {dec}, {width}, {height})"
    assert found(published, shape) == expected
    assert found(published, shape, position="POINT(ra + 0, dec)") == expected


@pytest.mark.parametrize("corners", POLYGONS, ids=str)
def test_polygon(published, sky_of_stars, corners):
    expected = stars_in(sky_of_stars, in_polygon(*columns(sky_of_stars), corners))
    assert 0 < len(expected) < len(sky_of_stars) / 2
    flat = ", ".join(f"{ra}, {dec}" for ra, dec in corners)
    assert found(published, f"POLYGON({flat})") == expected
    assert found(published, f"POLYGON({flat})", position="POINT(ra + 0, dec)") == expected
    points = ", ".join(f"POINT({ra}, {dec})" for ra, dec in corners)
    assert found(published, f"POLYGON({points})", "<> 1") == {star for star, *_ in sky_of_stars} - expected


@pytest.mark.parametrize(
    "condition",
    [
        "CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 0.5)) = 1",
        "CONTAINS(POINT('', ra, dec), CIRCLE(POINT(10, 20), 0.5)) <> 0",
        "INTERSECTS(CIRCLE(10, 20, 0.5), POINT(ra, dec)) = 1",
        "INTERSECTS(BOX(10, 20, 1, 1), POINT(ra, dec)) = 1",
        "CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 0.5)) > 0",
        "CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 30 / 60.)) = 1",
        "CONTAINS(CIRCLE(ra, dec, 0.1), CIRCLE(10, 20, 0.6)) = 1",
        "1 = INTERSECTS(CIRCLE(10, 20, 0.4), CIRCLE(ra, dec, 0.1))",
        "CONTAINS(POINT(10, 20), CIRCLE(ra, dec, 0.5)) = 1",
        "CONTAINS(POINT(10, 20), BOX(ra, dec, 1, 1)) = 1",
        "CONTAINS(POINT(ra, dec), CIRCLE(CENTROID(BOX(10, 20, 3, 3)), 0.5)) = 1",
        "DISTANCE(POINT(ra, dec), POINT(10, 20)) < 0.5",
        "DISTANCE(POINT(ra, dec), POINT(10, 20)) <= 2 - 1.5",
        "0.5 > DISTANCE(ra, dec, 10, 20)",
        "DISTANCE(COORD1(POINT(ra, dec)), COORD2(POINT(ra, dec)), 10, 20) < 0.5",
    ],
)
def test_ways_to_write_a_cone(published, condition):
    rows = run_query(published, f"SELECT source_id FROM rvs_cnn_extended WHERE {condition} ORDER BY source_id").rows
    assert rows == [(1001,), (1002,)]


@pytest.mark.parametrize(("condition", "n"), [("< -1", 0), ("<= 1e9", 5), ("< 30 / 60", 0), ("> 500", 0)])
def test_distances_that_are_no_cone(published, condition, n):
    adql = f"SELECT source_id FROM rvs_cnn_extended WHERE DISTANCE(ra, dec, 10, 20) {condition}"
    assert len(run_query(published, adql).rows) == n


@pytest.mark.parametrize(
    "join",
    [
        "CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, 0.7)) = 1",
        "DISTANCE(POINT(b.ra, b.dec), POINT(a.ra, a.dec)) <= 0.7",
        "DISTANCE(a.ra, a.dec, b.ra, b.dec) <= b.dec * 0 + 0.7",
    ],
)
def test_neighbours(published, sky_of_stars, join):
    """Centres from a table: pairs at the poles and across right ascension zero are found like all others."""
    ra, dec = columns(sky_of_stars)
    ids = np.array([star[0] for star in sky_of_stars])
    first, second, *_ = sky(ra, dec).search_around_sky(sky(ra, dec), 0.7 * units.deg)
    adql = f"SELECT a.source_id, b.source_id FROM rvs_cnn_extended a JOIN rvs_cnn_extended b ON {join}"
    assert set(run_query(published, adql, 100_000).rows) == set(zip(ids[first], ids[second], strict=True))
    assert len(first) > len(ids)


def test_positions_out_of_a_table_are_not_what_the_index_knows(published):
    """Longitudes below zero, as a query may make them, are in the cone all the same."""
    adql = (
        "SELECT source_id FROM (SELECT source_id, ra - 360 AS ra, dec FROM rvs_cnn_extended) AS s "
        "WHERE DISTANCE(s.ra, s.dec, 10, 20) < 0.1"
    )
    assert run_query(published, adql).rows == [(1001,)]
    assert "BOX(" not in translate(adql, TABLES)
    assert "BOX(" in translate(adql.replace("ra - 360 AS ra", "ra"), TABLES)


VALUES = [
    ("AREA(CIRCLE(10, 20, 1))", 2 * math.pi * (1 - math.cos(math.radians(1))) * math.degrees(1) ** 2),
    ("AREA(CIRCLE(10, 20, 180))", 4 * math.pi * math.degrees(1) ** 2),
    ("AREA(BOX(10, 90, 0.01, 0.02))", 0.0002),
    ("AREA(BOX(10, 20, 90, 90))", 4 * math.pi / 6 * math.degrees(1) ** 2),  # a face of a cube
    ("AREA(POLYGON(0, 0, 90, 0, 0, 90))", 4 * math.pi / 8 * math.degrees(1) ** 2),
    ("AREA(POINT(1, 2))", 0.0),
    ("COORD1(POINT('ICRS', ra, dec))", 10.0),
    ("COORD2(POINT(ra, dec))", 20.0),
    ("COORDSYS(POINT(ra, dec))", "ICRS"),
    ("COORD1(CENTROID(CIRCLE(POINT(ra, dec), 1)))", 10.0),
    ("COORD2(CENTROID(POLYGON(0, -1, 90, -1, 90, 1, 0, 1)))", 0.0),
    ("COORD1(CENTROID(POLYGON(0, -1, 90, -1, 90, 1, 0, 1)))", 45.0),
    ("DISTANCE(POINT(0, 90), POINT(123, -90))", 180.0),
    ("DISTANCE(0, 0, 1e-9, 0)", 1e-9),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_values(published, expression, value):
    ((answer,),) = run_query(published, f"SELECT {expression} FROM rvs_cnn_extended WHERE source_id = 1001").rows
    assert answer == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9))


def test_distance_in_the_list_of_columns(published):
    rows = run_query(
        published,
        "SELECT TOP 2 source_id, DISTANCE(POINT(ra, dec), POINT(10, 20)) AS d, "
        "CONTAINS(POINT(ra, dec), CIRCLE(ABS(-10), 20, 0.1)) FROM rvs_cnn_extended ORDER BY d",
    ).rows
    assert rows[0] == (1001, 0.0, 1)
    assert rows[1] == (1002, pytest.approx(separation(10.3, 20.1, 10, 20)), 0)


@pytest.mark.parametrize("shape", ["CIRCLE(0, 0, 180)", "BOX(0, 0, 9, 9)", "POLYGON(0, 0, 9, 0, 9, 9)"])
def test_positions_that_are_null_are_nowhere(published, shape):
    published.execute("INSERT INTO catalogue.rvs_cnn_extended VALUES (7, '7', NULL, NULL, 0, NULL)")
    assert 7 not in found(published, shape) | found(published, shape, "= 0")
    adql = f"SELECT CONTAINS(POINT(ra, dec), {shape}) FROM rvs_cnn_extended WHERE source_id = 7"
    assert run_query(published, adql).rows == [(None,)]


@pytest.mark.parametrize(
    "condition",
    [
        "1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 0.5))",
        "1 = CONTAINS(POINT(ra, dec), CIRCLE(359.9, 0, 30 / 60.))",
        "DISTANCE(POINT(ra, dec), POINT(359.9, 0)) < 0.5",
        "1 = CONTAINS(POINT(ra, dec), BOX(0, 20, 0.5, 0.5))",
        "1 = CONTAINS(POINT(ra, dec), POLYGON(359, 20, 1, 20, 0, 21))",
        NEIGHBOURS_OF_A_STAR,
    ],
)
def test_an_index_on_points_answers(published, sky_of_stars, condition):
    sql = translate(f"SELECT source_id FROM rvs_cnn_extended WHERE {condition}", TABLES)
    published.execute("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in published.execute(f"EXPLAIN {sql}").fetchall())
    assert "rvs_cnn_extended_point_idx" in plan


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("POINT(ra, dec)", "POINT can only be an argument"),
        ("CIRCLE(ra, dec, 1)", "CIRCLE can only be an argument"),
        ("BOX(ra, dec, 1, 1)", "BOX can only be an argument"),
        ("POLYGON(1, 1, 2, 2, 3, 3)", "POLYGON can only be an argument"),
        ("CENTROID(CIRCLE(1, 1, 1))", "CENTROID can only be an argument"),
        ("SIN(POINT(ra, dec))", "POINT can only be an argument"),
        ("CONTAINS(POINT('GALACTIC', ra, dec), CIRCLE(1, 1, 1))", "coordinate system 'GALACTIC' is not offered"),
        ("CONTAINS(CIRCLE(1, 1, 1), POINT(ra, dec))", "CONTAINS takes a POINT and a CIRCLE"),
        ("CONTAINS(POINT(ra, dec), POINT(ra, dec))", "CONTAINS takes a POINT and a CIRCLE"),
        ("CONTAINS(BOX(1, 1, 1, 1), CIRCLE(1, 1, 1))", "CONTAINS takes a POINT and a CIRCLE"),
        ("CONTAINS(POINT(ra, dec))", "CONTAINS takes two shapes"),
        ("CONTAINS(ra, dec)", "A shape is missing"),
        ("CONTAINS(POINT(ra), CIRCLE(1, 1, 1))", "POINT takes longitude and latitude"),
        ("CONTAINS(POINT(*), CIRCLE(1, 1, 1))", "POINT takes longitude and latitude|not allowed"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 1))", "CIRCLE takes longitude, latitude and radius"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 1, POINT(1, 1)))", "CIRCLE takes longitude, latitude and radius"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 95, 1))", r"no circle of radius 1 around \(1, 95\)"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 1, -1))", "no circle of radius -1"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1e999, 1, 1))", "no circle"),
        ("CONTAINS(POINT(ra, dec), BOX(1, 1, 1))", "BOX takes longitude, latitude, width and height"),
        ("CONTAINS(POINT(ra, dec), BOX(1, 1, 1, 180))", "no BOX of 180 degrees"),
        ("CONTAINS(POINT(ra, dec), BOX(1, 91, 1, 1))", r"around \(1, 91\)"),
        ("CONTAINS(POINT(ra, dec), POLYGON(1, 1, 2, 2))", "three corners or more"),
        ("CONTAINS(POINT(ra, dec), POLYGON(1, 1, 2, 2, 3))", "three corners or more"),
        ("CONTAINS(POINT(ra, dec), POLYGON(1, 1, 1, 1, 2, 2))", "at least three different corners"),
        ("CONTAINS(POINT(ra, dec), POLYGON(ra, 1, 2, 2, 3, 3))", "corners of a POLYGON are numbers"),
        ("CONTAINS(POINT(ra, dec), POLYGON(1, 1, 2, 99, 3, 3))", r"corner \(2, 99\) .* not on the sky"),
        ("CONTAINS(POINT(ra, dec), POLYGON(0, 0, 120, 0, 240, 0))", "wider than a hemisphere"),
        ("DISTANCE(POINT(ra, dec), CIRCLE(1, 1, 1))", "DISTANCE takes two POINTs|not offered"),
        ("DISTANCE(ra, dec)", "DISTANCE takes two POINTs"),
        ("COORD1(CIRCLE(1, 1, 1))", "A shape is missing where CIRCLE stands"),
        ("AREA(CIRCLE(1, 1, 1), 2)", "AREA takes one shape"),
        ("REGION('CIRCLE 1 1 1')", "function REGION is not offered"),
    ],
)
def test_other_geometry_is_refused(expression, message):
    with pytest.raises(QueryError, match=message):
        translate(f"SELECT {expression} FROM rvs_cnn_extended", TABLES)

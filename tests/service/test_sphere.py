"""Boxes around cones and polygons: too large is allowed, too small never."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog.errors import QueryError
from catalog.service.sphere import SkyPolygon, cone_bounds

longitudes = st.floats(0, 360) | st.sampled_from([0.0, 90.0, 359.999999, 1e-9])
latitudes = st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 89.9999999, -89.99, 0.0])


def holds(bounds, longitude, latitude):
    return any(w <= longitude <= e and s <= latitude <= n for w, s, e, n in bounds)


def at(longitude, latitude, distance, direction):
    """Longitude and latitude of the position in a direction from another one; all in degrees."""
    lon, lat, r, a = map(math.radians, (longitude, latitude, distance, direction))
    east, north, up = math.sin(r) * math.sin(a), math.sin(r) * math.cos(a), math.cos(r)
    x = up * math.cos(lat) - north * math.sin(lat)
    z = up * math.sin(lat) + north * math.cos(lat)
    return math.degrees(lon + math.atan2(east, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, east)))


@given(longitudes, latitudes, st.floats(0, 180) | st.floats(0, 1e-3), st.floats(0, 360), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_a_cone_is_within_its_boxes(longitude, latitude, radius, direction, fraction):
    bounds = cone_bounds(longitude, latitude, radius)
    assert holds(bounds, *at(longitude, latitude, radius * fraction, direction))
    assert all(0 <= w <= e <= 360 and -90 <= s <= n <= 90 for w, s, e, n in bounds)


@given(
    longitudes,
    latitudes,
    st.lists(st.tuples(st.floats(0.01, 80), st.floats(0, 360)), min_size=3, max_size=7),
    st.integers(0, 6),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_a_polygon_is_within_its_boxes(longitude, latitude, corners, number, along, inwards):
    """Its sides are, and what lies between a side and a position that the polygon holds."""
    points = [at(longitude, latitude, distance, direction) for distance, direction in corners]
    try:
        sky = SkyPolygon.of_corners(points)
    except QueryError:
        assume(False)
    a, b = sky.corners[number % len(sky.corners)], sky.corners[(number + 1) % len(sky.corners)]
    side = a + along * (b - a)
    positions = [side]
    # A fan of triangles from the first corner covers a convex polygon.
    if convex(sky):
        positions.append(side + inwards * (sky.corners[0] - side))
    for x, y, z in positions:
        assert holds(sky.bounds, math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y))))


def convex(sky):
    """Whether all corners lie on the same side of each side."""
    corners = sky.corners
    n = len(corners)
    heights = np.cross(corners, np.roll(corners, -1, axis=0)) @ corners.T
    others = [heights[i, k] for i in range(n) for k in range(n) if k not in (i, (i + 1) % n)]
    return min(others) > 1e-9 or max(others) < -1e-9


def test_a_polygon_around_a_pole_reaches_it():
    (bounds,) = SkyPolygon.of_corners([(0, 80), (120, 80), (240, 80)]).bounds
    assert bounds == pytest.approx((0, 80, 360, 90), abs=1e-5)


def test_sides_bulge_towards_the_pole():
    # The great circle between two points at 60 degrees, 90 degrees apart, passes atan(tan(60) / cos(45)) in between.
    ((_, south, _, north),) = SkyPolygon.of_corners([(10, 60), (100, 60), (55, 40)]).bounds
    assert north == pytest.approx(math.degrees(math.atan(math.sqrt(3) * math.sqrt(2))), abs=1e-5)
    assert south == pytest.approx(40, abs=1e-5)


def test_across_zero_there_are_two_boxes():
    west, east = SkyPolygon.of_corners([(350, -1), (10, -1), (10, 1), (350, 1)]).bounds
    assert (west[0], west[2], east[0], east[2]) == pytest.approx((350, 360, 0, 10), abs=1e-5)


def test_an_octant():
    octant = SkyPolygon.of_corners([(0, 0), (90, 0), (0, 90), (0, 90)])
    assert octant.area == pytest.approx(4 * math.pi / 8 * math.degrees(1) ** 2)
    assert octant.centroid == pytest.approx((45, math.degrees(math.asin(1 / math.sqrt(3)))))

"""Conditions that an index on ``point(ra, dec)`` answers, to stand before the exact tests on the sphere."""

from sqlglot import exp

from catalog.service.columns import ORIGIN
from catalog.service.numbers import number
from catalog.service.resolve import UPLOADS
from catalog.service.shapes import Box, Point
from catalog.service.sphere import Bounds, SkyPolygon, cone_bounds
from catalog.service.templates import literal, substitute

__all__ = ["among", "box_bounds", "near"]

# The boxes of a cone whose centre is a column, as the index wants them. The second one is the first, once around.
_MOVING_BOX = (
    "BOX(POINT(_lon - 360 * FLOOR(_lon / 360) - _half + _shift, _lat - _radius - 1e-6), "
    "POINT(_lon - 360 * FLOOR(_lon / 360) + _half + _shift, _lat + _radius + 1e-6))"
)
_HALF_WIDTH = (
    "CASE WHEN ABS(_lat) + _radius < 89.9999 "
    "THEN DEGREES(ASIN(SIN(RADIANS(_radius)) / COS(RADIANS(_lat)))) + 1e-6 / COS(RADIANS(_lat)) ELSE 360 END"
)
_SHIFT = "CASE WHEN _lon - 360 * FLOOR(_lon / 360) > 180 THEN -360 ELSE 360 END"


def near(first: Point, second: Point, radius: exp.Expr) -> exp.Expr | None:
    """Return a condition that an index answers and that holds wherever two points are within `radius` of each other.

    None where neither point is one that an index knows.

    Raises
    ------
    QueryError
        Centre and radius are numbers that make no cone.
    """
    conditions = []
    size = number(radius)
    for position, centre in ((first, second), (second, first)):
        longitude, latitude = number(centre.longitude), number(centre.latitude)
        if not _indexed(position):
            # Numbers outside the sky are refused all the same.
            if None not in (longitude, latitude, size):
                cone_bounds(longitude or 0.0, latitude or 0.0, size or 0.0)
            continue
        if longitude is not None and latitude is not None and size is not None:
            conditions.append(among(position, cone_bounds(longitude, latitude, size)))
        elif all(isinstance(value, exp.Column) or number(value) is not None for value in (*_both(centre), radius)):
            conditions.append(_moving(position, centre, radius))
    found = [condition for condition in conditions if condition is not None]
    return exp.and_(*found, copy=False) if found else None


def _both(point: Point) -> tuple[exp.Expr, exp.Expr]:
    return point.longitude, point.latitude


def _indexed(point: Point) -> bool:
    """Tell whether a point is the position of a published table's row, in right ascension from 0 to 360 degrees."""
    longitude, latitude = _both(point)
    if not (isinstance(longitude, exp.Column) and isinstance(latitude, exp.Column)):
        return False
    first, second = longitude.meta.get(ORIGIN), latitude.meta.get(ORIGIN)
    if first is None or second is None or longitude.table != latitude.table:
        return False
    table, name = first
    return not table.startswith(f"{UPLOADS}.") and name == "ra" and second == (table, "dec")


def among(position: Point, boxes: Bounds | None) -> exp.Expr | None:
    """Return the condition that `position` lies in one of `boxes`; None where no index knows it."""
    if boxes is None or not _indexed(position):
        return None
    corners: list[exp.Expr] = [
        exp.Anonymous(this="BOX", expressions=[_corner(west, south), _corner(east, north)])
        for west, south, east, north in boxes
    ]
    return _in_any(corners, position)


def _corner(longitude: float, latitude: float) -> exp.Expr:
    return exp.Anonymous(this="POINT", expressions=[literal(longitude), literal(latitude)])


def _moving(position: Point, centre: Point, radius: exp.Expr) -> exp.Expr | None:
    values = {"_lon": centre.longitude, "_lat": centre.latitude, "_radius": radius}
    values["_half"] = substitute(_HALF_WIDTH, values)
    shifts = (literal(0), substitute(_SHIFT, values))
    return _in_any([substitute(_MOVING_BOX, {**values, "_shift": shift}) for shift in shifts], position)


def _in_any(boxes: list[exp.Expr], position: Point) -> exp.Expr:
    # Overlap of the point's own empty box would do as well, but only this operator is in GiST's point_ops.
    near = [
        exp.ArrayContainsAll(
            this=box, expression=exp.Anonymous(this="POINT", expressions=[value.copy() for value in _both(position)])
        )
        for box in boxes
    ]
    return exp.Paren(this=exp.or_(*near, copy=False)) if len(near) > 1 else near[0]


def box_bounds(box: Box) -> Bounds | None:
    """Return boxes that hold `box`; None when they are not known before the query runs."""
    numbers = [number(value) for value in (*_both(box.centre), box.width, box.height)]
    known = [value for value in numbers if value is not None]
    if len(known) < len(numbers):
        return None
    longitude, latitude, width, height = known
    if min(width, height) == 0.0:
        return cone_bounds(longitude, latitude, max(width, height) / 2)
    cone_bounds(longitude, latitude, 0.0)
    sky = SkyPolygon.of_box(longitude, latitude, width, height)
    return None if sky is None else sky.bounds

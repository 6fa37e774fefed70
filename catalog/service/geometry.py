"""ADQL's geometry in PostgreSQL: cones, boxes, polygons and angular distances.

No extension is used: what lies in a shape is sought by boxes on ``point(ra, dec)``, which a GiST index can answer, and
an exact test on the sphere decides. Poles and the meridian of right ascension zero are boxes of their own.
"""

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.nearby import among, box_bounds, near
from catalog.service.numbers import number
from catalog.service.shapes import (
    HINT,
    POINTS,
    SHAPES,
    Box,
    Circle,
    Point,
    Polygon,
    Shape,
    read_point,
    read_shape,
)
from catalog.service.sphere import SkyPolygon
from catalog.service.templates import call_name, literal, substitute

__all__ = ["GEOMETRY", "check_geometry", "enters_others", "translate_geometry"]

_VALUES = ("AREA", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS")

GEOMETRY = tuple(sorted({*SHAPES, *POINTS, *_VALUES}))
"""Names of the geometry functions that are offered."""

# Angular distance, degrees, after R. W. Sinnott (1984): exact for small angles too. LEAST(1, …) in ASIN would do
# for rounding errors, but it takes null for absent and puts stars without position at 180 degrees.
_HAVERSINE = (
    "POWER(SIN(RADIANS(_lat1 - _lat2) / 2), 2) "
    "+ COS(RADIANS(_lat1)) * COS(RADIANS(_lat2)) * POWER(SIN(RADIANS(_lon1 - _lon2) / 2), 2)"
)
_DISTANCE = "2 * DEGREES(ATAN2(SQRT(_h), SQRT(ABS(1 - _h))))"

# A position seen from a centre: towards it, to the east and to the north.
_TOWARDS = (
    "SIN(RADIANS(_lat0)) * SIN(RADIANS(_lat)) + COS(RADIANS(_lat0)) * COS(RADIANS(_lat)) * COS(RADIANS(_lon - _lon0))"
)
_EAST = "COS(RADIANS(_lat)) * SIN(RADIANS(_lon - _lon0))"
_NORTH = (
    "COS(RADIANS(_lat0)) * SIN(RADIANS(_lat)) - SIN(RADIANS(_lat0)) * COS(RADIANS(_lat)) * COS(RADIANS(_lon - _lon0))"
)

# Gnomonic coordinates are multiplied by it, because PostgreSQL's polygons take 1e-6 for zero.
_PLANE_SCALE = 1e9


def enters_others(name: str) -> bool:
    """Tell whether the function `name` gives a shape, which another function takes and translates."""
    return name in SHAPES or name in POINTS


def check_geometry(node: exp.Anonymous) -> None:
    """Refuse shapes that are not offered, other systems than ICRS, and wrong arguments.

    Raises
    ------
    QueryError
    """
    name = call_name(node)
    if enters_others(name):
        parent = call_name(node.parent) if node.parent else ""
        if parent not in (*GEOMETRY, "IVO_HEALPIX_INDEX"):
            raise QueryError(
                f"{name} can only be an argument of CONTAINS, INTERSECTS, DISTANCE or another function of geometry.",
                "COORD1 and COORD2 give longitude and latitude of a point.",
            )
        read_shape(node)
    elif name == "DISTANCE":
        _ends(node)
    elif name in ("CONTAINS", "INTERSECTS"):
        _two_shapes(node)
    else:
        _single(node)


def translate_geometry(node: exp.Anonymous) -> exp.Expr:
    """Replace the checked call `node` of a function that gives a value, and return what PostgreSQL computes instead."""
    name = call_name(node)
    if name == "DISTANCE":
        return _translate_distance(node)
    if name in ("CONTAINS", "INTERSECTS"):
        return _translate_condition(node)
    return _replace(node, exp.Paren(this=_value(name, _single(node))))


def _replace(node: exp.Expr, result: exp.Expr) -> exp.Expr:
    node.replace(result)
    return result


def _translate_distance(node: exp.Anonymous) -> exp.Expr:
    first, second = _ends(node)
    comparison = node.parent
    radius = None
    if isinstance(comparison, exp.LT | exp.LTE) and comparison.this is node:
        radius = comparison.expression
    elif isinstance(comparison, exp.GT | exp.GTE) and comparison.expression is node:
        radius = comparison.this
    size = None if radius is None else number(radius)
    nearby = None
    # Every distance is less than 200 degrees, and none is less than -1: no cone, but no mistake.
    if radius is not None and (size is None or 0.0 <= size <= 180.0):
        nearby = near(first, second, radius)
    result = _replace(node, exp.Paren(this=_distance(first, second)))
    if nearby is None or comparison is None:
        return result
    # So that an index can be used.
    return _replace(comparison, exp.Paren(this=exp.and_(nearby, comparison.copy(), copy=False)))


def _translate_condition(node: exp.Anonymous) -> exp.Expr:
    inside = _inside(node)
    comparison = node.parent
    if isinstance(comparison, exp.EQ | exp.NEQ):
        other = comparison.expression if comparison.this is node else comparison.this
        if isinstance(other, exp.Literal) and str(other.this) in ("0", "1"):
            # As a condition of its own, so that an index can be used.
            wanted = (str(other.this) == "1") == isinstance(comparison, exp.EQ)
            return _replace(comparison, exp.Paren(this=inside) if wanted else exp.Not(this=exp.Paren(this=inside)))
    return _replace(
        node, exp.Paren(this=substitute("CASE WHEN _inside THEN 1 WHEN NOT _inside THEN 0 END", {"_inside": inside}))
    )


def _single(node: exp.Anonymous) -> Shape:
    """Return the one shape that AREA, COORD1, COORD2 and COORDSYS take."""
    name = call_name(node)
    if len(node.expressions) != 1:
        raise QueryError(f"{name} takes one shape.", HINT)
    if name in ("COORD1", "COORD2"):
        return read_point(node.expressions[0])
    return read_shape(node.expressions[0])


def _value(name: str, shape: Shape) -> exp.Expr:
    if name == "COORDSYS":
        return exp.Literal.string("ICRS")
    if name in ("COORD1", "COORD2"):
        assert isinstance(shape, Point)
        return (shape.longitude if name == "COORD1" else shape.latitude).copy()
    if isinstance(shape, Circle):
        return substitute("4 * PI() * POWER(DEGREES(1) * SIN(RADIANS(_r) / 2), 2)", {"_r": shape.radius})
    if isinstance(shape, Box):
        return substitute(
            "4 * POWER(DEGREES(1), 2) * ASIN(SIN(RADIANS(_w) / 2) * SIN(RADIANS(_h) / 2))",
            {"_w": shape.width, "_h": shape.height},
        )
    return literal(shape.sky.area) if isinstance(shape, Polygon) else literal(0.0)


def _ends(node: exp.Anonymous) -> tuple[Point, Point]:
    arguments = node.expressions
    if len(arguments) == 2 and all(call_name(argument) in POINTS for argument in arguments):
        return read_point(arguments[0]), read_point(arguments[1])
    if len(arguments) == 4 and not any(
        enters_others(call_name(argument)) or isinstance(argument, exp.Star | exp.Distinct) for argument in arguments
    ):
        return Point(*arguments[:2]), Point(*arguments[2:])
    raise QueryError(
        "DISTANCE takes two POINTs, or two longitudes and latitudes.", "DISTANCE(POINT(ra, dec), POINT(56.75, 24.12))"
    )


def _two_shapes(node: exp.Anonymous) -> tuple[Point | Circle, Circle | Box | Polygon]:
    """Return what is sought inside of what by CONTAINS or INTERSECTS."""
    name = call_name(node)
    if len(node.expressions) != 2:
        raise QueryError(f"{name} takes two shapes.", HINT)
    first, second = (read_shape(argument) for argument in node.expressions)
    if name == "INTERSECTS" and (isinstance(second, Point) or not isinstance(first, Point | Circle)):
        first, second = second, first
    if isinstance(first, Point) and not isinstance(second, Point):
        return first, second
    if isinstance(first, Circle) and isinstance(second, Circle):
        return first, second
    raise QueryError(f"{name} takes a POINT and a CIRCLE, BOX or POLYGON, or two CIRCLEs.", HINT)


def _inside(node: exp.Anonymous) -> exp.Expr:
    first, second = _two_shapes(node)
    if isinstance(first, Circle):
        assert isinstance(second, Circle)
        combine = exp.Add if call_name(node) == "INTERSECTS" else exp.Sub
        second = Circle(second.centre, combine(this=_closed(second.radius), expression=_closed(first.radius)))
        first = first.centre
    if isinstance(second, Circle):
        exact: exp.Expr = exp.LTE(this=_distance(first, second.centre), expression=_closed(second.radius))
        nearby = near(first, second.centre, second.radius)
    elif isinstance(second, Box):
        exact = _in_box(first, second)
        nearby = among(first, box_bounds(second))
    else:
        exact = _in_polygon(first, second.sky)
        nearby = among(first, second.sky.bounds)
    return exact if nearby is None else exp.and_(nearby, exact, copy=False)


def _closed(node: exp.Expr) -> exp.Expr:
    return node.copy() if isinstance(node, exp.Column | exp.Literal) else exp.Paren(this=node.copy())


def _distance(first: Point, second: Point) -> exp.Expr:
    ends = {
        "_lon1": first.longitude,
        "_lat1": first.latitude,
        "_lon2": second.longitude,
        "_lat2": second.latitude,
    }
    return substitute(_DISTANCE, {"_h": substitute(_HAVERSINE, ends)})


def _seen_from(position: Point, longitude: exp.Expr, latitude: exp.Expr) -> dict[str, exp.Expr]:
    values = {"_lon": position.longitude, "_lat": position.latitude, "_lon0": longitude, "_lat0": latitude}
    return {f"_{name}": substitute(t, values) for name, t in (("x", _TOWARDS), ("y", _EAST), ("z", _NORTH))}


def _in_box(position: Point, box: Box) -> exp.Expr:
    seen = _seen_from(position, box.centre.longitude, box.centre.latitude)
    return substitute(
        "ABS(_y) <= _x * TAN(RADIANS(_w) / 2) AND ABS(_z) <= _x * TAN(RADIANS(_h) / 2)",
        {**seen, "_w": box.width, "_h": box.height},
    )


def _in_polygon(position: Point, sky: SkyPolygon) -> exp.Expr:
    east, north = sky.axes
    values = {"_lon": position.longitude, "_lat": position.latitude}
    for name, axis in (("_x", sky.centre), ("_y", east), ("_z", north)):
        parts = {f"_{i}": literal(float(value)) for i, value in enumerate(axis)}
        values[name] = substitute(
            "COS(RADIANS(_lat)) * (_0 * COS(RADIANS(_lon)) + _1 * SIN(RADIANS(_lon))) + _2 * SIN(RADIANS(_lat))",
            {**parts, "_lon": position.longitude, "_lat": position.latitude},
        )
    corners = ", ".join(f"({x * _PLANE_SCALE!r}, {y * _PLANE_SCALE!r})" for x, y in sky.plane.tolist())
    plane = exp.cast(exp.Literal.string(f"({corners})"), exp.DType.POLYGON)
    place = substitute(
        "POINT(_scale * _y / NULLIF(_x, 0), _scale * _z / NULLIF(_x, 0))", {**values, "_scale": literal(_PLANE_SCALE)}
    )
    return exp.and_(substitute("_x > 0", values), exp.ArrayContainsAll(this=plane, expression=place), copy=False)

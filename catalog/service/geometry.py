"""The part of ADQL's geometry that a catalogue of positions needs: cones and angular distances.

No extension of PostgreSQL is used: a cone is a box on ``point(ra, dec)``, which a GiST index can answer, and the
haversine formula, which decides. Poles and the meridian of right ascension zero are boxes of their own.
"""

import math
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.templates import substitute

__all__ = ["GEOMETRY", "check_geometry", "translate_geometry"]

GEOMETRY = ("CIRCLE", "CONTAINS", "DISTANCE", "INTERSECTS", "POINT")
"""Names of the geometry functions that are offered."""

_SYSTEMS = {"", "ICRS", "ICRS GEOCENTER", "ICRS BARYCENTER"}

# Angular distance, degrees, after R. W. Sinnott (1984): exact for small angles too. LEAST(1, …) in ASIN would do
# for rounding errors, but it takes null for absent and puts stars without position at 180 degrees.
_HAVERSINE = (
    "POWER(SIN(RADIANS(_lat1 - _lat2) / 2), 2) "
    "+ COS(RADIANS(_lat1)) * COS(RADIANS(_lat2)) * POWER(SIN(RADIANS(_lon1 - _lon2) / 2), 2)"
)
_DISTANCE = "2 * DEGREES(ATAN2(SQRT(_h), SQRT(ABS(1 - _h))))"

# The box is only there to be quick: it may be too large, never too small.
_MARGIN = 1e-6

HINT = "For instance: 1 = CONTAINS(POINT(ra, dec), CIRCLE(56.75, 24.12, 1.0)), all in degrees."


def check_geometry(node: exp.Anonymous) -> None:
    """Refuse shapes that are not offered, other systems than ICRS, and wrong arguments.

    Raises
    ------
    QueryError
    """
    name, parent = _name(node), node.parent
    if name in ("POINT", "CIRCLE"):
        if not (isinstance(parent, exp.Anonymous) and _name(parent) in GEOMETRY):
            raise QueryError(f"{name} can only be an argument of CONTAINS, INTERSECTS or DISTANCE.", HINT)
        _coordinates(node)
        if name == "CIRCLE" and _name(parent) not in ("CONTAINS", "INTERSECTS"):
            raise QueryError(f"{_name(parent)} of a CIRCLE is not offered.", HINT)
    elif name == "DISTANCE":
        _ends(node)
    else:
        _point_and_circle(node)


def translate_geometry(node: exp.Anonymous) -> None:
    """Replace the checked DISTANCE, CONTAINS or INTERSECTS call `node` in its tree by what PostgreSQL computes."""
    if _name(node) == "DISTANCE":
        node.replace(exp.Paren(this=_distance(*_ends(node))))
        return
    inside = _inside(node)
    comparison = node.parent
    if isinstance(comparison, exp.EQ | exp.NEQ):
        other = comparison.expression if comparison.this is node else comparison.this
        if isinstance(other, exp.Literal) and str(other.this) in ("0", "1"):
            # As a condition of its own, so that an index can be used.
            wanted = (str(other.this) == "1") == isinstance(comparison, exp.EQ)
            comparison.replace(exp.Paren(this=inside) if wanted else exp.Not(this=exp.Paren(this=inside)))
            return
    node.replace(
        exp.Paren(this=substitute("CASE WHEN _inside THEN 1 WHEN NOT _inside THEN 0 END", {"_inside": inside}))
    )


def _name(node: exp.Expr) -> str:
    return str(node.this).upper() if isinstance(node, exp.Anonymous) else ""


def _coordinates(node: exp.Anonymous) -> list[exp.Expr]:
    """Return longitude and latitude of a POINT, and the radius of a CIRCLE."""
    name, arguments = _name(node), list(node.expressions)
    # ADQL 2.0 begins with the coordinate system; 2.1 does without.
    if arguments and isinstance(arguments[0], exp.Literal) and arguments[0].is_string:
        system = str(arguments.pop(0).this)
        if system.upper().strip() not in _SYSTEMS:
            raise QueryError(f"The coordinate system {system!r} is not offered.", "Positions are ICRS.")
    if name == "CIRCLE" and len(arguments) == 2 and _name(arguments[0]) == "POINT":
        point = arguments[0]
        assert isinstance(point, exp.Anonymous)
        arguments = [*_coordinates(point), arguments[1]]
    wanted = 2 if name == "POINT" else 3
    if len(arguments) != wanted or any(isinstance(argument, exp.Star | exp.Distinct) for argument in arguments):
        raise QueryError(
            f"{name} takes {'longitude and latitude' if wanted == 2 else 'longitude, latitude and radius'}.", HINT
        )
    return arguments


def _ends(node: exp.Anonymous) -> tuple[list[exp.Expr], list[exp.Expr]]:
    arguments = node.expressions
    if len(arguments) == 2 and all(_name(argument) == "POINT" for argument in arguments):
        return _coordinates(arguments[0]), _coordinates(arguments[1])
    if len(arguments) == 4 and not any(_name(argument) in GEOMETRY for argument in arguments):
        return arguments[:2], arguments[2:]
    raise QueryError(
        "DISTANCE takes two POINTs, or two longitudes and latitudes.", "DISTANCE(POINT(ra, dec), POINT(56.75, 24.12))"
    )


def _point_and_circle(node: exp.Anonymous) -> tuple[exp.Anonymous, exp.Anonymous]:
    shapes = [_name(argument) for argument in node.expressions]
    if shapes == ["CIRCLE", "POINT"] and _name(node) == "INTERSECTS":
        return node.expressions[1], node.expressions[0]
    if shapes != ["POINT", "CIRCLE"]:
        raise QueryError(f"{_name(node)} takes a POINT and a CIRCLE here.", HINT)
    return node.expressions[0], node.expressions[1]


def _distance(first: list[exp.Expr], second: list[exp.Expr]) -> exp.Expr:
    ends = dict(zip(("_lon1", "_lat1", "_lon2", "_lat2"), [*first, *second], strict=True))
    return substitute(_DISTANCE, {"_h": substitute(_HAVERSINE, ends)})


def _inside(node: exp.Anonymous) -> exp.Expr:
    point, circle = _point_and_circle(node)
    position, (*centre, radius) = _coordinates(point), _coordinates(circle)
    exact = exp.LTE(this=_distance(position, centre), expression=_closed(radius))
    numbers = [_number(value) for value in (*centre, radius)]
    if any(number is None for number in numbers):
        return exact
    boxes = _boxes(*_cone(*(float(number) for number in numbers if number is not None)))
    values = {"_lon": position[0], "_lat": position[1]}
    # Overlap of the point's own empty box would do as well, but only this operator is in GiST's point_ops.
    near = [
        exp.ArrayContainsAll(
            this=substitute(f"BOX(POINT({west!r}, {south!r}), POINT({east!r}, {north!r}))", {}),
            expression=substitute("POINT(_lon, _lat)", values),
        )
        for west, south, east, north in boxes
    ]
    return exp.and_(exp.or_(*near) if len(near) > 1 else near[0], exact, copy=False)


def _closed(node: exp.Expr) -> exp.Expr:
    return node.copy() if isinstance(node, exp.Column | exp.Literal) else exp.Paren(this=node.copy())


def _number(node: exp.Expr) -> Decimal | None:
    """Return the value of a number written in the query; None for everything else."""
    if isinstance(node, exp.Neg):
        value = _number(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Paren):
        return _number(node.this)
    if isinstance(node, exp.Literal) and not node.is_string:
        try:
            return Decimal(str(node.this))
        except InvalidOperation:
            return None
    return None


def _cone(longitude: float, latitude: float, radius: float) -> tuple[float, float, float]:
    if not (abs(longitude) <= 360.0 and abs(latitude) <= 90.0 and 0.0 <= radius <= 180.0):
        raise QueryError(
            f"There is no circle of radius {radius:g} around ({longitude:g}, {latitude:g}) on the sky.",
            "Longitudes lie in 0 to 360, latitudes in -90 to 90 and radii in 0 to 180 degrees.",
        )
    return longitude % 360.0, latitude, radius


def _boxes(longitude: float, latitude: float, radius: float) -> list[tuple[float, float, float, float]]:
    """Return boxes (west, south, east, north) in 0 to 360, -90 to 90 degrees that together hold the cone."""
    radius += _MARGIN
    south, north = max(-90.0, latitude - radius), min(90.0, latitude + radius)
    if south <= -90.0 or north >= 90.0 or radius >= 90.0:
        return [(0.0, south, 360.0, north)]
    # Where the cone touches two meridians: sin(half width) = sin(radius) / cos(latitude).
    half = (
        math.degrees(math.asin(min(1.0, math.sin(math.radians(radius)) / math.cos(math.radians(latitude))))) + _MARGIN
    )
    west, east = longitude - half, longitude + half
    if west < 0.0:
        return [(0.0, south, east, north), (west + 360.0, south, 360.0, north)]
    if east > 360.0:
        return [(west, south, 360.0, north), (0.0, south, east - 360.0, north)]
    return [(west, south, east, north)]

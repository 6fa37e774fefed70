"""The shapes that a query writes: POINT, CIRCLE, BOX, POLYGON, and functions that give a point."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.healpix import pixel_centre
from catalog.service.numbers import number
from catalog.service.sphere import SkyPolygon
from catalog.service.templates import call_name, literal

__all__ = ["HINT", "POINTS", "SHAPES", "Box", "Circle", "Point", "Polygon", "Shape", "read_point", "read_shape"]

SHAPES = ("BOX", "CIRCLE", "POINT", "POLYGON")
"""Functions that make a shape."""

POINTS = ("CENTROID", "IVO_HEALPIX_CENTER", "POINT")
"""Functions that give a point."""

HINT = "For instance: 1 = CONTAINS(POINT(ra, dec), CIRCLE(56.75, 24.12, 1.0)), all in degrees."

_SYSTEMS = {"", "ICRS", "ICRS GEOCENTER", "ICRS BARYCENTER"}


@dataclass(frozen=True)
class Point:
    """A direction: longitude and latitude, degrees."""

    longitude: exp.Expr
    latitude: exp.Expr


@dataclass(frozen=True)
class Circle:
    """All directions within `radius` degrees of a centre."""

    centre: Point
    radius: exp.Expr


@dataclass(frozen=True)
class Box:
    """Directions between four great circles, which cross a cross at right angles at the ends of its arms.

    Its arms are the great circles through the centre along the parallel and the meridian there; `width` and `height`
    are their lengths, degrees (ADQL 2.0, section 2.4.5).
    """

    centre: Point
    width: exp.Expr
    height: exp.Expr


@dataclass(frozen=True)
class Polygon:
    """Directions within a polygon."""

    sky: SkyPolygon


Shape = Point | Circle | Box | Polygon


def read_shape(node: exp.Expr) -> Shape:
    """Read a call of one of `SHAPES` or `POINTS`.

    Raises
    ------
    QueryError
        It is none, has the wrong arguments, or another coordinate system than ICRS.
    """
    name = call_name(node)
    readers: dict[str, Callable[[exp.Expr], Shape]] = {"CIRCLE": _circle, "BOX": _box, "POLYGON": _polygon}
    if name in readers:
        return readers[name](node)
    return read_point(node)


def read_point(node: exp.Expr) -> Point:
    """Read a call of one of `POINTS`.

    Raises
    ------
    QueryError
        As `read_shape`.
    """
    name = call_name(node)
    if name == "POINT":
        arguments = _arguments(node)
        if len(arguments) != 2 or _odd(arguments):
            raise QueryError("POINT takes longitude and latitude.", HINT)
        return Point(*arguments)
    if name == "CENTROID":
        if len(node.expressions) != 1:
            raise QueryError("CENTROID takes one shape.", "CENTROID(CIRCLE(56.75, 24.12, 1.0))")
        return _centroid(read_shape(node.expressions[0]))
    if name == "IVO_HEALPIX_CENTER":
        return Point(*pixel_centre(node.expressions))
    raise QueryError(f"A shape is missing where {name or 'a value'} stands.", HINT)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of a shape without its coordinate system, which ADQL 2.0 asks for and 2.1 does without."""
    arguments = list(node.expressions)
    if arguments and isinstance(arguments[0], exp.Literal) and arguments[0].is_string:
        system = str(arguments.pop(0).this)
        if system.upper().strip() not in _SYSTEMS:
            raise QueryError(f"The coordinate system {system!r} is not offered.", "Positions are ICRS.")
    return arguments


def _odd(arguments: list[exp.Expr]) -> bool:
    return any(
        isinstance(argument, exp.Star | exp.Distinct) or call_name(argument) in (*SHAPES, *POINTS)
        for argument in arguments
    )


def _centre_and_sizes(node: exp.Expr, sizes: int, takes: str) -> tuple[Point, list[exp.Expr]]:
    arguments = _arguments(node)
    if arguments and call_name(arguments[0]) in POINTS:
        centre, rest = read_point(arguments[0]), arguments[1:]
    elif len(arguments) >= 2 and not _odd(arguments[:2]):
        centre, rest = Point(arguments[0], arguments[1]), arguments[2:]
    else:
        raise QueryError(takes, HINT)
    if len(rest) != sizes or _odd(rest):
        raise QueryError(takes, HINT)
    return centre, rest


def _circle(node: exp.Expr) -> Circle:
    centre, (radius,) = _centre_and_sizes(node, 1, "CIRCLE takes longitude, latitude and radius.")
    return Circle(centre, radius)


def _box(node: exp.Expr) -> Box:
    centre, (width, height) = _centre_and_sizes(node, 2, "BOX takes longitude, latitude, width and height.")
    for size in (number(width), number(height)):
        if size is not None and not 0.0 <= size < 180.0:
            raise QueryError(f"There is no BOX of {size:g} degrees.", "Its sizes are at least 0 and less than 180.")
    return Box(centre, width, height)


def _polygon(node: exp.Expr) -> Polygon:
    arguments = _arguments(node)
    if arguments and all(call_name(argument) in POINTS for argument in arguments):
        points = [read_point(argument) for argument in arguments]
        arguments = [value for point in points for value in (point.longitude, point.latitude)]
    if len(arguments) < 6 or len(arguments) % 2 or _odd(arguments):
        raise QueryError("POLYGON takes longitude and latitude of three corners or more.", HINT)
    values = [number(argument) for argument in arguments]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        raise QueryError("The corners of a POLYGON are numbers.", "Columns can be centres of CIRCLE and BOX.")
    return Polygon(SkyPolygon.of_corners(list(zip(known[::2], known[1::2], strict=True))))


def _centroid(shape: Shape) -> Point:
    if isinstance(shape, Circle | Box):
        return shape.centre
    if isinstance(shape, Polygon):
        longitude, latitude = shape.sky.centroid
        return Point(literal(longitude), literal(latitude))
    return shape

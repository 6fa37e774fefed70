"""HEALPix pixels in the nested scheme, computed by PostgreSQL without extensions.

The projection is that of Gorski et al. (2005), ApJ 622, 759, section 5: the sphere becomes a plane in which pixels are
squares that stand on a corner. ``u`` and ``v`` count rows of pixels along the two directions of their sides, in units
of the sides of the twelve base pixels.

Each level of the queries here computes what the next one uses more than once; OFFSET 0 keeps the planner from writing
them into each other.
"""

from collections.abc import Sequence

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.numbers import number
from catalog.service.templates import literal, substitute

__all__ = ["MAX_ORDER", "SOURCE_ORDER", "pixel_centre", "pixel_index", "source_pixel"]

MAX_ORDER = 29
"""Finest pixels that a number of 64 bits can count."""

SOURCE_ORDER = 12
"""Order of the pixel inside a Gaia source_id."""

# Spreading bits: each binary digit becomes two, and the text is a number again.
_SPREAD = "CAST(CAST(REPLACE(REPLACE(CAST(CAST({0} AS BIT(30)) AS TEXT), '0', '00'), '1', '01') AS BIT(60)) AS BIGINT)"

_INDEX = f"""
(SELECT face * _pixels | {_SPREAD.format("x")} | ({_SPREAD.format("y")} << 1)
FROM (SELECT
    CASE WHEN u / _side = v / _side THEN 4 + (u / _side) % 4 WHEN u / _side < v / _side THEN (u / _side) % 4
        ELSE 8 + (v / _side) % 4 END AS face,
    v % _side AS x, _side - 1 - u % _side AS y
    FROM (SELECT LEAST(u, (v / _side + 2) * _side - 1) AS u, LEAST(v, (u / _side + 2) * _side - 1) AS v
        FROM (SELECT
        CAST(FLOOR(_side * (0.5 + across - up)) AS BIGINT) AS u,
        CAST(FLOOR(_side * (0.5 + across + up)) AS BIGINT) AS v
        FROM (SELECT
            CASE WHEN polar THEN FLOOR(turn) + 0.5 + (turn - FLOOR(turn) - 0.5) * narrow ELSE turn END AS across,
            CASE WHEN polar THEN SIGN(z) * (1 - narrow / 2) ELSE 0.75 * z END AS up
            FROM (SELECT
                lon / 90 - 4 * FLOOR(lon / 360) AS turn,
                SIN(RADIANS(lat)) AS z,
                SQRT(CAST(6 AS DOUBLE PRECISION)) * SIN(RADIANS(90 - ABS(lat)) / 2) AS narrow,
                ABS(SIN(RADIANS(lat))) > 2.0 / 3 AS polar
                FROM (SELECT CAST(_lon AS DOUBLE PRECISION) AS lon, CAST(_lat AS DOUBLE PRECISION) AS lat OFFSET 0) AS a
                OFFSET 0) AS b
            OFFSET 0) AS c
        OFFSET 0) AS d
        OFFSET 0) AS e
    OFFSET 0) AS f)
"""

_CENTRE = """
(SELECT {}
FROM (SELECT
    90 * CASE WHEN ABS(up) > 0.5 THEN FLOOR(across) + 0.5 + (across - FLOOR(across) - 0.5) / (2 - 2 * ABS(up))
        ELSE across END AS lon,
    CASE WHEN ABS(up) > 0.5
        THEN SIGN(up) * (90 - 2 * DEGREES(ASIN((2 - 2 * ABS(up)) / SQRT(CAST(6 AS DOUBLE PRECISION)))))
        ELSE DEGREES(ASIN(up * 4 / 3)) END AS lat
    FROM (SELECT (u + v - 1) / 2 AS across, (v - u) / 2 AS up
        FROM (SELECT
            face % 4 + CASE WHEN face < 8 THEN 1 ELSE 2 END - (y + CAST(0.5 AS DOUBLE PRECISION)) / _side AS u,
            face % 4 + CASE WHEN face < 4 THEN 1 ELSE 0 END + (x + CAST(0.5 AS DOUBLE PRECISION)) / _side AS v
            FROM (SELECT
                pixel / _pixels AS face,
                (SELECT BIT_OR(((pixel % _pixels >> 2 * n) & 1) << n) FROM GENERATE_SERIES(0, _order) AS s(n)) AS x,
                (SELECT BIT_OR(((pixel % _pixels >> 2 * n + 1) & 1) << n) FROM GENERATE_SERIES(0, _order) AS s(n)) AS y
                FROM (SELECT CAST(_pixel AS BIGINT) AS pixel OFFSET 0) AS a
                WHERE pixel >= 0 AND pixel < 12 * _pixels
                OFFSET 0) AS b
            OFFSET 0) AS c
        OFFSET 0) AS d
    OFFSET 0) AS e)
"""


def _order(node: exp.Expr, finest: int) -> int:
    value = number(node)
    if value is None or not 0 <= value <= finest or value != int(value):
        raise QueryError(
            f"The order of HEALPix pixels is a number from 0 to {finest}.",
            "ivo_healpix_index(6, ra, dec), for instance.",
        )
    return int(value)


def _sizes(order: int) -> dict[str, exp.Expr]:
    # Numbers of 64 bits in the database even where they are small.
    return {
        "_pixels": substitute(f"CAST({4**order} AS BIGINT)", {}),
        "_side": substitute(f"CAST({2**order} AS BIGINT)", {}),
        "_order": literal(order),
    }


def pixel_index(order: exp.Expr, longitude: exp.Expr, latitude: exp.Expr) -> exp.Expr:
    """Return the expression of the pixel that holds a position.

    Parameters
    ----------
    order : sqlglot.exp.Expr
        A written number: the sky has 12 * 4**order pixels.
    longitude, latitude : sqlglot.exp.Expr
        Degrees.

    Raises
    ------
    QueryError
        `order` is not a number from 0 to `MAX_ORDER`.
    """
    values = {**_sizes(_order(order, MAX_ORDER)), "_lon": longitude, "_lat": latitude}
    return substitute(_INDEX, values, "postgres")


def pixel_centre(arguments: Sequence[exp.Expr]) -> tuple[exp.Expr, exp.Expr]:
    """Return the expressions of longitude and latitude, degrees, of a pixel's centre; null where there is no pixel.

    Parameters
    ----------
    arguments : sequence of sqlglot.exp.Expr
        Order, a written number, and pixel.

    Raises
    ------
    QueryError
        There are not two, or the order is no such number.
    """
    if len(arguments) != 2 or any(isinstance(argument, exp.Star | exp.Distinct) for argument in arguments):
        raise QueryError("IVO_HEALPIX_CENTER takes order and pixel.", "ivo_healpix_center(6, 1234), for instance.")
    values = {**_sizes(_order(arguments[0], MAX_ORDER)), "_pixel": arguments[1]}
    return (
        substitute(_CENTRE.format("lon - 360 * FLOOR(lon / 360)"), values, "postgres"),
        substitute(_CENTRE.format("lat"), values, "postgres"),
    )


def source_pixel(order: exp.Expr, source_id: exp.Expr) -> exp.Expr:
    """Return the expression of the pixel that a Gaia source_id holds.

    Raises
    ------
    QueryError
        `order` is not a number from 0 to `SOURCE_ORDER`.
    """
    shift = literal(59 - 2 * _order(order, SOURCE_ORDER))
    return substitute("CAST(_id AS BIGINT) >> _shift", {"_id": source_id, "_shift": shift}, "postgres")

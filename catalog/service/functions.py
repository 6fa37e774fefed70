"""The functions of ADQL and what they are in PostgreSQL.

Each is written once, for each number of arguments, as an expression in which ``_1``, ``_2`` … stand for the
arguments. A name that is not here is refused.
"""

from difflib import get_close_matches

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.geometry import GEOMETRY, check_geometry
from catalog.service.templates import substitute

__all__ = ["AGGREGATES", "FUNCTIONS", "check_function", "translate_function"]

AGGREGATES: dict[str, str] = {
    "AVG": "AVG(_1)",
    "COUNT": "COUNT(_1)",
    "MAX": "MAX(_1)",
    "MIN": "MIN(_1)",
    "STDDEV": "STDDEV_SAMP(_1)",
    "SUM": "SUM(_1)",
}
"""Aggregate functions; STDDEV is an addition to ADQL."""

FUNCTIONS: dict[str, dict[int, str]] = {
    # ADQL 2.1, section 2.3: mathematics
    "ABS": {1: "ABS(_1)"},
    "CEILING": {1: "CEILING(_1)"},
    "DEGREES": {1: "DEGREES(_1)"},
    "EXP": {1: "EXP(_1)"},
    "FLOOR": {1: "FLOOR(_1)"},
    "LOG": {1: "LN(_1)"},  # natural in ADQL, decimal in PostgreSQL
    "LOG10": {1: "LOG(_1)"},
    # PostgreSQL has MOD, and ROUND and TRUNC with digits, for exact numbers only.
    "MOD": {2: "CAST(MOD(CAST(_1 AS DECIMAL), CAST(_2 AS DECIMAL)) AS DOUBLE PRECISION)"},
    "PI": {0: "PI()"},
    "POWER": {2: "POWER(_1, _2)"},
    "RADIANS": {1: "RADIANS(_1)"},
    "RAND": {0: "RANDOM()"},
    "ROUND": {1: "ROUND(_1)", 2: "CAST(ROUND(CAST(_1 AS DECIMAL), _2) AS DOUBLE PRECISION)"},
    "SQRT": {1: "SQRT(_1)"},
    "TRUNCATE": {1: "TRUNC(_1)", 2: "CAST(TRUNC(CAST(_1 AS DECIMAL), _2) AS DOUBLE PRECISION)"},
    "ACOS": {1: "ACOS(_1)"},
    "ASIN": {1: "ASIN(_1)"},
    "ATAN": {1: "ATAN(_1)"},
    "ATAN2": {2: "ATAN2(_1, _2)"},
    "COS": {1: "COS(_1)"},
    "COT": {1: "COT(_1)"},
    "SIN": {1: "SIN(_1)"},
    "TAN": {1: "TAN(_1)"},
    # Strings, and the first value that is not null
    "LOWER": {1: "LOWER(_1)"},
    "UPPER": {1: "UPPER(_1)"},
    "COALESCE": {n: f"COALESCE({', '.join(f'_{i}' for i in range(1, n + 1))})" for n in range(1, 9)},
    # Bits of whole numbers, such as flag_bits
    "BITWISE_AND": {2: "_1 & _2"},
    "BITWISE_OR": {2: "_1 | _2"},
    # sqlglot writes ^ as #, which is PostgreSQL's sign for it.
    "BITWISE_XOR": {2: "_1 ^ _2"},
    "BITWISE_NOT": {1: "~_1"},
}
"""Scalar functions: name -> number of arguments -> expression."""


def check_function(node: exp.Anonymous) -> None:
    """Refuse a function that is not offered, or is called with a wrong number of arguments.

    Raises
    ------
    QueryError
        With the nearest names, or the numbers of arguments that the function takes.
    """
    name = str(node.this).upper()
    given = len(node.expressions)
    if name in GEOMETRY:
        check_geometry(node)
    elif name in AGGREGATES:
        if given != 1:
            raise QueryError(f"{name} takes 1 argument, not {given}.")
        argument = node.expressions[0]
        if isinstance(argument, exp.Star) and name != "COUNT":
            raise QueryError(f"{name}(*) is not allowed.", "Only COUNT takes *.")
        if isinstance(argument, exp.Distinct) and len(argument.expressions) != 1:
            raise QueryError(f"{name}(DISTINCT …) takes 1 argument, not {len(argument.expressions)}.")
    elif name in FUNCTIONS:
        if given not in FUNCTIONS[name]:
            takes = " or ".join(map(str, FUNCTIONS[name]))
            raise QueryError(f"{name} takes {takes} argument{'' if takes == '1' else 's'}, not {given}.")
        if any(isinstance(argument, exp.Star | exp.Distinct) for argument in node.expressions):
            raise QueryError(f"{name} takes neither * nor DISTINCT.")
    else:
        known = [*FUNCTIONS, *AGGREGATES, *GEOMETRY]
        near = get_close_matches(name, known, n=2)
        hint = f"Did you mean {' or '.join(near)}?" if near else "ADQL's own functions are, as far as cones on the sky."
        raise QueryError(f"The function {name} is not offered.", hint)


def translate_function(node: exp.Anonymous) -> exp.Expr:
    """Return the PostgreSQL expression of the checked function call `node`."""
    name = str(node.this).upper()
    template = AGGREGATES[name] if name in AGGREGATES else FUNCTIONS[name][len(node.expressions)]
    result = substitute(template, {f"_{i}": argument for i, argument in enumerate(node.expressions, start=1)})
    # Operators must not bind to what stands around them.
    return result if isinstance(result, exp.Anonymous | exp.Cast) else exp.Paren(this=result)

"""The functions of ADQL and what they are in PostgreSQL.

Each is written once, for each number of arguments, as an expression in which ``_1``, ``_2`` … stand for the
arguments. A name that is not here is refused.
"""

from difflib import get_close_matches

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.geometry import GEOMETRY, check_geometry, enters_others, translate_geometry
from catalog.service.resolve import Tables
from catalog.service.templates import substitute
from catalog.service.units import check_in_unit, translate_in_unit
from catalog.service.user_functions import USER_FUNCTIONS

__all__ = ["AGGREGATES", "FUNCTIONS", "check_function", "translate_functions"]

MAX_NODES = 15_000
"""Size, in nodes of its syntax tree, of what the functions of a query become."""

MAX_ARGUMENT = 3_000
"""Size of a function call whose arguments may have to be written more than once."""

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
    # The argument has no meaning in ADQL 2.1.
    "RAND": {0: "RANDOM()", 1: "RANDOM()"},
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
    elif name in FUNCTIONS or name in USER_FUNCTIONS:
        takes = USER_FUNCTIONS[name].arity if name in USER_FUNCTIONS else tuple(FUNCTIONS[name])
        if given not in takes:
            some = " or ".join(map(str, takes))
            raise QueryError(f"{name} takes {some} argument{'' if some == '1' else 's'}, not {given}.")
        if any(isinstance(argument, exp.Star | exp.Distinct) for argument in node.expressions):
            raise QueryError(f"{name} takes neither * nor DISTINCT.")
        if name in USER_FUNCTIONS:
            USER_FUNCTIONS[name].build(node.expressions)
    elif name == "IN_UNIT":
        check_in_unit(node)
    else:
        known = [*FUNCTIONS, *AGGREGATES, *GEOMETRY, *USER_FUNCTIONS, "IN_UNIT"]
        near = get_close_matches(name, known, n=2)
        hint = f"Did you mean {' or '.join(near)}?" if near else "/capabilities lists the functions."
        raise QueryError(f"The function {name} is not offered.", hint)


def translate_functions(tree: exp.Query, tables: Tables) -> None:
    """Replace all checked function calls of `tree` by what PostgreSQL computes.

    Raises
    ------
    QueryError
        A column has no unit, or the statement becomes too long: functions of functions of functions.
    """
    budget = MAX_NODES
    # Innermost first: an argument is translated before the function that holds it.
    for node in reversed(list(tree.find_all(exp.Anonymous, bfs=True))):
        name = str(node.this).upper()
        if enters_others(name):
            continue  # with the function that they are arguments of
        if sum(1 for _ in node.walk()) > MAX_ARGUMENT:
            raise QueryError(f"The arguments of {name} are too long.", "Ask for less at once.")
        if name in GEOMETRY:
            result = translate_geometry(node)
        else:
            result = _translated(node, tables)
            node.replace(result)
        budget -= sum(1 for _ in result.walk())
        if budget < 0:
            raise QueryError("The query's functions are too many, or nested too deeply.", "Ask for less at once.")


def _translated(node: exp.Anonymous, tables: Tables) -> exp.Expr:
    """Return the PostgreSQL expression of the checked function call `node`."""
    name = str(node.this).upper()
    if name == "IN_UNIT":
        result = translate_in_unit(node, tables)
    elif name in USER_FUNCTIONS:
        result = USER_FUNCTIONS[name].build(node.expressions)
    else:
        template = AGGREGATES[name] if name in AGGREGATES else FUNCTIONS[name][len(node.expressions)]
        result = substitute(template, {f"_{i}": argument for i, argument in enumerate(node.expressions, start=1)})
    # Operators must not bind to what stands around them.
    return result if isinstance(result, exp.Anonymous | exp.Cast | exp.Subquery) else exp.Paren(this=result)

"""IN_UNIT: a column in another unit than its own."""

import re

from sqlglot import exp

from catalog.errors import QueryError
from catalog.service.columns import ORIGIN
from catalog.service.resolve import Tables
from catalog.service.templates import literal, substitute

__all__ = ["check_in_unit", "translate_in_unit"]

_UNIT = re.compile(r"[A-Za-z0-9.*/()+\- ]{1,40}")
_EXAMPLE = "IN_UNIT(parallax, 'arcsec'), for instance."


def check_in_unit(node: exp.Anonymous) -> None:
    """Refuse other arguments than a column and a unit.

    Raises
    ------
    QueryError
    """
    arguments = node.expressions
    if len(arguments) != 2 or not isinstance(arguments[0], exp.Column):
        raise QueryError("IN_UNIT takes a column, whose unit is known, and a unit.", _EXAMPLE)
    unit = arguments[1]
    if not (isinstance(unit, exp.Literal) and unit.is_string and _UNIT.fullmatch(str(unit.this))):
        raise QueryError(f"{unit.sql()[:40]} is not a unit.", f"Units are VOUnits, in quotes: {_EXAMPLE}")


def translate_in_unit(node: exp.Anonymous, tables: Tables) -> exp.Expr:
    """Return the expression of the checked call `node`.

    Raises
    ------
    QueryError
        The column has no unit that is known, or the units are of different kinds.
    """
    column, wanted = node.expressions[0], str(node.expressions[1].this)
    table, name = column.meta.get(ORIGIN, (None, None))
    described = tables.get(table, {}) if table else {}
    own = getattr(described[name], "unit", None) if isinstance(described, dict) and name in described else None
    if not own:
        raise QueryError(f"The unit of {column.name} is not known.", _EXAMPLE)
    return substitute("_value * _factor", {"_value": column, "_factor": literal(_factor(own, wanted, column.name))})


def _factor(own: str, wanted: str, column: str) -> float:
    # Loaded when first asked for: it takes longer than a query.
    from astropy import units

    # `catalogue.metadata` quotes what VOUnit does not know.
    try:
        return float(units.Unit(own.strip("'"), format="vounit").to(units.Unit(wanted.strip(), format="vounit")))
    except (ValueError, TypeError, ArithmeticError, AttributeError, units.UnitsError) as error:
        raise QueryError(f"{column} is in {own}, which cannot be converted to {wanted}.") from error

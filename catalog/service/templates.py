"""Small expressions with places for arguments, in which functions are translated."""

from collections.abc import Mapping
from functools import lru_cache

from sqlglot import exp, parse_one
from sqlglot.dialects.dialect import Dialect

from catalog.service.dialect import ADQL

__all__ = ["call_name", "literal", "substitute"]


def call_name(node: exp.Expr) -> str:
    """Return the name of the function that `node` calls, in capitals; empty for everything else."""
    return str(node.this).upper() if isinstance(node, exp.Anonymous) else ""


def literal(value: float) -> exp.Expr:
    """Return `value` as a query writes it."""
    plain = exp.Literal.number(repr(abs(value)))
    return exp.Neg(this=plain) if value < 0 else plain


@lru_cache(maxsize=256)
def _parse(template: str, dialect: type[Dialect] | str) -> exp.Expr:
    return parse_one(template, dialect=dialect)


def substitute(template: str, values: Mapping[str, exp.Expr], dialect: type[Dialect] | str = ADQL) -> exp.Expr:
    """Return `template` with its names replaced by `values`.

    Parameters
    ----------
    template : str
        An expression in which the keys of `values` stand as column names.
    values : mapping of str to sqlglot.exp.Expr
        Put into parentheses where the template does not separate them by commas or parentheses itself.
    dialect : type or str
        What the template is written in.

    Returns
    -------
    sqlglot.exp.Expr
    """

    def replace(node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.Column) and not node.table and node.name in values):
            return node
        value = values[node.name].copy()
        simple = isinstance(value, exp.Column | exp.Literal | exp.Anonymous | exp.Paren | exp.Subquery)
        enclosed = isinstance(node.parent, exp.Anonymous | exp.Cast)
        return value if simple or enclosed else exp.Paren(this=value)

    return _parse(template, dialect).copy().transform(replace, copy=False)

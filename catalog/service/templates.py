"""Small expressions with places for arguments, in which functions are translated."""

from collections.abc import Mapping
from functools import cache

from sqlglot import exp, parse_one

from catalog.service.dialect import ADQL

__all__ = ["substitute"]


@cache
def _parse(template: str) -> exp.Expr:
    return parse_one(template, dialect=ADQL)


def substitute(template: str, values: Mapping[str, exp.Expr]) -> exp.Expr:
    """Return `template` with its names replaced by `values`.

    Parameters
    ----------
    template : str
        An expression in which the keys of `values` stand as column names.
    values : mapping of str to sqlglot.exp.Expr
        Put into parentheses where the template does not separate them by commas or parentheses itself.

    Returns
    -------
    sqlglot.exp.Expr
    """

    def replace(node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.Column) and node.name in values):
            return node
        value = values[node.name].copy()
        simple = isinstance(value, exp.Column | exp.Literal | exp.Anonymous | exp.Paren)
        enclosed = isinstance(node.parent, exp.Anonymous | exp.Cast)
        return value if simple or enclosed else exp.Paren(this=value)

    return _parse(template).copy().transform(replace, copy=False)

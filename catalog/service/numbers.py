"""Numbers that a query writes out, worth knowing before the database computes them."""

from decimal import Decimal

from sqlglot import exp

__all__ = ["number"]


def number(node: exp.Expr) -> float | None:
    """Return the value of `node` if it is made of written numbers; None for everything else.

    Parameters
    ----------
    node : sqlglot.exp.Expr
        Such as ``0.5``, ``-10`` or ``(5.0 / 3600)``.

    Returns
    -------
    float or None
        As PostgreSQL computes it: ``5 / 60`` is 0. Infinite where it is too large.
    """
    try:
        value = _value(node)
        return None if value is None else float(value)
    except (ArithmeticError, ValueError):
        # Too long, or divided by zero: the database says so.
        return None


def _value(node: exp.Expr) -> int | Decimal | None:
    if isinstance(node, exp.Paren):
        return _value(node.this)
    if isinstance(node, exp.Neg):
        value = _value(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Literal) and not node.is_string:
        text = str(node.this)
        return int(text) if text.isdigit() else Decimal(text)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        first, second = _value(node.this), _value(node.expression)
        if first is None or second is None:
            return None
        return _combine(node, first, second)
    return None


def _combine(node: exp.Binary, first: int | Decimal, second: int | Decimal) -> int | Decimal:
    if isinstance(node, exp.Add):
        return first + second
    if isinstance(node, exp.Sub):
        return first - second
    if isinstance(node, exp.Mul):
        return first * second
    if isinstance(first, int) and isinstance(second, int):
        whole = abs(first) // abs(second)
        return whole if (first < 0) == (second < 0) else -whole
    return Decimal(first) / Decimal(second)

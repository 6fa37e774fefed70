"""Rules on single parts of a query that the list of allowed nodes cannot tell."""

import re

from sqlglot import ErrorLevel, exp

from catalog.errors import QueryError
from catalog.service.functions import check_function

__all__ = ["ADVICE", "check_details", "describe"]

ADVICE = "One SELECT statement in ADQL 2.1 is answered, on the tables that TAP_SCHEMA lists."

_TYPES = {
    exp.DType.SMALLINT,
    exp.DType.INT,
    exp.DType.BIGINT,
    exp.DType.FLOAT,
    exp.DType.DOUBLE,
    exp.DType.CHAR,
    exp.DType.VARCHAR,
    exp.DType.TIMESTAMP,
}

_AROUND_QUERIES = exp.Subquery | exp.CTE | exp.SetOperation | exp.Exists

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike)

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def check_details(node: exp.Expr) -> None:
    """Refuse a node that is allowed, but not as it stands there.

    Raises
    ------
    QueryError
    """
    _check_value(node)
    _check_name(node)
    _check_query(node)
    if isinstance(node, exp.Anonymous):
        check_function(node)


def _check_value(node: exp.Expr) -> None:
    """Types, numbers and conditions."""
    if isinstance(node, exp.DataType) and node.this not in _TYPES:
        raise QueryError(
            f"CAST to {_sql(node)} is not allowed.",
            "Types are SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR(n), VARCHAR(n) and TIMESTAMP.",
        )
    if isinstance(node, exp.DataType) and node.expressions and node.this not in (exp.DType.CHAR, exp.DType.VARCHAR):
        raise QueryError(f"CAST to {_sql(node)} is not allowed.", "Only CHAR and VARCHAR have a length.")
    if isinstance(node, exp.DataTypeParam) and not re.fullmatch("[0-9]{1,5}", str(node.this.this)):
        raise QueryError(f"{_sql(node)[:20]} is not a length.", "CHAR and VARCHAR have up to 99999 characters.")
    if isinstance(node, exp.Limit | exp.Offset):
        number = node.expression
        if not (isinstance(number, exp.Literal) and re.fullmatch("[0-9]{1,18}", str(number.this))):
            word = "TOP" if isinstance(node, exp.Limit) else "OFFSET"
            raise QueryError(f"{word} {_sql(number)} is not a whole number.", f"Write {word} 100, for instance.")
    if isinstance(node, exp.Literal) and not node.is_string and not _NUMBER.fullmatch(str(node.this)):
        # The only text of the query that is written again as it stands.
        raise QueryError(f"{node.this} is not a number.")
    if isinstance(node, exp.In) and not (node.expressions or node.args.get("query")):
        raise QueryError(f"{describe(node)} has nothing to look in.", "Write IN (…) with values or a query.")
    if isinstance(node, _COMPARISONS) and (
        isinstance(node.this, _COMPARISONS) or isinstance(node.expression, _COMPARISONS)
    ):
        raise QueryError(f"{describe(node)} compares a comparison.", "Join conditions by AND, or use parentheses.")
    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        raise QueryError(f"{describe(node)} is not allowed.", "Write IS NULL or IS NOT NULL.")


def _check_name(node: exp.Expr) -> None:
    """Names, and what stands for many of them."""
    if isinstance(node, exp.TableAlias) and node.columns and not isinstance(node.parent, exp.CTE):
        raise QueryError(f"{describe(node)} is not allowed.", "A table is renamed as a whole: FROM rvs_cnn AS r.")
    if isinstance(node, exp.Alias) and not isinstance(node.parent, exp.Select):
        raise QueryError(f"{describe(node)} is not allowed.", "Only columns of SELECT and tables are renamed by AS.")
    if (isinstance(node, exp.Identifier) and not node.name) or (
        isinstance(node, exp.Table) and node.args.get("db") == ""
    ):
        raise QueryError("A name is missing.", ADVICE)
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Identifier | exp.Star):
        raise QueryError(f"{describe(node)} is not allowed.", ADVICE)
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        raise QueryError(f"{_sql(node.this)} is not allowed as a table.", ADVICE)
    if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Select | exp.Column | exp.Anonymous):
        raise QueryError("* is not allowed there.", "It stands in the list of columns, or as COUNT(*).")


def _check_query(node: exp.Expr) -> None:
    """Parts of SELECT."""
    if isinstance(node, exp.Join) and node.kind == "OUTER" and not node.side:
        raise QueryError("OUTER JOIN is not allowed.", "Write LEFT, RIGHT or FULL OUTER JOIN.")
    if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query):
        raise QueryError(f"{describe(node)} is not a query.", "WITH name AS (SELECT …)")
    if isinstance(node, exp.From | exp.Join) and not isinstance(node.this, exp.Table | exp.Subquery):
        raise QueryError(f"{describe(node.this)} is not allowed as a table.", "A query in FROM stands in parentheses.")
    if isinstance(node, exp.Select | exp.SetOperation) and not isinstance(node.parent, _AROUND_QUERIES | None):
        raise QueryError(f"{describe(node)} is not allowed there.", "A query inside a query stands in parentheses.")
    if isinstance(node, exp.Group | exp.Order) and not node.expressions:
        raise QueryError(f"{type(node).__name__.upper()} BY names no column.")
    if isinstance(node, exp.Select) and not node.expressions:
        raise QueryError("The query selects no columns.", "Write SELECT *, or name columns.")


def describe(node: exp.Expr) -> str:
    """Return the SQL of `node`, shortened."""
    text = _sql(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sql(node: exp.Expr | None) -> str:
    if node is None:
        return "Nothing"
    try:
        text = node.sql(dialect="postgres", comments=False, unsupported_level=ErrorLevel.IGNORE)
        return text.strip() or type(node).__name__.upper()
    except (ValueError, RecursionError):
        return type(node).__name__.upper()

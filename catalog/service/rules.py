"""What a query may consist of: a list of syntax nodes and their parts. Everything else is refused."""

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from catalog.errors import QueryError
from catalog.service.details import ADVICE, check_details, describe

__all__ = [
    "MAX_CALLS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_NESTING",
    "MAX_TABLES",
    "MAX_TOKENS",
    "check_text",
    "check_tokens",
    "check_tree",
]

MAX_LENGTH = 100_000
"""Longest query, bytes."""

MAX_TOKENS = 20_000
"""Words, names, numbers and signs: what the translation takes time for."""

MAX_NESTING = 40
"""Deepest nesting of parentheses and CASE."""

MAX_DEPTH = 250
"""Highest syntax tree; a chain of OR is as high as it is long."""

MAX_TABLES = 50
"""Tables in a query, and SELECTs."""

MAX_CALLS = 300
"""Function calls in a query."""

_BINARY = {"this", "expression"}
_SELECT = {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "having", "order", "limit", "offset"}
_SET_OPERATION = {"with_", "this", "expression", "distinct", "order", "limit", "offset"}

# Node -> parts that it may have.
_NODES: dict[type[exp.Expr], set[str]] = {
    exp.Select: _SELECT,
    exp.Union: _SET_OPERATION,
    exp.Except: _SET_OPERATION,
    exp.Intersect: _SET_OPERATION,
    exp.With: {"expressions"},
    exp.CTE: {"this", "alias"},
    exp.From: {"this"},
    exp.Join: {"this", "on", "side", "kind", "using", "method"},
    exp.Where: {"this"},
    exp.Group: {"expressions"},
    exp.Having: {"this"},
    exp.Order: {"expressions"},
    exp.Ordered: {"this", "desc", "nulls_first"},
    exp.Limit: {"expression"},
    exp.Offset: {"expression"},
    exp.Subquery: {"this", "alias", "joins", "with_"},
    exp.Table: {"this", "db", "alias", "joins"},
    exp.TableAlias: {"this", "columns"},
    exp.Column: {"this", "table", "db"},
    exp.Identifier: {"this", "quoted"},
    exp.Star: set(),
    exp.Alias: {"this", "alias"},
    exp.Distinct: {"expressions"},
    exp.Literal: {"this", "is_string"},
    exp.Null: set(),
    exp.Boolean: {"this"},
    exp.Paren: {"this"},
    exp.Not: {"this"},
    exp.Neg: {"this"},
    exp.And: _BINARY,
    exp.Or: _BINARY,
    exp.EQ: _BINARY,
    exp.NEQ: _BINARY,
    exp.GT: _BINARY,
    exp.GTE: _BINARY,
    exp.LT: _BINARY,
    exp.LTE: _BINARY,
    exp.Add: _BINARY,
    exp.Sub: _BINARY,
    exp.Mul: _BINARY,
    exp.Div: _BINARY | {"typed", "safe"},
    exp.DPipe: _BINARY | {"safe"},
    exp.Like: _BINARY | {"negate"},
    exp.ILike: _BINARY | {"negate"},
    exp.Is: _BINARY | {"negate"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions", "query"},
    exp.Exists: {"this"},
    exp.Case: {"this", "ifs", "default"},
    exp.If: {"this", "true"},
    exp.Cast: {"this", "to"},
    exp.DataType: {"this", "expressions", "nested"},
    exp.DataTypeParam: {"this"},
    exp.Anonymous: {"this", "expressions"},
}

_WORDS = {
    "kind": {"", "INNER", "OUTER", "CROSS"},
    "side": {"", "LEFT", "RIGHT", "FULL"},
    "method": {"", "NATURAL"},
}


def check_text(adql: str) -> None:
    """Refuse a query that is empty, too long, or holds control characters."""
    if len(adql.encode("utf-8", "surrogatepass")) > MAX_LENGTH:
        raise QueryError(
            f"The query is longer than {MAX_LENGTH // 1000} kB.", "Upload or join a list of identifiers instead."
        )
    if not adql.strip():
        raise QueryError("The query is empty.", ADVICE)
    for i, character in enumerate(adql):
        if (ord(character) < 32 and character not in "\t\r\n") or 0xD800 <= ord(character) <= 0xDFFF:
            raise QueryError(
                f"The query holds the control character U+{ord(character):04X} at position {i}.", "Remove it."
            )


def check_tokens(tokens: list[Token]) -> None:
    """Refuse what is no single SELECT, or nested too deeply to be parsed."""
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    if not tokens:
        raise QueryError("The query holds nothing but comments.", ADVICE)
    if len(tokens) > MAX_TOKENS:
        raise QueryError(
            f"The query has {len(tokens)} words, numbers and signs; at most {MAX_TOKENS} are read.",
            "Upload or join a list of identifiers instead.",
        )
    first = next((token for token in tokens if token.token_type != TokenType.L_PAREN), tokens[0])
    if first.token_type not in (TokenType.SELECT, TokenType.WITH):
        raise QueryError(f"The query begins with {first.text}, not with SELECT.", ADVICE)
    if sum(token.token_type == TokenType.SELECT for token in tokens) > MAX_TABLES:
        raise QueryError(f"The query holds more than {MAX_TABLES} SELECTs.", "Use IN (…), or ask in parts.")
    depth = 0
    unary = 0
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            raise QueryError("The query holds more than one statement.", ADVICE)
        if token.token_type == TokenType.LIMIT:
            raise QueryError("ADQL has no LIMIT.", "Write SELECT TOP 10 …")
        if token.token_type in (TokenType.L_PAREN, TokenType.CASE):
            depth += 1
        elif token.token_type in (TokenType.R_PAREN, TokenType.END):
            depth -= 1
        unary = unary + 1 if token.token_type in (TokenType.NOT, TokenType.DASH, TokenType.PLUS) else 0
        if depth > MAX_NESTING or unary > MAX_NESTING:
            raise QueryError(f"The query is nested more than {MAX_NESTING} levels deep.", "Write it with fewer levels.")


def check_tree(tree: exp.Expr) -> None:
    """Refuse every node, part of a node, type and function that is not on the list.

    Raises
    ------
    QueryError
        Its message names what is refused.
    """
    stack: list[tuple[exp.Expr, int]] = [(tree, 1)]
    tables = calls = 0
    while stack:
        node, depth = stack.pop()
        tables += isinstance(node, exp.Table)
        if tables > MAX_TABLES:
            raise QueryError(f"The query reads more than {MAX_TABLES} tables.", "Ask in parts.")
        calls += isinstance(node, exp.Anonymous)
        if calls > MAX_CALLS:
            raise QueryError(f"The query calls more than {MAX_CALLS} functions.", "Ask in parts.")
        if depth > MAX_DEPTH:
            raise QueryError(
                f"The query's conditions or operations form a chain or nest of more than {MAX_DEPTH}.",
                "Use IN (…) for a list of values.",
            )
        allowed = _NODES.get(type(node))
        if allowed is None:
            raise QueryError(f"{describe(node)} is not allowed.", ADVICE)
        check_details(node)
        for part, value in node.args.items():
            if value is None or value is False or value == []:
                continue
            if part not in allowed:
                raise QueryError(f"{_part(node, part, value)} is not allowed.", ADVICE)
            if part in _WORDS and isinstance(node, exp.Join) and str(value).upper() not in _WORDS[part]:
                raise QueryError(
                    f"{str(value).upper()} JOIN is not allowed.", "Use JOIN, LEFT JOIN, RIGHT JOIN or FULL JOIN."
                )
        stack.extend((child, depth + 1) for child in node.iter_expressions())


def _part(node: exp.Expr, part: str, value: Any) -> str:
    """Name a part of `node`: of a whole query the part alone, else the node that has it."""
    first = value[0] if isinstance(value, list) else value
    if isinstance(node, exp.Query) and isinstance(first, exp.Expr):
        return describe(first)
    return f"{part.strip('_').upper()} in {describe(node)}"

"""From ADQL to PostgreSQL: parsed, checked against lists of what is allowed, resolved, written anew.

Nothing of the user's text reaches the database as it stands. The syntax tree may consist of the nodes, functions and
types that are listed and of nothing else (`catalog.service.rules`, `catalog.service.functions`); tables and columns
must be published; what is executed is written from the tree, with every name quoted and every table qualified.
"""

import re
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.tokenizer_core import Token, TokenType

from catalog.errors import QueryError
from catalog.service.columns import OutputColumn, mark_origins, name_columns, output_columns, requalify_order
from catalog.service.dialect import ADQL, join_numbers
from catalog.service.expansion import check_expansion, check_flattening
from catalog.service.functions import translate_functions
from catalog.service.resolve import (
    Tables,
    explain_unresolved,
    rename_uploads,
    rename_with,
    resolve_tables,
    schema_of,
)
from catalog.service.rules import check_text, check_tokens, check_tree

__all__ = ["MAX_TEXT", "Translation", "prepare", "translate"]

MAX_TEXT = 10_000
"""Longest text that ``||`` makes, characters."""

_TOO_DEEP = QueryError("The query is nested too deeply.", "Write it with fewer levels.")


@dataclass(frozen=True)
class Translation:
    """A query as PostgreSQL executes it."""

    columns: tuple[OutputColumn, ...]
    limit: int | None
    """What TOP says."""
    _tree: exp.Query = field(repr=False)

    def sql(self, max_rows: int | None = None) -> str:
        """Return the statement, with at most `max_rows` rows."""
        tree = self._tree
        if max_rows is not None and (self.limit is None or self.limit > max_rows):
            tree = tree.limit(max_rows, copy=True)
        try:
            return tree.sql(dialect="postgres", comments=False)
        except RecursionError as error:
            raise _TOO_DEEP from error


def translate(adql: str, tables: Tables) -> str:
    """Translate a query.

    Parameters
    ----------
    adql : str
        One SELECT statement in ADQL 2.1.
    tables : mapping
        The tables that it may read: published ones, and uploaded ones (`catalog.service.resolve.TemporaryTable`).

    Returns
    -------
    str
        One SELECT statement for PostgreSQL.

    Raises
    ------
    QueryError
        The query is malformed, or asks for something that is not on the lists of what is allowed.
    """
    return prepare(adql, tables).sql()


def prepare(adql: str, tables: Tables) -> Translation:
    """Translate a query and tell what its columns are.

    See `translate` for parameters and errors.
    """
    check_text(adql)
    try:
        return _prepare(adql, tables)
    except OptimizeError as error:
        raise explain_unresolved(error, tables) from error
    except SqlglotError as error:
        raise QueryError(f"The query is not valid ADQL: {_syntax(error)}.") from error
    except RecursionError as error:
        raise _TOO_DEEP from error


def _prepare(adql: str, tables: Tables) -> Translation:
    dialect = ADQL()
    tokens = join_numbers(dialect.tokenize(adql))
    check_tokens(tokens)
    statements = [statement for statement in _parse(dialect, tokens, adql) if statement]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise QueryError("The query is not one SELECT statement.")
    tree: exp.Query = statements[0]
    while isinstance(tree, exp.Subquery) and len([part for part in tree.args.values() if part]) == 1:
        tree = tree.this
    check_tree(tree)
    name_columns(tree)
    tree = normalize_identifiers(tree, dialect=ADQL)
    check_expansion(tree)
    resolve_tables(tree, tables)
    tree = qualify(tree, dialect=ADQL, schema=schema_of(tables), validate_qualify_columns=True)
    requalify_order(tree)
    columns = tuple(output_columns(tree))
    mark_origins(tree)
    rename_with(tree)
    rename_uploads(tree, tables)
    _enclose_operands(tree)
    translate_functions(tree, tables)
    check_flattening(tree)
    _bound_texts(tree)
    limit = tree.args.get("limit")
    return Translation(columns, int(str(limit.expression.this)) if limit else None, tree)


def _parse(dialect: ADQL, tokens: list[Token], adql: str) -> list[exp.Expr | None]:
    tokens = [token for token in tokens if token.token_type != TokenType.SEMICOLON]
    try:
        return dialect.parser().parse(tokens, adql)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, SqlglotError):
            raise
        # Some malformed queries break the parser itself.
        raise QueryError("The query is not valid ADQL.") from error


def _enclose_operands(tree: exp.Query) -> None:
    """Put parentheses around the queries of UNION, EXCEPT and INTERSECT that have a TOP or an order of their own."""
    for operation in tree.find_all(exp.SetOperation):
        for operand in (operation.this, operation.expression):
            if not isinstance(operand, exp.Subquery) and any(
                operand.args.get(part) for part in ("order", "limit", "offset")
            ):
                operand.replace(exp.Subquery(this=operand.copy()))


def _bound_texts(tree: exp.Query) -> None:
    """Cut what ``||`` joins: a query in a query in a query could double a text until it fills the memory."""
    for joined in list(tree.find_all(exp.DPipe)):
        if not isinstance(joined.parent, exp.DPipe):
            joined.replace(exp.Anonymous(this="LEFT", expressions=[joined.copy(), exp.Literal.number(MAX_TEXT)]))


def _syntax(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if details:
        first = details[0]
        description = str(first.get("description")).rstrip(".")
        if "class" in description:  # sqlglot's own words for an argument that is missing
            description = "Something is missing"
        near = str(first.get("highlight") or "").strip()
        place = f"line {first.get('line')}, column {first.get('col')}"
        return f"{description} at {place}" + (f", near {near!r}" if near else "")
    return re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()[0].rstrip(".")

"""How much larger a query becomes when names in it are replaced by what they stand for.

PostgreSQL knows the names of output columns only where they stand alone in GROUP BY and ORDER BY; everywhere else the
expression is written again. Its planner does the same with columns of queries in FROM and WITH. ``a + a AS b`` would
double at each step, and no memory is large enough.
"""

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from catalog.errors import QueryError

__all__ = ["MAX_GROWTH", "check_expansion", "check_flattening"]

MAX_GROWTH = 5_000
"""Nodes of the syntax tree that may be added."""


def check_expansion(tree: exp.Query) -> None:
    """Refuse a query that would grow by more than `MAX_GROWTH` nodes.

    Raises
    ------
    QueryError
    """
    growth = 0
    for select in tree.find_all(exp.Select):
        sizes: dict[str, int] = {}
        for projection in select.expressions:
            own, added = _sizes(projection, sizes)
            growth += added
            if isinstance(projection, exp.Alias):
                sizes[projection.alias.lower()] = own + added
        for part in ("where", "group", "having", "order"):
            if clause := select.args.get(part):
                growth += _sizes(clause, sizes)[1]
        if growth > MAX_GROWTH:
            raise QueryError(
                "The query becomes too large when the names of its columns are replaced by what they stand for.",
                "Compute in a query in FROM or WITH what is used more than once.",
            )


def check_flattening(tree: exp.Query) -> None:
    """Refuse a qualified query that would grow by more than `MAX_GROWTH` nodes when the planner makes it one.

    Raises
    ------
    QueryError
    """
    known: dict[int, list[int]] = {}
    for scope in traverse_scope(tree):
        if scope.set_operation_scopes:
            operands = [known.get(id(operand), []) for operand in scope.set_operation_scopes]
            known[id(scope)] = [max(sizes) for sizes in zip(*operands, strict=False)]
            continue
        if not isinstance(scope.expression, exp.Select):
            continue
        columns = _columns_of_sources(scope, known)
        growth, sizes = 0, []
        for part in scope.expression.iter_expressions():
            own = added = 0
            for node in part.walk():
                own += 1
                if isinstance(node, exp.Column):
                    added += columns.get((node.table, node.name), 1) - 1
            growth += added
            if part.arg_key == "expressions":
                sizes.append(own + added)
        if growth > MAX_GROWTH:
            raise QueryError(
                "The query becomes too large when its queries in FROM and WITH are written into each other.",
                "Use each column of an inner query less often.",
            )
        apart = any(scope.expression.args.get(part) for part in ("limit", "offset", "distinct", "group"))
        known[id(scope)] = [1] * len(sizes) if apart else sizes


def _columns_of_sources(scope: Scope, known: dict[int, list[int]]) -> dict[tuple[str, str], int]:
    sizes: dict[tuple[str, str], int] = {}
    for name, source in scope.sources.items():
        if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
            names = source.expression.named_selects
            sizes.update(((name, column), size) for column, size in zip(names, known.get(id(source), []), strict=False))
    return sizes


def _sizes(node: exp.Expr, sizes: dict[str, int]) -> tuple[int, int]:
    """Return the nodes of `node`, and those that names in it would add."""
    own = added = 0
    for part in node.walk():
        own += 1
        if isinstance(part, exp.Column) and not part.table:
            added += sizes.get(part.name.lower(), 1) - 1
    return own, added

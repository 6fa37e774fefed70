"""The columns of a query's result: their names, and the published columns that they come from."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope

from catalog.errors import QueryError

__all__ = ["ORIGIN", "OutputColumn", "mark_origins", "name_columns", "output_columns", "requalify_order"]

ORIGIN = "origin"
"""Key of a column's `meta` under which `mark_origins` writes."""


@dataclass(frozen=True)
class OutputColumn:
    """One column of a query's result."""

    name: str
    table: str | None = None
    """Published table that the value comes from unchanged, if it does."""
    column: str | None = None


def _first_select(tree: exp.Expr) -> exp.Select | None:
    """Return the SELECT that names the columns of `tree`."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    return tree if isinstance(tree, exp.Select) else None


def name_columns(tree: exp.Query) -> None:
    """Name what the query leaves unnamed: ``COUNT(*)`` becomes ``count``, ``teff / 2`` becomes ``col2``."""
    select = _first_select(tree)
    if select is None:
        return
    used = {column.alias_or_name.lower() for column in select.expressions if isinstance(column, exp.Alias | exp.Column)}
    for i, column in enumerate(select.expressions, start=1):
        if isinstance(column, exp.Alias | exp.Column | exp.Star):
            continue
        name = str(column.this).lower() if isinstance(column, exp.Anonymous) else f"col{i}"
        while name in used:
            name = f"{name}_{i}"
        used.add(name)
        column.replace(exp.alias_(column.copy(), name, quoted=True))


def requalify_order(tree: exp.Query) -> None:
    """Replace names of output columns inside expressions of ORDER BY: PostgreSQL knows them only when alone."""
    for select in tree.find_all(exp.Select):
        order = select.args.get("order")
        if order is None:
            continue
        values = {column.alias: column.this for column in select.expressions if isinstance(column, exp.Alias)}
        for ordered in order.expressions:
            if isinstance(ordered.this, exp.Column):
                continue
            for column in list(ordered.find_all(exp.Column)):
                if not column.table and column.name in values:
                    column.replace(exp.Paren(this=values[column.name].copy()))


def output_columns(tree: exp.Query) -> Iterator[OutputColumn]:
    """Yield the columns of the qualified query `tree`."""
    scope = build_scope(tree)
    select = _first_select(tree)
    if scope is None or select is None:
        raise QueryError("The query has no columns.")
    while scope.set_operation_scopes:
        scope = scope.set_operation_scopes[0]
    names: dict[str, int] = {}
    for projection in select.expressions:
        name = projection.alias_or_name
        names[name] = names.get(name, 0) + 1
        unique = name if names[name] == 1 else f"{name}_{names[name]}"
        yield OutputColumn(unique, *_origin(projection.unalias(), scope))


def mark_origins(tree: exp.Query) -> None:
    """Note on the columns that are arguments of functions which table and column they come from unchanged, if any."""
    for scope in traverse_scope(tree):
        for column in scope.columns:
            if column.table and column.find_ancestor(exp.Anonymous):
                origin = _origin(column, scope)
                if origin[0] is not None:
                    column.meta[ORIGIN] = origin


def _origin(value: exp.Expr, scope: Scope) -> tuple[str, str] | tuple[None, None]:
    """Follow a column through subqueries to the published table that it comes from."""
    if isinstance(value, exp.Coalesce):  # JOIN … USING
        value = value.this
    if not isinstance(value, exp.Column):
        return None, None
    _, source = scope.selected_sources.get(value.table, (None, None))
    if isinstance(source, exp.Table):
        return f"{source.db}.{source.name}", value.name
    if not isinstance(source, Scope):
        return None, None
    while source.set_operation_scopes:
        source = source.set_operation_scopes[0]
    for projection in source.expression.selects if isinstance(source.expression, exp.Query) else []:
        if projection.alias_or_name == value.name:
            return _origin(projection.unalias(), source)
    return None, None

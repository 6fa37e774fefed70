"""Runs the queries of ``sql/validation`` and judges their rows."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.validation.checks import Checks, judge
from catalog.validation.computed import COMPUTED, compute_rows
from catalog.validation.results import Result

__all__ = ["ingested_products", "query_parameters", "run_comparison", "run_comparisons"]


def query_parameters(run: Run, checks: Checks) -> dict[str, Any]:
    """Return every parameter of the queries of ``sql/validation`` for `run`."""
    cuts = load_release(run.profile.release).cuts
    return {
        **checks.parameters(),
        "run_id": run.run_id,
        "release": run.release,
        "gaia_release": run.profile.release,
        "aspcapflag_mask": sum(1 << bit for bit in cuts.aspcapflag_bits),
    }


def ingested_products(connection: Connection, run: Run) -> set[str]:
    """Return the survey products of which a file with rows was ingested."""
    rows = connection.execute(
        "SELECT DISTINCT product FROM production.ingest_file WHERE release = %s AND status = 'complete' AND n_rows > 0",
        (run.release,),
    ).fetchall()
    return {row[0] for row in rows}


def run_comparisons(connection: Connection, run: Run, checks: Checks, progress: Progress = silent) -> list[Result]:
    """Run and judge every comparison.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    checks : Checks
    progress : Progress

    Returns
    -------
    list of Result
        In the order of the settings file. A comparison that cannot be made gives one row ``not run``
        with the reason.
    """
    products = ingested_products(connection, run)
    parameters = query_parameters(run, checks)
    results: list[Result] = []
    for i, name in enumerate(checks.comparisons):
        progress(i, len(checks.comparisons), checks.comparisons[name].title)
        results += run_comparison(connection, run, checks, name, parameters, products)
    progress(len(checks.comparisons), len(checks.comparisons), "comparisons")
    return results


def run_comparison(
    connection: Connection, run: Run, checks: Checks, name: str, parameters: Mapping[str, Any], products: set[str]
) -> list[Result]:
    """Run and judge the comparison `name`."""
    comparison = checks.comparisons[name]
    if comparison.synthetic and run.profile.mock is None:
        return [_not_run(name, "only a synthetic sky has a known truth")]
    if missing := [product for product in comparison.needs if product not in products]:
        return [_not_run(name, f"no {' and no '.join(missing)} rows were ingested")]
    rows = _rows(connection, name, parameters)
    if not rows:
        return [_not_run(name, "no star of this run passes the selection")]
    results = [judge(checks, _result(name, row)) for row in rows]
    # A subset that was to be judged and is empty gives no row: it must not go unnoticed.
    found = {result.subset for result in results}
    for check in comparison.checks:
        if check.judged and not any(check.subset == subset or _prefix(check.subset, subset) for subset in found):
            results.append(_not_run(name, "no star of this run passes the selection", check.subset))
    return results


def _rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the comparison: as its query gives them, or as computed from the stars that it gives."""
    if name in COMPUTED:
        return compute_rows(connection, name, parameters)
    query = load(f"validation/{name}")
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.statement, {key: parameters[key] for key in query.parameters}).fetchall()


def _prefix(pattern: str, subset: str) -> bool:
    return pattern.endswith("*") and subset.startswith(pattern[:-1])


def _not_run(comparison: str, reason: str, subset: str = "all") -> Result:
    return Result(comparison, subset, "all", 0, status="not run", message=reason)


def _result(comparison: str, row: dict[str, Any]) -> Result:
    values: dict[str, Any] = {key: float(value) if isinstance(value, Decimal) else value for key, value in row.items()}
    return Result(
        comparison,
        values.pop("subset"),
        values.pop("label"),
        values.pop("n"),
        values.pop("bias"),
        values.pop("dispersion"),
        values.pop("robust_dispersion"),
        extra=values,
    )

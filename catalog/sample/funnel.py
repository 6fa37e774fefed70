"""The funnel: how many stars each cut of Sect. 2 takes out and leaves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from catalog.database.queries import load
from catalog.errors import SampleError

__all__ = ["FunnelStep", "funnel", "write_funnel"]


@dataclass(frozen=True)
class FunnelStep:
    """One cut."""

    sample: str
    """``observed`` or ``training``."""
    step: int
    """Place in the sample's chain; step 0 is what the chain begins with."""
    cut: str
    rule: str
    """What a star must fulfil, with the value of the threshold."""
    n_removed: int
    n_left: int


def funnel(connection: Connection, run_id: int) -> list[FunnelStep]:
    """Return the funnel of a run, the observed sample's chain first; empty when no selection was made.

    Parameters
    ----------
    connection : psycopg.Connection
    run_id : int

    Returns
    -------
    list of FunnelStep
    """
    rows = connection.execute(load("selection/funnel").statement, {"run_id": run_id}).fetchall()
    return [FunnelStep(*row) for row in rows]


def write_funnel(
    connection: Connection, run_id: int, parameters: Mapping[str, Any], last_cut: tuple[str, str] | None = None
) -> list[FunnelStep]:
    """Count the stars of each cut and keep the funnel in ``production.sample_funnel``.

    Parameters
    ----------
    connection : psycopg.Connection
    run_id : int
        A run whose ``production.sample_star`` is filled.
    parameters : mapping
        See `catalog.sample.parameters.cut_parameters`.
    last_cut : tuple of str, optional
        Name and rule of one more cut of the training sample, after those of sql/selection/cuts.sql.

    Returns
    -------
    list of FunnelStep
    """
    cuts: list[Any] = connection.execute(load("selection/cuts").statement, parameters).fetchall()
    if last_cut is not None:
        cuts.append(("training", 1 + max(step for sample, step, *_ in cuts if sample == "training"), *last_cut))
    counted = connection.execute(load("selection/cut_counts").statement, {"run_id": run_id}).fetchall()
    steps = list(_steps(cuts, {(sample, cut): n_stars for sample, cut, n_stars in counted}))
    connection.execute("DELETE FROM production.sample_funnel WHERE run_id = %s", (run_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO production.sample_funnel (run_id, sample, step, cut, rule, n_removed, n_left) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(run_id, s.sample, s.step, s.cut, s.rule, s.n_removed, s.n_left) for s in steps],
        )
    return steps


def _steps(cuts: list[Any], counts: dict[tuple[str, str | None], int]) -> Iterator[FunnelStep]:
    unknown = counts.keys() - {(sample, cut) for sample, _, cut, _ in cuts} - {("observed", None), ("training", None)}
    if unknown:
        raise SampleError(
            f"sql/selection/cuts.sql does not list {', '.join(sorted(f'{s}: {c}' for s, c in unknown))}.",
            "Add the cut and its rule there, in the place it has in the query that applies it.",
        )
    left = {sample: sum(n for (s, _), n in counts.items() if s == sample) for sample in ("observed", "training")}
    for sample, step, cut, rule in cuts:
        removed = counts.get((sample, cut), 0)
        left[sample] -= removed
        yield FunnelStep(sample, step, cut, rule, removed, left[sample])

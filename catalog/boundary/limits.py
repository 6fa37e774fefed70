"""The effective range of the training sample, as in Table 1 of the paper.

The paper does not say how its range was made, but its numbers narrow it down:

- It is not the full range. Training stars lie at 7 < G < 14.2 (Sect. 2.6), Table 1 says 9.01 to 14.21;
  parallaxes end at 7.00 mas although a few training stars are nearer (Sect. 5.3).
- It leaves out very little. 197,013 observed stars are flagged, 171,728 of them by t-SNE (Sect. 5): the seven
  limits add at most 25,285, or 3.8 % of the training-like stars. A rule that cuts a fraction q at both ends of
  seven quantities flags up to 14 q even of stars distributed as the training sample, which the observed
  sample is not: about 2 % of it lies outside in G alone. So q stays well below 0.3 %.

The default, q = 0.001 at each end of each quantity, satisfies both: 45 of 44,780 stars at each end. A
sample with fewer than 1/q stars loses only part of its outermost star, by interpolation.

Limits belong to a run: two runs with one ensemble may ask for different rules.
"""

from dataclasses import dataclass

from psycopg import Connection

from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.profiles.model import LimitSettings
from catalog.releases import Release

__all__ = ["QUANTITIES", "TrainingLimits", "store_limits", "training_limits"]

QUANTITIES: tuple[str, ...] = (*(label.name for label in LABELS), "g", "parallax")
"""What digits 1 to 7 of the flag look at, in order."""


@dataclass(frozen=True)
class TrainingLimits:
    """Lowest and highest trusted value of each quantity; both ends are inside."""

    ranges: dict[str, tuple[float, float]]
    """By name as in `QUANTITIES`: K, dex (log g of cm/s²), mag and mas."""
    rule: str
    """``quantile`` or ``paper``."""
    quantile: float | None
    """Fraction left out at each end; None when the rule has none."""
    n_training: int
    """Training stars that the ranges were made from; 0 for the printed ones."""


def training_limits(
    connection: Connection, run_id: int, data_release: str, settings: LimitSettings, release: Release
) -> TrainingLimits:
    """Compute the limits of a training sample.

    Parameters
    ----------
    connection : psycopg.Connection
    run_id : int
        Run that selected the training sample.
    data_release : str
        Key of its survey rows.
    settings : LimitSettings
        Rule and quantile.
    release : Release
        Holds the printed Table 1 for the rule ``paper``.

    Returns
    -------
    TrainingLimits

    Raises
    ------
    SampleError
        The run has no training stars, or one of the quantities is null for all of them.
    """
    if settings.rule == "paper":
        ranges = {name: tuple(getattr(release.paper_limits, name)) for name in QUANTITIES}
        return TrainingLimits(ranges, "paper", None, 0)
    rows = connection.execute(
        load("boundary/training_limits").statement,
        {"run_id": run_id, "release": data_release, "quantile": settings.quantile},
    ).fetchall()
    ranges = {name: (lower, upper) for name, lower, upper, n in rows if n > 0}
    if missing := [name for name in QUANTITIES if name not in ranges]:
        raise SampleError(
            f"Run {run_id} has no training stars with {', '.join(missing)}: their limits cannot be computed.",
            "See `rvscat status` for the cuts that removed them.",
        )
    return TrainingLimits(ranges, "quantile", settings.quantile, min(row[3] for row in rows))


def store_limits(connection: Connection, run_id: int, limits: TrainingLimits) -> None:
    """Keep `limits` with the run whose flags they make, in place of those of an earlier call."""
    connection.execute("DELETE FROM production.boundary_limit WHERE run_id = %s", (run_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO production.boundary_limit (run_id, quantity, lower, upper, rule, quantile, n_training) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (run_id, name, *limits.ranges[name], limits.rule, limits.quantile, limits.n_training)
                for name in QUANTITIES
            ],
        )

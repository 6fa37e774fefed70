"""The stage that says where the labels of a run can be trusted (Sects. 2.6, 5.1 and 5.2 of the paper)."""

from typing import Any

from psycopg import Connection

from catalog.boundary.limits import QUANTITIES, TrainingLimits, store_limits, training_limits
from catalog.boundary.mapping import Likeness, fit_maps
from catalog.boundary.placed import place_stars
from catalog.boundary.records import store_flags
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["flag_boundary", "flag_result"]

# Share of the stage's time, in per cent, after which only flags are left.
_MAPPED = 95.0


def flag_boundary(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Compute limits, map distances and the eight digits of ``flag_boundary`` for every labelled star of `run`.

    Fills ``production.boundary_limit``, ``production.likeness_map``, ``production.likeness``,
    ``production.training_distance`` and ``production.boundary``, replacing what an earlier call wrote. Each map is
    committed as it is finished: a stage that was stopped goes on with the maps that are missing, provided that spectra
    and settings are the same. Maps are saved in the folder ``likeness`` of the data folder; a run whose profile names
    them in ``likeness.reference`` has its new stars placed there, and no map is fitted.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        With rows in ``production.label``.
    settings : Settings
        ``workers`` threads compute at once; the result does not depend on their number.
    progress : Progress

    Returns
    -------
    StageResult
        Counts of observed stars inside and training-like, of each digit, thresholds and limits.

    Raises
    ------
    SampleError
        The run has no labels or no training stars, or the sample is too small for any map.
    NotFoundError
        There are no maps of the name in ``likeness.reference``.
    ArtefactError
        They are damaged, or made for another pixel grid or version.
    """
    _, training_run, training_release = _ensemble(connection, run)
    limits = training_limits(
        connection, training_run, training_release, run.profile.limits, load_release(run.profile.release)
    )
    store_limits(connection, run.run_id, limits)
    connection.commit()

    def report(done: float, total: float, what: str = "") -> None:
        progress(_MAPPED * done / total, 100, what)

    likeness = (fit_maps if run.profile.likeness.reference is None else place_stars)(connection, run, settings, report)
    progress(_MAPPED, 100, "writing flag_boundary")
    store_flags(connection, run, limits)
    result = flag_result(connection, run, limits, likeness)
    connection.commit()
    progress(100, 100, "flags written")
    return result


def _ensemble(connection: Connection, run: Run) -> tuple[int, int, str]:
    """Return the ensemble that made the run's labels, and the run and survey rows that it was trained on."""
    rows = connection.execute(
        "SELECT ensemble_id, run_id, release FROM production.ensemble "
        "WHERE ensemble_id IN (SELECT ensemble_id FROM production.label WHERE run_id = %s)",
        (run.run_id,),
    ).fetchall()
    if not rows:
        raise SampleError(f"Run {run.run_id} has no labels to flag.", "Predict them first: `rvscat predict`.")
    if len(rows) > 1:
        raise SampleError(
            f"The labels of run {run.run_id} come from {len(rows)} ensembles, so there is no one training sample.",
            "Predict them again: `rvscat predict`.",
        )
    return rows[0]


def flag_result(connection: Connection, run: Run, limits: TrainingLimits, likeness: Likeness) -> StageResult:
    """Return what the stage tells of the flags of `run` and of its maps."""
    rows = connection.execute(load("boundary/summary").statement, {"run_id": run.run_id}).fetchall()
    observed = {bits: n for role, bits, n in rows if role == "observed"}
    n_observed, tsne = sum(observed.values()), FLAG_DIGITS[-1].bit
    unlike = sum(n for bits, n in observed.items() if bits & tsne)
    counts: dict[str, Any] = {
        "stars": sum(row[2] for row in rows),
        "inside": observed.get(0, 0),
        "training_like": n_observed - unlike,
        "training_unlike": unlike,
        "observed": n_observed,
        "training": sum(n for role, _, n in rows if role == "training"),
        "training_inside": sum(n for role, bits, n in rows if role == "training" and bits == 0),
    }
    counts |= {f"outside_{digit.name}": sum(n for _, bits, n in rows if bits & digit.bit) for digit in FLAG_DIGITS[:-1]}
    counts |= likeness.counts
    counts |= {f"limits_{name}": "{:.6g} to {:.6g}".format(*limits.ranges[name]) for name in QUANTITIES}
    return StageResult(counts, likeness.notes)

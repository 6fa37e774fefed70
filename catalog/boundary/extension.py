"""The stage that flags the new stars of a run which extends another: by the limits and in the maps of the others."""

from itertools import chain

import numpy as np
from psycopg import Connection
from threadpoolctl import threadpool_limits

from catalog.boundary.components import project
from catalog.boundary.limits import QUANTITIES, TrainingLimits
from catalog.boundary.mapping import told_of_maps
from catalog.boundary.placing import distances_to_training, find_places, stranger_words
from catalog.boundary.records import count_stars, find_reference, store_distances, store_flags, store_places
from catalog.boundary.reference import Reference, read_reference
from catalog.boundary.stage import flag_result
from catalog.database.ledger import Run, StageResult, find_run
from catalog.database.statistics import renew_statistics
from catalog.errors import ArtefactError, SampleError
from catalog.features import FeatureReport, stream_features
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["extend_flags", "reference_of"]

_CHUNK = 512

# Tables of the stage that hold a row a star, with what is taken over of each.
_KEEP_STARS = {
    "likeness": (
        'perplexity, source_id, x, y, distance, "like", placed_distance',
        # Stars that took part in the fit keep their places, and are held to what stars in their places reach.
        "perplexity, source_id, x, y, distance, \"like\", CASE WHEN map.mode = 'placed' THEN placed_distance END",
        "JOIN production.likeness_map AS map USING (run_id, perplexity)",
    ),
    "training_distance": ("source_id, nearest, distance, quantile, outside",) * 2 + ("",),
    "boundary": ("release, source_id, flag_boundary, flag_bits",) * 2 + ("",),
}
_KEEP_RULES = {
    "boundary_limit": ("quantity, lower, upper, rule, quantile, n_training",) * 2,
    "companion": ("n_components, quantile, threshold, n_training",) * 2,
    "likeness_map": (
        "perplexity, threshold, quantile, n_training, n_observed, settings, mode, placed_threshold, reference",
        "perplexity, threshold, quantile, n_training, 0, settings, 'placed', placed_threshold, reference",
    ),
}


def reference_of(connection: Connection, base: Run) -> Reference:
    """Return the frozen maps that the stars of `base` stand in.

    Raises
    ------
    SampleError
        The run has no maps.
    ArtefactError
        They were not saved or are gone, damaged, or of another version.
    """
    keys = [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT reference FROM production.likeness_map WHERE run_id = %s", (base.run_id,)
        ).fetchall()
    ]
    full = f"Make a full run: `rvscat run --profile {base.profile.name}`."
    if not keys:
        raise SampleError(f"Run {base.run_id} has no t-SNE maps.", full)
    recorded = connection.execute(
        "SELECT 1 FROM production.likeness_reference WHERE key = ANY (%s)", (keys,)
    ).fetchall()
    if len(recorded) != 1:
        raise ArtefactError(f"The frozen maps of run {base.run_id} are not recorded any more.", full)
    key, folder = find_reference(connection, keys[0])
    return read_reference(folder, load_release(base.profile.release), key)


def extend_flags(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Take over limits, map distances and flags of the run that `run` extends; place and flag the stars added to them.

    Nothing is fitted. All is written in one transaction, replacing what an earlier call wrote.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Has a base, samples and labels.
    settings : Settings
    progress : Progress

    Returns
    -------
    StageResult
        As of `catalog.boundary.stage.flag_boundary`, of all stars; ``placed`` and ``kept_places``.

    Raises
    ------
    SampleError
        The base has no maps.
    ArtefactError
        Its maps are gone, damaged or of another version.
    """
    assert run.base_run_id is not None
    progress(0, 100, "reading the frozen maps")
    base = find_run(connection, run.base_run_id)
    reference = reference_of(connection, base)
    progress(10, 100, "taking over limits, places and flags")
    _keep(connection, run)
    progress(40, 100, "placing new stars")
    notes, n_placed = _place(connection, run, reference, settings)
    limits = _limits(connection, run)
    progress(80, 100, "writing flag_boundary")
    store_flags(connection, run, limits)
    likeness = told_of_maps(connection, run, notes)
    likeness.counts["placed"] = n_placed
    row = connection.execute(
        "SELECT count(*) FROM production.boundary JOIN production.sample_star AS star USING (run_id, source_id) "
        "WHERE run_id = %s AND NOT star.added",
        (run.run_id,),
    ).fetchone()
    assert row is not None
    likeness.counts["kept_places"] = row[0]
    result = flag_result(connection, run, limits, likeness)
    connection.commit()
    progress(100, 100, "flags written")
    return result


def _keep(connection: Connection, run: Run) -> None:
    parameters = {"run_id": run.run_id, "base_run_id": run.base_run_id}
    for table in (*_KEEP_STARS, *_KEEP_RULES):
        connection.execute(f"DELETE FROM production.{table} WHERE run_id = %(run_id)s", parameters)
    for table, (columns, values) in _KEEP_RULES.items():
        connection.execute(
            f"INSERT INTO production.{table} (run_id, {columns}) SELECT %(run_id)s, {values} "
            f"FROM production.{table} WHERE run_id = %(base_run_id)s",
            parameters,
        )
    for table, (columns, values, join) in _KEEP_STARS.items():
        connection.execute(
            f"INSERT INTO production.{table} (run_id, {columns}) SELECT %(run_id)s, {values} "
            f"FROM production.{table} {join} WHERE run_id = %(base_run_id)s ORDER BY source_id",
            parameters,
        )
        renew_statistics(connection, f"production.{table}")


def _place(connection: Connection, run: Run, reference: Reference, settings: Settings) -> tuple[list[str], int]:
    report = FeatureReport()
    blocks = (
        (block.source_id, block.flux)
        for block in stream_features(connection, run, ("observed",), _CHUNK, added=True, report=report)
    )
    n_placed, notes = 0, list[str]()
    if (first := next(blocks, None)) is not None:
        # Sums of products depend on the number of threads in their last digits.
        with threadpool_limits(1):
            components = project(chain([first], blocks), reference.basis)
        scores, source_id = components.scores, components.source_id
        rows = np.full(len(source_id), -1)
        places = find_places(reference, scores, rows, run.profile.likeness.placed_by, settings.workers)
        for frozen in reference.maps:
            store_places(connection, run, places.in_map(frozen), source_id[~places.stranger])
        nearest, found = distances_to_training(reference, scores, rows, settings.workers)
        (quantile,) = connection.execute(
            "SELECT quantile FROM production.companion WHERE run_id = %s", (run.run_id,)
        ).fetchone() or (run.profile.likeness.quantile,)
        store_distances(connection, run, source_id, nearest, found, quantile)
        n_placed = int((~places.stranger).sum())
        notes = stranger_words(source_id[places.stranger])
    count_stars(connection, run)
    renew_statistics(connection, "production.training_distance")
    return report.notes() + notes, n_placed


def _limits(connection: Connection, run: Run) -> TrainingLimits:
    rows = connection.execute(
        "SELECT quantity, lower, upper, rule, quantile, n_training FROM production.boundary_limit WHERE run_id = %s",
        (run.run_id,),
    ).fetchall()
    ranges = {row[0]: (row[1], row[2]) for row in rows}
    if missing := [name for name in QUANTITIES if name not in ranges]:
        raise SampleError(
            f"Run {run.base_run_id} has no limits of {', '.join(missing)}.",
            f"Make a full run: `rvscat run --profile {run.profile.name}`.",
        )
    return TrainingLimits(ranges, *rows[0][3:])

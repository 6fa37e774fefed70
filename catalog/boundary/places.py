"""Ranges of the sky placed in frozen maps, one after the other here, or by the workers of a task runner.

Each range is read, placed and written by the same code with the same blocks, so that both give the same rows.
"""

import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection
from threadpoolctl import threadpool_limits

from catalog.boundary.companion import TrainingDistances
from catalog.boundary.components import project
from catalog.boundary.likeness import LikenessMap
from catalog.boundary.placing import distances_to_training, find_places
from catalog.boundary.records import find_reference, store_distances, store_places
from catalog.boundary.reference import Reference, read_reference
from catalog.database.elsewhere import Assignment, elsewhere
from catalog.database.ledger import Run
from catalog.errors import ConfigurationError
from catalog.features import FeatureReport, Page, stream_features
from catalog.releases import load_release

__all__ = ["PlacedRange", "compute_range", "place_range", "rows_in", "write_range"]

_CHUNK = 512
_SAME_SPECTRUM = 1e-4
"""Largest difference of a component, in units of flux, between two projections of one spectrum."""

# Threads of a worker share the maps.
_reading = threading.Lock()
_kept: dict[str, Reference] = {}


@dataclass(frozen=True)
class PlacedRange:
    """The stars of a range with their places."""

    source_id: np.ndarray
    stranger: np.ndarray
    """Which have no place, shape (n_stars,)."""
    maps: tuple[LikenessMap, ...]
    """Of the stars that have one."""
    nearest: np.ndarray
    """source_id of the most similar training star of each, shape (n_stars,)."""
    distances: TrainingDistances


def compute_range(
    connection: Connection, run: Run, reference: Reference, page: Page, workers: int, report: FeatureReport
) -> PlacedRange | None:
    """Find the places of the stars of a range, and their distances to the training stars of the maps.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    reference : Reference
    page : Page
        The range.
    workers : int
        Threads; the result does not depend on them.
    report : FeatureReport
        Filled.

    Returns
    -------
    PlacedRange or None
        None when no star has a usable spectrum.
    """
    wanted = run.profile.likeness
    blocks = [
        (block.source_id, block.flux)
        for block in stream_features(
            connection, run, ("training", "observed"), _CHUNK, after=page.after, upto=page.upto, report=report
        )
    ]
    if not blocks:
        return None
    # Sums of products depend on the number of threads in their last digits.
    with threadpool_limits(1):
        components = project(blocks, reference.basis)
    scores, source_id = components.scores, components.source_id
    rows = rows_in(reference, run.release, source_id, scores)
    places = find_places(reference, scores, rows, wanted.placed_by, workers)
    maps = tuple(places.in_map(frozen) for frozen in reference.maps)
    nearest, distances = distances_to_training(reference, scores, rows, workers)
    return PlacedRange(source_id, places.stranger, maps, nearest, distances)


def write_range(connection: Connection, run: Run, page: Page, found: PlacedRange | None) -> None:
    """Write the places and distances of a range in place of those that are there; the caller commits."""
    for table in ("likeness", "training_distance"):
        connection.execute(
            f"DELETE FROM production.{table} WHERE run_id = %s AND source_id > %s AND source_id <= %s",
            (run.run_id, page.after, page.upto),
        )
    if found is None:
        return
    placed = found.source_id[~found.stranger]
    for each in found.maps:
        store_places(connection, run, each, placed)
    store_distances(connection, run, found.source_id, found.nearest, found.distances, run.profile.likeness.quantile)


def place_range(after: int, upto: int, n_stars: int, key: str, **assignment: Any) -> dict[str, Any]:
    """Place the stars of a range of identifiers in frozen maps and write them, in one transaction: a part of the stage.

    Parameters
    ----------
    after, upto, n_stars : int
        See `catalog.features.Page`.
    key : str
        Of the reference.
    **assignment
        See `catalog.database.elsewhere.Assignment`.

    Returns
    -------
    dict
        Values of the `catalog.features.FeatureReport`.

    Raises
    ------
    ConfigurationError
        This worker does not see the maps; or see `elsewhere`.
    RvscatError
        The command that waits for the part has ended, or the maps are damaged.
    """
    page, report = Page(after, upto, n_stars), FeatureReport()
    with elsewhere(Assignment(**assignment)) as here:
        reference = _reference(here.connection, here.run, key)
        found = compute_range(here.connection, here.run, reference, page, 1, report)
        here.connection.commit()
        here.begin_writing(f"places {after} to {upto}")
        write_range(here.connection, here.run, page, found)
        here.connection.commit()
    return report.values()


def rows_in(reference: Reference, data_release: str, source_id: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the row of each star in the maps, -1 for one that is new, or whose spectrum is."""
    if data_release != reference.data_release:
        return np.full(len(source_id), -1)
    rows = np.minimum(np.searchsorted(reference.source_id, source_id), len(reference.source_id) - 1)
    there = reference.source_id[rows] == source_id
    same = np.abs(reference.index.points[rows] - scores).max(axis=1) <= _SAME_SPECTRUM
    return np.where(there & same, rows, -1)


def _reference(connection: Connection, run: Run, key: str) -> Reference:
    """Return the maps; a worker keeps the last ones."""
    with _reading:
        if key not in _kept:
            _kept.clear()
            _, folder = find_reference(connection, key)
            if not Path(folder).is_dir():
                raise ConfigurationError(
                    f"The worker on {socket.gethostname()} does not see the frozen maps in {folder}.",
                    "Workers need the data folder (RVSCAT_HOME) under the same path.",
                )
            _kept[key] = read_reference(folder, load_release(run.profile.release), key)
        return _kept[key]

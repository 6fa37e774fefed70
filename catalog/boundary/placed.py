"""Likeness of a run's stars by frozen maps: nothing is fitted, and each range of the sky can be placed by itself."""

from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.boundary.companion import TrainingDistances
from catalog.boundary.likeness import LikenessMap
from catalog.boundary.mapping import Likeness, told_of_maps
from catalog.boundary.places import compute_range, write_range
from catalog.boundary.placing import stranger_words
from catalog.boundary.records import count_stars, delete_other_maps, find_reference, store_companion, store_map
from catalog.boundary.reference import Reference, read_reference
from catalog.database.elsewhere import assign
from catalog.database.ledger import Run, fingerprint
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.errors import SampleError
from catalog.features import FeatureReport, Page, page_of, sky_parts
from catalog.progress import Progress
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.tasks import Part, do_parts, task_runner

__all__ = ["PART_STARS", "place_stars"]

PART_STARS = 16_384
"""Stars that are placed at a time, about: the search goes faster through many."""

_TARGET = "catalog.boundary.places:place_range"
_ROLES = ("training", "observed")
_KNOWN = """
SELECT count(*) FROM production.likeness_map
WHERE run_id = %s AND settings = %s AND mode = 'placed' AND perplexity = ANY (%s)
"""


def place_stars(connection: Connection, run: Run, settings: Settings, progress: Progress) -> Likeness:
    """Place the stars of `run` that are not in the frozen maps of its profile; nothing is fitted.

    Stars of the maps keep their places. A spectrum that resembles none of the maps' stars has no place in them, which
    counts as unlike. Ranges of the sky are placed and committed one by one, or by the workers of a task runner where
    this process has one (see `catalog.tasks`); a stage that was stopped goes on with the ranges that are missing.

    Raises
    ------
    NotFoundError
        There are no such maps.
    ArtefactError
        They are damaged, or made for other spectra.
    SampleError
        The run has no spectra.
    """
    wanted = run.profile.likeness
    assert wanted.reference is not None
    key, folder = find_reference(connection, wanted.reference)
    reference = read_reference(folder, load_release(run.profile.release), key)
    pages = [page_of(*part) for part in sky_parts(connection, run, _ROLES, least=PART_STARS)]
    if not pages:
        raise SampleError("There are no spectra to compare with the training sample.")
    todo = _begin(connection, run, reference, pages)
    report = FeatureReport()
    notes = _place(connection, run, settings, reference, pages, todo, report, progress)
    renew_statistics(connection, "production.training_distance")
    count_stars(connection, run)
    row = connection.execute(load("boundary/placed_summary").statement, {"run_id": run.run_id}).fetchone()
    assert row is not None
    placed, kept, strangers, example, new_training = row
    if not placed + kept + strangers:
        raise SampleError("There are no spectra to compare with the training sample.")
    connection.commit()
    progress(100, 100, "stars placed")
    result = told_of_maps(connection, run, report.notes() + notes)
    result.counts |= {"placed": placed, "kept_places": kept}
    result.notes.extend(stranger_words(np.array([example]), strangers))
    if new_training:
        result.notes.append(
            f"{new_training} training stars of this run are not in the reference maps {key[:16]}: likeness is to the "
            f"{int(reference.training.sum())} training stars of the maps."
        )
    return result


def _begin(connection: Connection, run: Run, reference: Reference, pages: list[Page]) -> list[Page]:
    """Enter the maps of the run, unless an earlier call has; return the pages that are left to place."""
    wanted = run.profile.likeness
    parameters: dict[str, Any] = {"run_id": run.run_id, "release": run.release}
    row = connection.execute(load("boundary/placed_input").statement, parameters).fetchone()
    recorded = dict(reference.settings) | {
        "reference": reference.key,
        "placed_by": wanted.placed_by,
        "quantile": reference.settings["quantile"],
        "placed_quantile": wanted.quantile,
        "placed_input": fingerprint(row),
    }
    perplexities = [each.perplexity for each in reference.maps]
    known = connection.execute(_KNOWN, (run.run_id, Jsonb(recorded), perplexities)).fetchone()
    if known == (len(perplexities),):
        uptos = "{" + ",".join(str(page.upto) for page in pages) + "}"
        rows = connection.execute(load("boundary/unplaced").statement, {**parameters, "uptos": uptos}).fetchall()
        left = {number for number, _ in rows}
        connection.commit()
        return [page for number, page in enumerate(pages) if number in left]
    delete_other_maps(connection, run, [])
    none = np.empty(0, dtype=np.float32)
    nobody = none.astype(np.int64)
    for each in reference.maps:
        empty = LikenessMap(
            each.perplexity, none.reshape(0, 2), none, none > 0, each.threshold, none, each.placed_threshold, None
        )
        store_map(connection, run, empty, nobody, none > 0, recorded, "placed", reference.key)
    distances = TrainingDistances(nobody, none, none, reference.own)
    store_companion(connection, run, nobody, nobody, distances, reference.n_companion, wanted.quantile)
    connection.commit()
    return pages


def _place(
    connection: Connection,
    run: Run,
    settings: Settings,
    reference: Reference,
    pages: list[Page],
    todo: list[Page],
    report: FeatureReport,
    progress: Progress,
) -> list[str]:
    """Place the stars of the pages that are left; return sentences."""
    total = sum(page.n_stars for page in pages)
    done = total - sum(page.n_stars for page in todo)

    def tell() -> None:
        progress(done, total, f"placed {done} of {total} stars in frozen maps")

    tell()
    runner = task_runner(settings)
    if runner is None:
        for page in todo:
            here = FeatureReport()
            found = compute_range(connection, run, reference, page, settings.workers, here)
            write_range(connection, run, page, found)
            connection.commit()
            report.add(here.values())
            done += page.n_stars
            tell()
        return []
    common = {"key": reference.key, **assign(connection, run, "flag", settings).values()}
    connection.commit()
    parts: list[Part] = [{**vars(page), **common} for page in todo]
    reports: dict[int, Any] = {}

    def on_end(number: int, value: Any) -> None:
        nonlocal done
        reports[number] = value
        done += todo[number].n_stars
        tell()

    notes = do_parts(runner, _TARGET, parts, on_end, tell)
    for number in sorted(reports):
        report.add(reports[number])
    return notes

"""The stage that labels the stars of a run (Sects. 4 and 4.2)."""

from contextlib import closing
from typing import Any

import numpy as np
from psycopg import Connection, Cursor

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.ensemble.prediction.labels import ROLES, Labels, first_stars, label_pages
from catalog.ensemble.prediction.loading import Ensemble, load_ensemble
from catalog.ensemble.registry.keys import ensemble_keys, folder_name
from catalog.ensemble.registry.records import known_ensemble
from catalog.ensemble.registry.residuals import calibrations_of
from catalog.errors import ArtefactError, SampleError
from catalog.features import FeatureReport, Page, pages, report_missing
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["PAGE_SIZE", "predict_labels"]

PAGE_SIZE = 4096
"""Stars that are labelled, written and committed at a time."""

# As sql/features/missing.sql calls it.
_OFF_GRID = "an RVS spectrum on another pixel grid"


def predict_labels(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Label the training and the observed sample of `run`.

    Reading, predicting and writing go on at the same time. Every member sees each chunk of stars; labels are written
    page by page. A labelling that was stopped goes on after the last page; one that was complete is done anew.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    settings : Settings
    progress : Progress
        Told the stars done.

    Returns
    -------
    StageResult
        Stars labelled and left out, median dispersions and uncertainties; the runtime, the threads, and the largest
        difference from Keras on the first stars, in scaled label units.

    Raises
    ------
    NotFoundError
        The ensemble has not been trained.
    ArtefactError
        The ensemble is damaged, or spectra are on another pixel grid than its own.
    SampleError
        There is no star to label.
    ConfigurationError
        The runtime that the profile asks for is not installed.
    """
    progress(0, 1, "loading the ensemble")
    key, _ = ensemble_keys(connection, run)
    ensemble_id, path = known_ensemble(connection, key, settings.ensembles / folder_name(key))
    report = FeatureReport()
    report_missing(connection, run, ROLES, report)
    todo = pages(connection, run, ROLES, PAGE_SIZE)
    total = sum(page.n_stars for page in todo)
    if not total:
        raise SampleError(f"Run {run.run_id} has no stars to label.", "Select the samples first: `rvscat sample`.")
    grid = load_release(run.profile.release).rvs
    if n_off := report.rejected[_OFF_GRID]:
        raise ArtefactError(
            f"{n_off} of {total} spectra of release {run.release} are on another pixel grid than {path} was trained "
            f"on, {grid}: for instance that of {report.examples[_OFF_GRID][0]}.",
            "Bring them onto this grid and ingest them again (`rvscat resample`), or train on spectra of their own.",
        )
    # What reads by other connections sees what is committed.
    connection.commit()
    ensemble = load_ensemble(
        path,
        grid,
        settings.workers,
        runtime=run.profile.prediction.runtime,
        probe=first_stars(run, settings, todo[0]),
    )
    calibrated = bool(calibrations_of(path, ensemble.manifest))
    todo, n_resumed = _left_to_do(connection, run, ensemble_id, calibrated, todo)
    before = total - sum(page.n_stars for page in todo)

    def tell(n: int) -> None:
        by = f"{ensemble.n_members} members each, by {ensemble.predictor.runtime.description}"
        progress(before + n, total, f"{before + n} of {total} stars, {by}")

    with closing(label_pages(run, settings, ensemble, todo, report, tell)) as labelled:
        for labels in labelled:
            if labels.source_id.size:
                copy_in(connection, "production.label", _columns(run, ensemble_id, ensemble.n_members, labels))
            connection.commit()
    connection.execute("ANALYZE production.label")
    medians = _named(connection.execute(load("ensemble/label_medians").statement, {"run_id": run.run_id}))
    result = _result(report, ensemble_id, ensemble, settings.workers, total, n_resumed, medians)
    connection.commit()
    progress(total, total, "labels written")
    return result


def _left_to_do(
    connection: Connection, run: Run, ensemble_id: int, calibrated: bool, todo: list[Page]
) -> tuple[list[Page], int]:
    """Remove labels that cannot stay; return the pages to label and how many stars the others hold."""
    parameters = {
        "run_id": run.run_id,
        "ensemble_id": ensemble_id,
        "roles": "{" + ",".join(ROLES) + "}",
        "calibrated": calibrated,
    }
    row = connection.execute(load("ensemble/labelled_so_far").statement, parameters).fetchone()
    assert row is not None
    last, valid = row
    finished = [page for page in todo if page.upto <= last] if valid else []
    if len(finished) == len(todo):
        finished = []
    upto = finished[-1].upto if finished else 0
    connection.execute("DELETE FROM production.label WHERE run_id = %s AND source_id > %s", (run.run_id, upto))
    kept = connection.execute("SELECT count(*) FROM production.label WHERE run_id = %s", (run.run_id,)).fetchone()
    connection.commit()
    assert kept is not None
    return todo[len(finished) :], int(kept[0])


def _columns(run: Run, ensemble_id: int, n_members: int, labels: Labels) -> dict[str, object]:
    n = labels.source_id.size
    columns: dict[str, object] = {
        "run_id": np.full(n, run.run_id),
        "release": [run.release] * n,
        "source_id": labels.source_id,
        "ensemble_id": np.full(n, ensemble_id),
        "n_members": np.full(n, n_members),
    }
    for i, label in enumerate(LABELS):
        columns[label.name] = labels.mean[:, i]
        columns[f"e{label.name}"] = labels.deviation[:, i]
        columns[f"sigma_{label.name}"] = labels.sigma[:, i]
        columns[f"sigma_{label.name}_oof"] = labels.calibrated[:, i]
    return columns


def _named(cursor: Cursor[tuple[Any, ...]]) -> dict[str, Any]:
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return {column.name: value for column, value in zip(cursor.description, row, strict=True)}


def _result(
    report: FeatureReport,
    ensemble_id: int,
    ensemble: Ensemble,
    threads: int,
    total: int,
    n_resumed: int,
    medians: dict[str, Any],
) -> StageResult:
    predictor = ensemble.predictor
    counts: dict[str, Any] = {
        "ensemble_id": ensemble_id,
        "members": ensemble.n_members,
        "labelled": medians["n"],
        "left_out": total - medians["n"],
        "repaired_spectra": report.n_repaired,
        "repaired_pixels": report.n_pixels,
        "runtime": predictor.runtime.name,
        "runtime_version": predictor.runtime.description,
        "threads": threads,
        "max_difference_from_keras": float(f"{predictor.max_difference:.1e}"),
    }
    if medians["n"]:
        for label in LABELS:
            for name in (f"e{label.name}", f"sigma_{label.name}", f"sigma_{label.name}_oof"):
                if medians[name] is not None:
                    counts[f"median/{name}"] = round(medians[name], label.decimals + 1)
    notes = report.notes() + predictor.notes
    if n_resumed:
        notes.append(f"{n_resumed} stars had been labelled before the stage was stopped: it went on after them.")
    return StageResult(counts, notes)

"""The stage that labels the stars of a run (Sects. 4 and 4.2)."""

from typing import Any

import numpy as np
from psycopg import Connection, Cursor

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.ensemble.keys import ensemble_keys, folder_name
from catalog.ensemble.prediction import PREDICTION_BATCH, Ensemble, combine, load_ensemble
from catalog.ensemble.registry import known_ensemble
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma
from catalog.errors import SampleError
from catalog.features import FeatureReport, Page, pages, report_missing, stream_features
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["PAGE_SIZE", "ROLES", "predict_labels"]

ROLES = ("training", "observed")

PAGE_SIZE = 16_384
"""Stars that are labelled, written and committed at a time."""


def predict_labels(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Label the training and the observed sample of `run`.

    Features are streamed; every member sees each chunk of stars; labels are written page by page. A labelling that
    was stopped goes on after the last page; one that was complete is done anew.

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
        Stars labelled and left out, median dispersions and uncertainties.

    Raises
    ------
    NotFoundError
        The ensemble has not been trained.
    ArtefactError
        The ensemble is damaged or does not fit the spectra.
    SampleError
        There is no star to label.
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
    ensemble = load_ensemble(path, load_release(run.profile.release).rvs, settings.workers)
    fits = [DispersionFit.model_validate(ensemble.manifest.uncertainty["fits"][label.name]) for label in LABELS]
    todo, n_resumed = _left_to_do(connection, run, ensemble_id, todo)
    done = total - sum(page.n_stars for page in todo)
    for page in todo:
        rows = _label_page(connection, run, ensemble, fits, page, report, done, total, progress)
        if len(rows["source_id"]):
            copy_in(connection, "production.label", _columns(run, ensemble_id, ensemble.n_members, rows))
        connection.commit()
        done += page.n_stars
    connection.execute("ANALYZE production.label")
    medians = connection.execute(load("ensemble/label_medians").statement, {"run_id": run.run_id})
    result = _result(report, ensemble_id, ensemble.n_members, n_resumed, _named(medians))
    connection.commit()
    progress(total, total, "labels written")
    return result


def _left_to_do(connection: Connection, run: Run, ensemble_id: int, todo: list[Page]) -> tuple[list[Page], int]:
    """Remove labels that cannot stay; return the pages to label and how many stars the others hold."""
    parameters = {"run_id": run.run_id, "ensemble_id": ensemble_id, "roles": "{" + ",".join(ROLES) + "}"}
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


def _label_page(
    connection: Connection,
    run: Run,
    ensemble: Ensemble,
    fits: list[DispersionFit],
    page: Page,
    report: FeatureReport,
    done: int,
    total: int,
    progress: Progress,
) -> dict[str, np.ndarray]:
    source_id, means, deviations, sigmas = [], [], [], []
    n_read = 0
    blocks = stream_features(connection, run, ROLES, PREDICTION_BATCH, after=page.after, upto=page.upto, report=report)
    for block in blocks:
        mean, deviation = combine(ensemble.predict(block))
        sigma = overall_sigma(fits, mean, deviation)
        finite = np.isfinite(mean).all(axis=1)
        report.reject("inputs so far out that a label is not finite", block.source_id[~finite])
        source_id.append(block.source_id[finite])
        means.append(mean[finite])
        deviations.append(deviation[finite])
        sigmas.append(sigma[finite])
        n_read += len(block)
        progress(done + n_read, total, f"{done + n_read} of {total} stars, {ensemble.n_members} members each")
    none = np.empty((0, len(LABELS)))
    return {
        "source_id": np.concatenate([np.empty(0, dtype=np.int64), *source_id]),
        "mean": np.concatenate([none, *means]),
        "deviation": np.concatenate([none, *deviations]),
        "sigma": np.concatenate([none, *sigmas]),
    }


def _columns(run: Run, ensemble_id: int, n_members: int, rows: dict[str, np.ndarray]) -> dict[str, object]:
    n = len(rows["source_id"])
    columns: dict[str, object] = {
        "run_id": np.full(n, run.run_id),
        "release": [run.release] * n,
        "source_id": rows["source_id"],
        "ensemble_id": np.full(n, ensemble_id),
        "n_members": np.full(n, n_members),
    }
    for i, label in enumerate(LABELS):
        columns[label.name] = rows["mean"][:, i]
        columns[f"e{label.name}"] = rows["deviation"][:, i]
        columns[f"sigma_{label.name}"] = rows["sigma"][:, i]
    return columns


def _named(cursor: Cursor[tuple[Any, ...]]) -> dict[str, Any]:
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return {column.name: value for column, value in zip(cursor.description, row, strict=True)}


def _result(
    report: FeatureReport, ensemble_id: int, n_members: int, n_resumed: int, medians: dict[str, Any]
) -> StageResult:
    counts: dict[str, Any] = {
        "ensemble_id": ensemble_id,
        "members": n_members,
        "labelled": medians["n"],
        "left_out": report.n_rejected,
        "repaired_spectra": report.n_repaired,
        "repaired_pixels": report.n_pixels,
    }
    if medians["n"]:
        for label in LABELS:
            for name in (f"e{label.name}", f"sigma_{label.name}"):
                counts[f"median/{name}"] = round(medians[name], label.decimals + 1)
    notes = report.notes()
    if n_resumed:
        notes.append(f"{n_resumed} stars had been labelled before the stage was stopped: it went on after them.")
    return StageResult(counts, notes)

"""The stage that labels the stars of a run (Sects. 4 and 4.2)."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from psycopg import Connection, Cursor

from catalog.database.elsewhere import assign
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.ensemble.prediction.elsewhere import Used, label_elsewhere
from catalog.ensemble.prediction.labels import ROLES, first_stars, label_pages
from catalog.ensemble.prediction.loading import PROBE_STARS, Ensemble, load_ensemble
from catalog.ensemble.prediction.writing import left_to_do, write_labels
from catalog.ensemble.registry.artefact import verify_artefact
from catalog.ensemble.registry.keys import ensemble_keys, folder_name
from catalog.ensemble.registry.records import known_ensemble
from catalog.ensemble.registry.residuals import calibrations_of
from catalog.errors import ArtefactError, SampleError
from catalog.features import FeatureReport, Page, page_of, pages, report_missing, sky_parts
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.tasks import task_runner

__all__ = ["PAGE_SIZE", "label_stars", "predict_labels"]

PAGE_SIZE = 4096
"""Stars that are labelled, written and committed at a time."""

# As sql/features/missing.sql calls it.
_OFF_GRID = "an RVS spectrum on another pixel grid"


def predict_labels(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Label the training and the observed sample of `run`.

    Reading, predicting and writing go on at the same time. Every member sees each chunk of stars; labels are written
    page by page. A labelling that was stopped goes on with the pages that are missing; one that was complete is done
    anew. Where this process has a task runner (see `catalog.tasks`), its workers label ranges of the sky instead: the
    labels are the same.

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
    return label_stars(connection, run, settings, progress, ensemble_id, path)


def label_stars(
    connection: Connection,
    run: Run,
    settings: Settings,
    progress: Progress,
    ensemble_id: int,
    path: Path,
    check: Callable[[Ensemble], None] | None = None,
) -> StageResult:
    """Label stars of `run` by a known ensemble: all of them, or those that have come with a run that has a base.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    settings : Settings
    progress : Progress
    ensemble_id : int
    path : pathlib.Path
        Its folder.
    check : callable, optional
        Given the ensemble once it is loaded, before any label is removed or written; may raise.

    Returns
    -------
    StageResult
    """
    added = run.base_run_id is not None
    report = FeatureReport()
    report_missing(connection, run, ROLES, report, added=added)
    runner = task_runner(settings)
    if runner is None:
        todo = pages(connection, run, ROLES, PAGE_SIZE, added=added)
    else:
        todo = [page_of(*part) for part in sky_parts(connection, run, ROLES, added=added)]
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
    first, ensemble = _beginning(todo), None
    if runner is None or check is not None:
        ensemble = load_ensemble(
            path,
            grid,
            settings.workers,
            runtime=run.profile.prediction.runtime,
            probe=first_stars(run, settings, first),
        )
    if check is not None and ensemble is not None:
        check(ensemble)
    calibrated = bool(calibrations_of(path, verify_artefact(path, grid) if ensemble is None else ensemble.manifest))
    todo, n_resumed = left_to_do(connection, run, ensemble_id, calibrated, todo)
    before = total - sum(page.n_stars for page in todo)

    def tell(n: int, what: str) -> None:
        progress(before + n, total, f"{before + n} of {total} stars, {what}")

    if runner is None:
        assert ensemble is not None
        used = _label_here(connection, run, settings, ensemble_id, ensemble, todo, report, tell)
    else:
        assignment = assign(connection, run, "predict", settings)
        connection.commit()
        used = label_elsewhere(runner, todo, first.upto, ensemble_id, path, assignment, report, tell)
    renew_statistics(connection, "production.label")
    parameters = {"run_id": run.run_id, "added": added}
    medians = _named(connection.execute(load("ensemble/label_medians").statement, parameters))
    result = _result(report, ensemble_id, used, total, n_resumed, medians)
    connection.commit()
    progress(total, total, "labels written")
    return result


def _beginning(todo: list[Page]) -> Page:
    """Return the first pages as one, until they have the stars that a runtime is verified with."""
    n = 0
    for page in todo:
        n += page.n_stars
        if n >= PROBE_STARS:
            break
    return Page(todo[0].after, page.upto, n)


def _label_here(
    connection: Connection,
    run: Run,
    settings: Settings,
    ensemble_id: int,
    ensemble: Ensemble,
    todo: list[Page],
    report: FeatureReport,
    tell: Callable[[int, str], None],
) -> Used:
    def told(n: int) -> None:
        tell(n, f"{ensemble.n_members} members each, by {ensemble.predictor.runtime.description}")

    with closing(label_pages(run, settings, ensemble, todo, report, told)) as labelled:
        for labels in labelled:
            write_labels(connection, run, ensemble_id, ensemble.n_members, labels)
            connection.commit()
    predictor = ensemble.predictor
    return Used(
        ensemble.n_members,
        predictor.runtime.name,
        predictor.runtime.description,
        predictor.max_difference,
        settings.workers,
        predictor.notes,
    )


def _named(cursor: Cursor[tuple[Any, ...]]) -> dict[str, Any]:
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return {column.name: value for column, value in zip(cursor.description, row, strict=True)}


def _result(
    report: FeatureReport,
    ensemble_id: int,
    used: Used,
    total: int,
    n_resumed: int,
    medians: dict[str, Any],
) -> StageResult:
    counts: dict[str, Any] = {
        "ensemble_id": ensemble_id,
        "members": used.n_members,
        "labelled": medians["n"],
        "left_out": total - medians["n"],
        "repaired_spectra": report.n_repaired,
        "repaired_pixels": report.n_pixels,
        "runtime": used.runtime,
        "runtime_version": used.description,
        "threads": used.threads,
        "max_difference_from_keras": float(f"{used.max_difference:.1e}"),
    }
    if medians["n"]:
        for label in LABELS:
            for name in (f"e{label.name}", f"sigma_{label.name}", f"sigma_{label.name}_oof"):
                if medians[name] is not None:
                    counts[f"median/{name}"] = round(medians[name], label.decimals + 1)
    notes = report.notes() + used.notes
    if n_resumed:
        notes.append(f"{n_resumed} stars had been labelled before the stage was stopped: it went on after them.")
    return StageResult(counts, notes)

"""The stage: all comparisons, their rows in the database, and the report folder."""

import shutil
from pathlib import Path

from psycopg import Connection

from catalog.database.ledger import Run, StageResult, fingerprint, stages
from catalog.database.statistics import renew_statistics
from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.settings import Settings
from catalog.validation.checks import Checks, load_checks
from catalog.validation.comparisons import run_comparisons
from catalog.validation.figures import draw_figures
from catalog.validation.figures.data import fetch_figure_data
from catalog.validation.parity import compare_with_paper
from catalog.validation.report import Report, write_report
from catalog.validation.results import Result, find, verdict
from catalog.validation.stars import Stars

__all__ = ["report_folder", "thresholds_changed", "validate_catalogue"]

# Queries join tables that were filled a moment ago: without statistics the planner would loop over them.
_TABLES = (
    "production.sample_star",
    "production.label",
    "production.training_residual",
    "production.boundary",
    "production.likeness",
    "production.training_distance",
    "survey.gaia_source",
    "survey.astrophysical_parameters",
    "survey.apogee_star",
    "survey.galah_star",
    "survey.k2gap_star",
    "survey.cluster_member",
    "survey.starhorse_distance",
    "survey.mock_truth",
    "survey.rvs_cnn_star",
    "production.ingest_file",
)

# Columns of production.validation_result that are attributes of a row.
_COLUMNS = (
    "comparison", "subset", "label", "n", "bias", "dispersion", "robust_dispersion", "status", "message", "query",
)  # fmt: skip

# Shares of the whole that the parts of the stage take.
_COMPARISONS, _FETCH, _FIGURES, _REPORT = 0.35, 0.05, 0.55, 0.05


def report_folder(settings: Settings, run: Run) -> Path:
    """Return the folder of the report of `run`."""
    return settings.reports / f"run-{run.run_id}"


def validate_catalogue(
    connection: Connection, run: Run, settings: Settings, progress: Progress = silent
) -> StageResult:
    """Compare the labels of `run` with everything they can be compared with, and report it.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Its labels must have been predicted; without flags no star counts as inside the limits.
    settings : Settings
        The report goes to ``reports/run-<run_id>/``; ``checks.toml`` in the data folder overrides thresholds.
    progress : Progress

    Returns
    -------
    StageResult
        Number of rows of each status, and the dispersions that matter most. A failed check is a result, not
        an error: publication decides what it means.

    Raises
    ------
    SampleError
        The run has no labels.
    ConfigurationError
        ``checks.toml`` is invalid.
    """
    checks = _checks_of(settings)
    if not connection.execute("SELECT 1 FROM production.label WHERE run_id = %s LIMIT 1", (run.run_id,)).fetchone():
        raise SampleError(f"Run {run.run_id} has no labels to validate.", "Predict them first: `rvscat predict`.")
    renew_statistics(connection, *_TABLES)
    connection.execute("SET LOCAL work_mem = '128MB'")
    results = run_comparisons(connection, run, checks, _part(progress, 0.0, _COMPARISONS))
    progress(_COMPARISONS, 1.0, "columns for figures")
    data = fetch_figure_data(connection, run, checks, results)

    folder = report_folder(settings, run)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    drawings = draw_figures(data, partial, _part(progress, _COMPARISONS + _FETCH, _FIGURES))
    progress(1.0 - _REPORT, 1.0, "report")
    counts = _counts(results, data.stars)
    parity = compare_with_paper(connection, run, checks, results)
    write_report(connection, Report(run, checks, results, drawings, counts, parity), partial)

    _write_results(connection, run, results)
    connection.commit()
    # Readers see the old report or the new one, never half of one.
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    progress(1.0, 1.0, "validated")
    told = {**counts, "report": str(folder / "report.html"), "thresholds": _thresholds(checks)}
    return StageResult(told, _notes(results, folder))


def thresholds_changed(connection: Connection, run: Run, settings: Settings) -> bool:
    """Tell whether `run` was validated under other thresholds than those of now.

    Raises
    ------
    ConfigurationError
        ``checks.toml`` is invalid.
    """
    done = [each for each in stages(connection, run) if each.name == "validate" and each.status == "complete"]
    return any(each.counts.get("thresholds") != _thresholds(_checks_of(settings)) for each in done)


def _checks_of(settings: Settings) -> Checks:
    return load_checks(settings.home / "checks.toml")


def _thresholds(checks: Checks) -> str:
    return fingerprint(checks.model_dump(mode="json"))


def _part(progress: Progress, start: float, share: float) -> Progress:
    def told(done: float, total: float, what: str = "") -> None:
        progress(start + share * done / max(total, 1), 1.0, what)

    return told


def _write_results(connection: Connection, run: Run, results: list[Result]) -> None:
    connection.execute("DELETE FROM production.validation_result WHERE run_id = %s", (run.run_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO production.validation_result (run_id, {', '.join(_COLUMNS)}) "
            f"VALUES (%s{', %s' * len(_COLUMNS)})",
            [(run.run_id, *(getattr(result, name) for name in _COLUMNS)) for result in results],
        )


def _counts(results: list[Result], stars: Stars) -> dict[str, int | float | str]:
    counts: dict[str, int | float | str] = {
        "stars": len(stars),
        "training": int(stars.training.sum()),
        "observed": int((~stars.training).sum()),
        "inside_limits": int(stars.observed.sum()),
    }
    for status, number in verdict(results).counts.items():
        counts[status.replace(" ", "_")] = number
    for comparison in ("apogee", "closure"):
        for subset in ("training", "observed"):
            for label in LABELS:
                row = find(results, comparison, subset, label.name)
                if row is not None and row.dispersion is not None:
                    counts[f"{comparison}_{subset}_{label.name}"] = row.dispersion
    return counts


def _notes(results: list[Result], folder: Path) -> list[str]:
    notes = [f"{verdict(results).headline}.", f"Report: {folder / 'report.html'}"]
    failed = [f"{r.comparison}, {r.subset}, {r.label}: {r.message}" for r in results if r.status == "fail"]
    notes += [f"Failed: {text}" for text in failed[:5]]
    if len(failed) > 5:
        notes.append(f"{len(failed) - 5} further failed checks are in the report.")
    notes += [f"Not run: {r.comparison} ({r.message})" for r in results if r.status == "not run" and r.subset == "all"]
    return notes

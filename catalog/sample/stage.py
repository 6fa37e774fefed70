"""The stage that selects the observed and the training sample (Sect. 2 of the paper).

The cuts themselves are SQL: sql/selection/observed.sql, apogee_match.sql and training.sql. Here their
answers are written down, counted and checked.
"""

from typing import Any

from psycopg import Connection

from catalog.database.extensions import record_files
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.errors import SampleError
from catalog.progress import Progress, silent
from catalog.releases import Release, load_release
from catalog.sample.crossmatch import match_surveys
from catalog.sample.funnel import FunnelStep, write_funnel
from catalog.sample.matches import Match, survey_matches
from catalog.sample.observed import write_observed
from catalog.sample.parameters import cut_parameters
from catalog.settings import Settings

__all__ = ["select_samples"]

_WRITE_TRAINING = """
UPDATE production.sample_star s
SET role = CASE WHEN t.training_cut IS NULL THEN 'training' ELSE 'observed' END, training_cut = t.training_cut
FROM ({training}) t
WHERE s.run_id = %(run_id)s AND s.source_id = t.source_id
"""


def select_samples(
    connection: Connection,
    run: Run,
    settings: Settings,  # noqa: ARG001  (every stage has the same parameters)
    progress: Progress = silent,
) -> StageResult:
    """Give every star with an RVS spectrum its sample, or the first cut that rejects it.

    Fills ``production.sample_star`` and ``production.sample_funnel`` of the run, replacing what an earlier
    call wrote.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    settings : Settings
    progress : Progress

    Returns
    -------
    StageResult
        Counts of spectra, APOGEE matches and duplicates, of the samples, and of each cut.

    Raises
    ------
    SampleError
        No spectra; a survey that shares no star with them; no or too few training stars. In the last case the
        samples stay in the database, so that the funnel can be read.
    """
    release = load_release(run.profile.release)
    parameters = {**cut_parameters(release), "run_id": run.run_id, "release": run.release}
    progress(0, 5, "matching the surveys")
    # The joins hash millions of ids: the server's default of 4 MB sends them through temporary files.
    connection.execute("SET LOCAL work_mem = '128MB'")
    matches = survey_matches(connection, run.release)
    progress(1, 5, "applying the cuts of the observed sample")
    connection.execute("DELETE FROM production.sample_star WHERE run_id = %s", (run.run_id,))
    record_files(connection, run)
    write_observed(connection, parameters)
    # Without statistics on the new rows the planner would join them one by one.
    renew_statistics(connection, "production.sample_star")
    progress(2, 5, "applying the cuts of the training sample")
    connection.execute(_WRITE_TRAINING.format(training=load("selection/training").statement), parameters)
    progress(3, 5, "counting what each cut took out")
    steps = write_funnel(connection, run.run_id, parameters)
    duplicates = connection.execute(load("selection/apogee_duplicates").statement, {"release": run.release}).fetchall()
    crossmatch = match_surveys(connection, run)
    progress(4, 5, "checking the samples")
    result = _result(steps, matches, duplicates)
    result.counts.update(crossmatch.counts)
    result.notes.extend(crossmatch.notes)
    if run.profile.mock is None:
        result.notes.extend(_compare_with_paper(result.counts, release))
    renew_statistics(connection, "production.sample_star")
    # Committed before the last check: whoever reads its message will want to see the funnel.
    connection.commit()
    _check_training(steps, run.profile.training.min_training_stars)
    progress(5, 5, "samples selected")
    return result


def _result(steps: list[FunnelStep], matches: dict[str, Match], duplicates: list[Any]) -> StageResult:
    last = {step.sample: step.n_left for step in steps}
    n_spectra = matches["rvs_spectrum"].n_rows
    apogee = matches["apogee_star"]
    counts: dict[str, Any] = {
        "spectra": n_spectra,
        "training": last["training"],
        "observed": last["observed"] - last["training"],
        "rejected": n_spectra - last["observed"],
        "crossmatched": apogee.n_stars,
        "crossmatched_rows": apogee.n_matched,
        "apogee_duplicates": len(duplicates),
    }
    counts |= {f"{step.sample}/{step.cut}": step.n_removed for step in steps if step.step}
    notes = []
    if duplicates:
        source_id, n_rows, names = duplicates[0]
        notes.append(
            f"{_stars(len(duplicates))} with more than one APOGEE row: the row with the highest SNR is used, "
            f"{apogee.n_matched - apogee.n_stars} are set aside (for instance {source_id}, {n_rows} rows of "
            f"{', '.join(sorted(set(names)))})."
        )
    if missing := n_spectra - matches["astrophysical_parameters"].n_matched:
        notes.append(
            f"{_stars(missing)} without a row in astrophysical_parameters: kept, as no emission-line class is known."
        )
    return StageResult(counts, notes)


def _stars(n: int) -> str:
    return "1 star" if n == 1 else f"{n} stars"


def _compare_with_paper(counts: dict[str, Any], release: Release) -> list[str]:
    expected = release.expected
    return [
        f"{name}: {counts[name]} stars, while {value} are expected for {release.title}."
        for name in ("spectra", "crossmatched", "training", "observed")
        if (value := getattr(expected, name)) is not None and abs(counts[name] - value) > expected.tolerance * value
    ]


def _check_training(steps: list[FunnelStep], minimum: int) -> None:
    n_training = next(step.n_left for step in reversed(steps) if step.sample == "training")
    if n_training >= max(1, minimum):
        return
    hardest = sorted((step for step in steps if step.n_removed), key=lambda step: -step.n_removed)[:3]
    taken = "; ".join(f"{step.cut} took {step.n_removed} and left {step.n_left} ({step.rule})" for step in hardest)
    size = "The training sample is empty" if not n_training else f"The training sample has {_stars(n_training)}"
    raise SampleError(
        f"{size}; at least {max(1, minimum)} are needed to train. The hardest cuts: {taken}.",
        "Ingest more of the surveys, or change the release's cuts or the profile's training.min_training_stars.",
    )

"""The stage that adds new stars to the samples of an earlier run: what was selected then stays as it is."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from catalog.database.extensions import record_files
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.errors import SampleError
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.sample.crossmatch import match_surveys
from catalog.sample.funnel import write_funnel
from catalog.sample.matches import survey_matches
from catalog.sample.observed import write_observed
from catalog.sample.parameters import cut_parameters
from catalog.settings import Settings

__all__ = ["changed_words", "count_changed", "count_new", "extend_samples", "refuse_mixture"]

ARRIVED_LATER = ("arrived later", "was there when the ensemble was trained")
"""Cut of the training sample that takes out whoever passes all others: the ensemble stays as it is."""

_PUBLISHED = ("gaia_source", "apogee")
"""Products of which the catalogue shows values beside the labels: their rows may not change below old labels."""

_KEEP = """
INSERT INTO production.sample_star (run_id, release, source_id, role, cut, training_cut, apogee_file_id, apogee_row)
SELECT %(run_id)s, release, source_id, role, cut, training_cut, apogee_file_id, apogee_row
FROM production.sample_star
WHERE run_id = %(base_run_id)s AND source_id NOT IN ({completed})
ORDER BY source_id
"""

_JUDGE_TRAINING = """
UPDATE production.sample_star s
SET training_cut = COALESCE(t.training_cut, %(arrived_later)s)
FROM ({training}) t
WHERE s.run_id = %(run_id)s AND s.source_id = t.source_id AND s.added
"""

_TOLD = """
SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE added AND role <> 'rejected'),
       count(*) FILTER (WHERE NOT added AND role <> 'rejected'),
       count(*) FILTER (WHERE added AND training_cut = %(arrived_later)s),
       count(*) FILTER (WHERE role = 'training')
FROM production.sample_star
WHERE run_id = %(run_id)s
"""


def count_new(connection: Connection, base: Run) -> tuple[int, int]:
    """Count the spectra that `base` does not know, and the stars that it rejected and that have got rows since."""
    parameters = {"base_run_id": base.run_id, "release": base.release}
    new = connection.execute(load("update/new_spectra").statement, parameters).fetchone()
    completed = connection.execute(
        f"SELECT count(*) FROM ({load('update/completed_stars').statement}) AS star", parameters
    ).fetchone()
    assert new is not None
    assert completed is not None
    return new[0], completed[0]


def count_changed(connection: Connection, base_run_id: int) -> dict[str, tuple[int, int]]:
    """Count the labelled stars of a run whose survey rows were replaced or removed since.

    Returns
    -------
    dict of str to (int, int)
        By product: their number, and the source_id of one of them.
    """
    rows = connection.execute(
        f"SELECT product, count(*), min(source_id) FROM ({load('update/changed_stars').statement}) AS star "
        "GROUP BY product ORDER BY product",
        {"base_run_id": base_run_id},
    ).fetchall()
    return {product: (n, example) for product, n, example in rows}


def refuse_mixture(changed: Mapping[str, tuple[int, int]], run: Run) -> None:
    """Refuse to extend a run when the catalogue would show new values beside labels made from old ones.

    Raises
    ------
    SampleError
        Rows of a product whose values are published have changed.
    """
    if shown := {product: changed[product] for product in _PUBLISHED if product in changed}:
        words = ", ".join(f"{n} of {product}" for product, (n, _) in shown.items())
        raise SampleError(
            f"Rows of stars that are labelled and published were replaced or removed since: {words} (for instance "
            f"source_id {next(iter(shown.values()))[1]}). The catalogue would show them beside labels of the old rows.",
            f"Make a full run: `rvscat run --profile {run.profile.name}`.",
        )


def extend_samples(
    connection: Connection,
    run: Run,
    settings: Settings,  # noqa: ARG001  (every stage has the same parameters)
    progress: Progress = silent,
) -> StageResult:
    """Take over the samples of the run that `run` extends, and judge the stars that have arrived since.

    The cuts are those of `catalog.sample.stage.select_samples`; nobody joins the training sample. A star that was
    rejected and has got rows since is judged anew. Replaces what an earlier call wrote.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Has a base.
    settings : Settings
    progress : Progress

    Returns
    -------
    StageResult
        ``added``, the new stars of the observed sample; ``kept``, those that stay; and what happened to the others.

    Raises
    ------
    SampleError
        Rows that the catalogue shows have changed below labels that stay.
    """
    assert run.base_run_id is not None
    parameters = {
        **cut_parameters(load_release(run.profile.release)),
        "run_id": run.run_id,
        "base_run_id": run.base_run_id,
        "release": run.release,
        "arrived_later": ARRIVED_LATER[0],
    }
    progress(0, 4, "matching the surveys")
    connection.execute("SET LOCAL work_mem = '128MB'")
    survey_matches(connection, run.release)
    changed = count_changed(connection, run.base_run_id)
    refuse_mixture(changed, run)
    for table in ("sample_star", "changed_star"):
        connection.execute(f"DELETE FROM production.{table} WHERE run_id = %(run_id)s", parameters)
    record_files(connection, run)
    progress(1, 4, "taking over the samples")
    connection.execute(_KEEP.format(completed=load("update/completed_stars").statement), parameters)
    connection.execute(
        f"INSERT INTO production.changed_star (run_id, source_id, product) SELECT %(run_id)s, source_id, product "
        f"FROM ({load('update/changed_stars').statement}) AS star",
        parameters,
    )
    # Without statistics on the new rows the planner would join them one by one.
    renew_statistics(connection, "production.sample_star")
    progress(2, 4, "applying the cuts to new stars")
    write_observed(connection, parameters, added=True)
    connection.execute(_JUDGE_TRAINING.format(training=load("selection/training").statement), parameters)
    progress(3, 4, "counting what each cut took out")
    write_funnel(connection, run.run_id, parameters, ARRIVED_LATER)
    crossmatch = match_surveys(connection, run)
    result = _told(connection, run, parameters, changed)
    result.counts.update(crossmatch.counts)
    renew_statistics(connection, "production.sample_star")
    connection.commit()
    progress(4, 4, "new stars selected")
    return result


def changed_words(changed: Mapping[str, tuple[int, int]], profile_name: str) -> list[str]:
    """Return a sentence on each product of which rows below labels were replaced."""
    return [
        f"{n} labelled {'star has' if n == 1 else 'stars have'} another row in {product} since (for instance source_id "
        f"{example}): labels and flag stay those of the old row until a full run is made (`rvscat run --profile "
        f"{profile_name}`)."
        for product, (n, example) in changed.items()
    ]


def _told(
    connection: Connection, run: Run, parameters: Mapping[str, Any], changed: Mapping[str, tuple[int, int]]
) -> StageResult:
    row = connection.execute(_TOLD, parameters).fetchone()
    assert row is not None
    n_judged, n_added, n_kept, n_qualified, n_training = row
    counts: dict[str, Any] = {
        "base_run": run.base_run_id,
        "spectra": n_judged,
        "added": n_added,
        "rejected": n_judged - n_added,
        "kept": n_kept,
        "training": n_training,
        "qualified": n_qualified,
        "changed": sum(n for n, _ in changed.values()),
    }
    notes = [f"{n_kept} stars keep the labels and flags of run {run.base_run_id}."]
    if n_qualified:
        notes.append(
            f"{n_qualified} of the new stars would belong to the training sample: the ensemble learns from them only "
            f"in a full run (`rvscat run --profile {run.profile.name}`)."
        )
    return StageResult(counts, notes + changed_words(changed, run.profile.name))

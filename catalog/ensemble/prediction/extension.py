"""The stage that labels the new stars of a run which extends another: by the very ensemble that labelled the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from psycopg import Connection

from catalog.database.ledger import Run, StageResult, find_run
from catalog.database.statistics import renew_statistics
from catalog.ensemble.prediction.labelling import PAGE_SIZE, label_stars
from catalog.ensemble.prediction.labels import ROLES, first_stars
from catalog.ensemble.prediction.loading import Ensemble, combine
from catalog.ensemble.registry.artefact import verify_artefact
from catalog.ensemble.registry.keys import folder_name
from catalog.ensemble.registry.records import known_ensemble
from catalog.ensemble.runtimes import TOLERANCE
from catalog.errors import ArtefactError, SampleError
from catalog.features import pages
from catalog.metadata import LABELS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["ensemble_of", "extend_labels"]

_COLUMNS = ", ".join(
    [
        "release, source_id, ensemble_id, n_members",
        *(f"{name}, e{name}, sigma_{name}, sigma_{name}_oof" for name in (label.name for label in LABELS)),
    ]
)

# A star that was judged anew has no labels in the base.
_KEEP = f"""
INSERT INTO production.label (run_id, {_COLUMNS})
SELECT %(run_id)s, {_COLUMNS}
FROM production.label AS label
WHERE run_id = %(base_run_id)s
  AND EXISTS (
      SELECT FROM production.sample_star AS star
      WHERE star.run_id = %(run_id)s AND star.source_id = label.source_id AND NOT star.added
  )
ORDER BY source_id
ON CONFLICT (run_id, source_id) DO NOTHING
"""

# Stars with other rows than those that the labels were made from would not agree.
_PROBE = f"""
SELECT source_id, {", ".join(label.name for label in LABELS)}
FROM production.label AS label
WHERE run_id = %(run_id)s AND source_id = ANY (%(source_ids)s)
  AND NOT EXISTS (
      SELECT FROM production.changed_star AS changed
      WHERE changed.run_id = %(run_id)s AND changed.source_id = label.source_id
  )
ORDER BY source_id
"""


def ensemble_of(connection: Connection, base: Run, settings: Settings) -> tuple[int, Path]:
    """Return the ensemble that labelled `base`, and its folder.

    Raises
    ------
    SampleError
        The run has no labels, or those of several ensembles.
    ArtefactError
        The ensemble is gone or damaged, is being trained anew, or was made for another pixel grid.
    """
    rows = connection.execute(
        "SELECT ensemble_id, key, status FROM production.ensemble "
        "WHERE ensemble_id IN (SELECT ensemble_id FROM production.label WHERE run_id = %s)",
        (base.run_id,),
    ).fetchall()
    full = f"Make a full run: `rvscat run --profile {base.profile.name}`."
    if len(rows) != 1:
        raise SampleError(f"Run {base.run_id} has labels of {len(rows)} ensembles; one is needed.", full)
    ensemble_id, key, status = rows[0]
    if status != "complete":
        raise ArtefactError(f"The ensemble {ensemble_id} of run {base.run_id} is being trained anew.", full)
    _, path = known_ensemble(connection, key, settings.ensembles / folder_name(key))
    verify_artefact(path, load_release(base.profile.release).rvs)
    return ensemble_id, path


def extend_labels(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Take over the labels of the run that `run` extends, and label the stars that have come with it.

    The same ensemble and code gave both: some of the labels that stay are computed again first and compared. A
    labelling that was stopped goes on after the last page.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Has a base, and its samples.
    settings : Settings
    progress : Progress

    Returns
    -------
    StageResult
        As of `catalog.ensemble.prediction.labelling.predict_labels`, of the new stars; ``kept`` labels.

    Raises
    ------
    ArtefactError
        The ensemble is not the one that gave the labels that stay.
    """
    assert run.base_run_id is not None
    progress(0, 1, "taking over the labels")
    base = find_run(connection, run.base_run_id)
    ensemble_id, path = ensemble_of(connection, base, settings)
    connection.execute(_KEEP, {"run_id": run.run_id, "base_run_id": base.run_id})
    # Without statistics on the new rows the planner would join them one by one.
    renew_statistics(connection, "production.label")
    connection.commit()

    def check(ensemble: Ensemble) -> None:
        _require_same_labels(connection, run, settings, ensemble)

    result = label_stars(connection, run, settings, progress, ensemble_id, path, check)
    row = connection.execute("SELECT count(*) FROM production.label WHERE run_id = %s", (run.run_id,)).fetchone()
    assert row is not None
    result.counts["kept"] = row[0] - result.counts["labelled"]
    return result


def _require_same_labels(connection: Connection, run: Run, settings: Settings, ensemble: Ensemble) -> None:
    """Compute some labels that stay once more: whatever has changed, weights or code, shows there."""
    assert run.base_run_id is not None
    # All stars of the base, not only those that it has added itself.
    whole = replace(find_run(connection, run.base_run_id), base_run_id=None)
    page = pages(connection, whole, ROLES, PAGE_SIZE)[0]
    connection.commit()
    block = first_stars(whole, settings, page)
    if block is None:
        return
    parameters = {"run_id": run.run_id, "source_ids": block.source_id.tolist()}
    stored = {row[0]: row[1:] for row in connection.execute(_PROBE, parameters).fetchall()}
    rows = np.flatnonzero(np.isin(block.source_id, list(stored)))
    if not len(rows):
        return
    before = np.array([stored[int(source_id)] for source_id in block.source_id[rows]], dtype=np.float64)
    now = combine(ensemble.predict(block))[0][rows].astype(np.float32).astype(np.float64)
    zero, one = ensemble.scalers.labels.inverse_transform(np.array([[0.0], [1.0]]) * np.ones(len(LABELS)))
    unit = np.abs(one - zero)
    worst = float((np.abs(now - before) / np.maximum(unit, np.finfo(np.float32).tiny)).max())
    # Each may differ from Keras by the tolerance, and labels are kept in single precision.
    if not worst <= 4 * TOLERANCE:
        raise ArtefactError(
            f"The ensemble {ensemble.path.name} does not give the labels that run {run.base_run_id} has: those of "
            f"{len(rows)} stars differ by up to {worst:.1e} of the labels' range. It was trained anew, or the code has "
            "changed.",
            f"Make a full run: `rvscat run --profile {run.profile.name}`.",
        )

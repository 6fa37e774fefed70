"""How labels answer to imperfect spectra (Sect. 4.5 and Appendix C), by controlled experiments.

Spectra of the training sample are changed in one way at a time; magnitudes, parallax and XP coefficients stay. Each
star is its own control: what counts is the label of the changed spectrum minus that of the spectrum as observed.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from psycopg import Connection

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.database.queries import fetch_frame, load
from catalog.ensemble.prediction.loading import PREDICTION_BATCH, Ensemble, combine, load_ensemble
from catalog.ensemble.prediction.pipeline import in_order
from catalog.ensemble.studies.controls import ControlStars, read_controls
from catalog.ensemble.studies.experiments import EXPERIMENTS, OBSERVED, Change, changes, degraded, takes_part
from catalog.ensemble.studies.responses import (
    ChangedLabels,
    Response,
    first_beyond,
    level_text,
    notes_on,
    responses_of,
    weakest,
)
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma
from catalog.features import FeatureReport, continuum_pixels
from catalog.metadata import LABELS
from catalog.profiles.model import RobustnessSettings
from catalog.progress import Progress
from catalog.releases import PixelGrid, load_release
from catalog.settings import Settings

__all__ = ["study_robustness"]


class _Item(NamedTuple):
    """One change to some of the stars."""

    change: int
    rows: np.ndarray


def study_robustness(
    connection: Connection, run: Run, ensemble_id: int, folder: Path, settings: Settings, progress: Progress, /
) -> dict[str, Any]:
    """Measure how the labels of an ensemble answer to changes of the spectra.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        Its training sample gives the stars, ``profile.studies.robustness`` the changes.
    ensemble_id : int
    folder : pathlib.Path
        The ensemble's.
    settings : Settings
    progress : Progress
        Told the spectra done.

    Returns
    -------
    dict
        Stars of each class, spectra labelled, and for each experiment and label the first level at which the mean
        change of a class exceeds its overall sigma; ``notes``.

    Raises
    ------
    ArtefactError
        The ensemble is damaged, or made for other spectra.
    """
    wanted = run.profile.studies.robustness
    release = load_release(run.profile.release)
    progress(0, 1, "reading spectra")
    report = FeatureReport()
    stars = read_controls(connection, run, release, wanted.regions, wanted.stars, report)
    # Predicting takes a while: no transaction is left open meanwhile.
    connection.commit()
    if not len(stars):
        connection.execute("DELETE FROM production.response WHERE ensemble_id = %s", (ensemble_id,))
        return {"stars": 0, "notes": ["No training star belongs to a class whose robustness is to be studied."]}
    progress(0, 1, "loading the ensemble")
    probe = stars.block(stars.flux, continuum_pixels(release.rvs))
    runtime = run.profile.prediction.runtime
    ensemble = load_ensemble(folder, release.rvs, settings.workers, runtime=runtime, probe=probe)

    every = changes(wanted)
    labels, part = _predict(ensemble, stars, every, release.rvs, wanted, settings.workers, progress)
    good = np.isfinite(labels.mean[0]).all(axis=1)
    report.reject("a label that is not finite before any change", stars.source_id[~good])
    part &= good
    responses = responses_of(every, stars, labels, part)
    connection.execute("DELETE FROM production.response WHERE ensemble_id = %s", (ensemble_id,))
    columns = {name: np.array([getattr(row, name) for row in responses]) for name in Response._fields}
    texts = {name: columns[name].tolist() for name in ("experiment", "unit", "region", "label")}
    copy_in(
        connection,
        "production.response",
        {"ensemble_id": np.full(len(responses), ensemble_id), **columns, **texts},
    )
    return {
        "stars": int(good.sum()),
        **{f"stars/{name}": int((inside & good).sum()) for name, inside in stars.regions.items()},
        "spectra": int(part.sum()),
        "seed": wanted.seed,
        **{
            f"beyond_sigma/{row.experiment}/{row.label}": f"{level_text(row)} ({row.region})"
            for row in weakest(first_beyond(responses))
        },
        **_truth(connection, run, every, stars, labels, part),
        "notes": notes_on(responses, stars, good) + report.notes() + ensemble.predictor.notes,
    }


def _predict(
    ensemble: Ensemble,
    stars: ControlStars,
    every: list[Change],
    grid: PixelGrid,
    wanted: RobustnessSettings,
    workers: int,
    progress: Progress,
) -> tuple[ChangedLabels, np.ndarray]:
    """Return the labels after each change, shape (n_changes, n, n_labels), and which stars took part in it."""
    part = np.array([takes_part(change, stars, wanted) for change in every])
    total, done = int(part.sum()), 0
    shape = (len(every), len(stars), len(LABELS))
    labels = ChangedLabels(*(np.full(shape, np.nan) for _ in range(3)))
    fits = [DispersionFit.model_validate(ensemble.manifest.uncertainty["fits"][label.name]) for label in LABELS]
    continuum = continuum_pixels(grid)

    def items() -> Iterator[_Item]:
        for i, chosen in enumerate(part):
            rows = np.flatnonzero(chosen)
            for first in range(0, len(rows), PREDICTION_BATCH):
                yield _Item(i, rows[first : first + PREDICTION_BATCH])

    def worker() -> Callable[[_Item], tuple[_Item, ChangedLabels]]:
        predict = ensemble.session()

        def label(item: _Item) -> tuple[_Item, ChangedLabels]:
            some = stars.take(item.rows)
            flux = degraded(every[item.change], some, grid, wanted)
            mean, deviation = combine(predict(some.block(flux, continuum)))
            return item, ChangedLabels(mean, deviation, overall_sigma(fits, mean, deviation))

        return label

    with closing(in_order(items, [worker() for _ in range(workers)])) as results:
        for item, found in results:
            for into, values in zip(labels, found, strict=True):
                into[item.change, item.rows] = values
            done += len(item.rows)
            title = EXPERIMENTS[name].title if (name := every[item.change].experiment) != OBSERVED else "as observed"
            progress(done, total, f"{done} of {total} changed spectra, {ensemble.n_members} members each: {title}")
    return labels, part


def _truth(
    connection: Connection, run: Run, every: list[Change], stars: ControlStars, labels: ChangedLabels, part: np.ndarray
) -> dict[str, float]:
    """On a synthetic sky, return the dispersion of label - truth as observed and at the lowest S/N, same stars."""
    noise = [change.level for change in every if change.experiment == "noise"]
    if run.profile.mock is None or not noise:
        return {}
    lowest = min(noise)
    rows = [i for i, change in enumerate(every) if (change.experiment, change.level) == ("noise", lowest)]
    ids = stars.source_id[part[rows[0]]]
    parameters = {"release": run.release, "source_ids": ids.tolist()}
    truth = fetch_frame(connection, load("ensemble/robustness_truth"), parameters)
    if len(truth) < 2:
        return {}
    place = np.searchsorted(stars.source_id, truth["source_id"].to_numpy(np.int64))
    counts = {}
    for i, label in enumerate(LABELS):
        injected = truth[label.name].to_numpy(np.float64)
        for name, chosen in (("observed", [0]), (f"S/N {lowest:g}", rows)):
            spread = float(np.nanstd(labels.mean[chosen][:, place, i] - injected))
            counts[f"truth/dispersion/{label.name}/{name}"] = round(spread, label.decimals + 1)
    return counts

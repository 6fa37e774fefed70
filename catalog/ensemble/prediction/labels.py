"""Labels of a run's stars, page by page: reading and predicting go on at the same time."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from psycopg import Connection

from catalog.database.connection import connect
from catalog.database.ledger import Run
from catalog.database.roles import PRODUCTION
from catalog.ensemble.calibration import Calibration, calibrated_sigma
from catalog.ensemble.prediction.loading import PREDICTION_BATCH, PROBE_STARS, Ensemble, combine
from catalog.ensemble.prediction.pipeline import in_order
from catalog.ensemble.registry.residuals import calibrations_of
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma
from catalog.features import FeatureBlock, FeatureReport, Page, stream_features
from catalog.metadata import LABELS
from catalog.settings import Settings

__all__ = ["ROLES", "Labels", "first_stars", "label_pages"]

ROLES = ("training", "observed")


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of some stars and their uncertainties, in physical units."""

    source_id: np.ndarray
    mean: np.ndarray
    """Shape (n, n_labels), as the next three."""
    deviation: np.ndarray
    sigma: np.ndarray
    calibrated: np.ndarray
    """Calibrated on out-of-fold residuals; NaN where the ensemble has none."""
    unusable: np.ndarray
    """Stars left out, since a label of theirs is not finite."""

    @classmethod
    def joined(cls, parts: list["Labels"]) -> "Labels":
        """Return the labels of all parts, of which there may be none."""
        none, empty = np.empty(0, dtype=np.int64), np.empty((0, len(LABELS)))
        parts = [cls(none, empty, empty, empty, empty, none), *parts]
        names = ("source_id", "mean", "deviation", "sigma", "calibrated", "unusable")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def label_pages(
    run: Run,
    settings: Settings,
    ensemble: Ensemble,
    todo: list[Page],
    report: FeatureReport,
    tell: Callable[[int], None],
) -> Generator[Labels]:
    """Yield the labels of one page after the other.

    One thread reads, by a connection of its own, ``settings.workers`` predict, and this one is the caller's: while it
    writes a page, they go on with the next.

    Parameters
    ----------
    run : Run
    settings : Settings
    ensemble : Ensemble
    todo : list of Page
        Must be committed, as are the samples.
    report : FeatureReport
        Filled; complete when the last page has been taken.
    tell : callable
        Told the stars done.

    Yields
    ------
    Labels
        Of the stars of a page that have usable features.
    """
    fits = [DispersionFit.model_validate(ensemble.manifest.uncertainty["fits"][label.name]) for label in LABELS]
    calibrations = calibrations_of(ensemble.path, ensemble.manifest)
    workers = [_labeller(ensemble, fits, calibrations) for _ in range(settings.workers)]
    left_out: list[np.ndarray] = []
    finished = 0
    with closing(in_order(lambda: _read(run, settings, todo, report), workers)) as results:
        for page in todo:
            done: list[Labels] = []
            n = finished
            # The reader puts None behind each page.
            for labels in iter(results.__next__, None):
                done.append(labels)
                n += labels.source_id.size + labels.unusable.size
                tell(n)
            joined = Labels.joined(done)
            left_out.append(joined.unusable)
            finished += page.n_stars
            yield joined
    report.reject("inputs so far out that a label is not finite", np.concatenate(left_out))


def first_stars(run: Run, settings: Settings, page: Page) -> FeatureBlock | None:
    """Return the features of some stars of a page, or None when no star of it has usable ones."""
    with connect(settings, role=PRODUCTION.name) as connection:
        with closing(_features(connection, run, page, PROBE_STARS, FeatureReport())) as blocks:
            first = next(blocks, None)
        # Reading was broken off.
        connection.rollback()
    return first


def _labeller(
    ensemble: Ensemble, fits: list[DispersionFit], calibrations: list[Calibration]
) -> Callable[[FeatureBlock | None], Labels | None]:
    """Return what one thread does with each chunk of stars; the end of a page is passed on."""
    predict = ensemble.session()

    def label(block: FeatureBlock | None) -> Labels | None:
        if block is None:
            return None
        mean, deviation = combine(predict(block))
        finite = np.isfinite(mean).all(axis=1)
        mean, deviation, ids = mean[finite], deviation[finite], block.source_id
        calibrated = calibrated_sigma(calibrations, mean, deviation)
        return Labels(ids[finite], mean, deviation, overall_sigma(fits, mean, deviation), calibrated, ids[~finite])

    return label


def _read(run: Run, settings: Settings, todo: list[Page], report: FeatureReport) -> Iterator[FeatureBlock | None]:
    """Yield the features of each page, and None at its end."""
    with connect(settings, role=PRODUCTION.name) as connection:
        for page in todo:
            with closing(_features(connection, run, page, PREDICTION_BATCH, report)) as blocks:
                yield from blocks
            yield None


def _features(
    connection: Connection, run: Run, page: Page, chunk: int, report: FeatureReport
) -> Generator[FeatureBlock]:
    added = run.base_run_id is not None
    yield from stream_features(
        connection, run, ROLES, chunk, after=page.after, upto=page.upto, added=added, report=report
    )

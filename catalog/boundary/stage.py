"""The stage that says where the labels of a run can be trusted (Sects. 2.6, 5.1 and 5.2 of the paper)."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.boundary.components import Components, principal_components
from catalog.boundary.likeness import LikenessMap, check_sample_size, likeness_maps, map_settings
from catalog.boundary.limits import QUANTITIES, TrainingLimits, store_limits, training_limits
from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, StageResult
from catalog.database.queries import load
from catalog.errors import SampleError
from catalog.features import stream_features
from catalog.metadata import FLAG_DIGITS
from catalog.progress import Progress, silent
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["flag_boundary"]

# Shares of the stage's time, in per cent, at which its parts end.
_READ, _MAPPED = 10.0, 95.0
_CHUNK = 512

_WRITE_FLAGS = """
INSERT INTO production.boundary (run_id, release, source_id, flag_boundary, flag_bits)
SELECT %(run_id)s, release, source_id, flag_boundary, flag_bits FROM ({flags}) AS flag
"""
_KNOWN_MAPS = """
SELECT perplexity FROM production.likeness_map AS map
WHERE run_id = %s AND settings = %s AND perplexity = ANY (%s)
  AND (SELECT count(*) FROM production.likeness AS star
       WHERE star.run_id = map.run_id AND star.perplexity = map.perplexity) = %s
"""
_WRITE_MAP = """
INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, kl, n_training, n_observed, settings)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


def flag_boundary(connection: Connection, run: Run, settings: Settings, progress: Progress = silent) -> StageResult:
    """Compute limits, map distances and the eight digits of ``flag_boundary`` for every labelled star of `run`.

    Fills ``production.ensemble.limits``, ``production.likeness_map``, ``production.likeness`` and
    ``production.boundary``, replacing what an earlier call wrote. Each map is committed as it is finished: a
    stage that was stopped goes on with the maps that are missing, provided that spectra and settings are the same.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
        With rows in ``production.label``.
    settings : Settings
        ``workers`` maps are computed at once; the result does not depend on their number.
    progress : Progress

    Returns
    -------
    StageResult
        Counts of observed stars inside and training-like, of each digit, thresholds and limits.

    Raises
    ------
    SampleError
        The run has no labels or no training stars, or the sample is too small for the maps.
    """
    ensemble_id, training_run, training_release = _ensemble(connection, run)
    limits = training_limits(
        connection, training_run, training_release, run.profile.limits, load_release(run.profile.release)
    )
    store_limits(connection, ensemble_id, limits)
    connection.commit()
    thresholds = _likeness(connection, run, settings, progress)
    progress(_MAPPED, 100, "writing flag_boundary")
    connection.execute("DELETE FROM production.boundary WHERE run_id = %s", (run.run_id,))
    flags = load("boundary/flags").statement
    connection.execute(_WRITE_FLAGS.format(flags=flags), {"run_id": run.run_id})
    connection.execute("ANALYZE production.boundary")
    result = _result(connection, run, limits, thresholds)
    connection.commit()
    progress(100, 100, "flags written")
    return result


def _ensemble(connection: Connection, run: Run) -> tuple[int, int, str]:
    """Return the ensemble that made the run's labels, and the run and survey rows that it was trained on."""
    rows = connection.execute(
        "SELECT ensemble_id, run_id, release FROM production.ensemble "
        "WHERE ensemble_id IN (SELECT ensemble_id FROM production.label WHERE run_id = %s)",
        (run.run_id,),
    ).fetchall()
    if not rows:
        raise SampleError(f"Run {run.run_id} has no labels to flag.", "Predict them first: `rvscat predict`.")
    if len(rows) > 1:
        raise SampleError(
            f"The labels of run {run.run_id} come from {len(rows)} ensembles, so there is no one training sample.",
            "Predict them again: `rvscat predict`.",
        )
    return rows[0]


def _likeness(connection: Connection, run: Run, settings: Settings, progress: Progress) -> dict[int, float]:
    """Bring the maps of `run` up to date and return the threshold of each."""
    wanted = run.profile.likeness
    roles: dict[str, int] = dict(
        connection.execute(
            "SELECT role, count(*) FROM production.sample_star WHERE run_id = %s AND role <> 'rejected' GROUP BY role",
            (run.run_id,),
        ).fetchall()
    )
    # Refuse a hopeless sample before reading its spectra; some stars may still lack an input.
    n_stars, n_training = sum(roles.values()), roles.get("training", 0)
    check_sample_size(n_stars, n_training, wanted.perplexities)
    components = _components(connection, run, wanted.n_components, n_stars, progress)
    training = np.isin(components.source_id, _training_ids(connection, run))
    recorded = map_settings(wanted, len(components.scores), components.explained)
    recorded["input_sha256"] = _digest(components, training)
    known = _known_maps(connection, run, recorded, len(components.scores))
    _delete_other_maps(connection, run, known)
    connection.commit()

    def report(done: float, total: float, what: str = "") -> None:
        progress(_READ + (_MAPPED - _READ) * done / total, 100, what)

    missing = tuple(p for p in wanted.perplexities if p not in known)
    for each in likeness_maps(components.scores, training, wanted, missing, settings.workers, report):
        _store_map(connection, run, each, components.source_id, training, recorded)
        connection.commit()
    connection.execute("ANALYZE production.likeness")
    rows = connection.execute(
        "SELECT perplexity, threshold FROM production.likeness_map WHERE run_id = %s ORDER BY perplexity", (run.run_id,)
    ).fetchall()
    return dict(rows)


def _components(connection: Connection, run: Run, n_components: int, n_stars: int, progress: Progress) -> Components:
    done = 0

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal done
        for block in stream_features(connection, run, ("training", "observed"), _CHUNK):
            yield block.source_id, block.flux
            done += len(block)
            # Two passes: covariance, then projection.
            progress(_READ * min(1.0, done / (2 * n_stars)), 100, "principal components of the spectra")

    return principal_components(blocks, n_components)


def _training_ids(connection: Connection, run: Run) -> np.ndarray:
    rows = connection.execute(
        "SELECT source_id FROM production.sample_star WHERE run_id = %s AND role = 'training'", (run.run_id,)
    ).fetchall()
    return np.array([row[0] for row in rows], dtype=np.int64)


def _digest(components: Components, training: np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in (components.source_id, components.scores, training):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _known_maps(connection: Connection, run: Run, settings: dict[str, Any], n_stars: int) -> list[int]:
    """Return the perplexities whose maps are there, made from the same spectra with the same settings."""
    rows = connection.execute(
        _KNOWN_MAPS,
        (run.run_id, Jsonb(settings), list(run.profile.likeness.perplexities), n_stars),
    ).fetchall()
    return [row[0] for row in rows]


def _delete_other_maps(connection: Connection, run: Run, known: list[int]) -> None:
    for table in ("likeness", "likeness_map"):
        connection.execute(
            f"DELETE FROM production.{table} WHERE run_id = %s AND NOT perplexity = ANY (%s::smallint[])",
            (run.run_id, known),
        )


def _store_map(
    connection: Connection,
    run: Run,
    each: LikenessMap,
    source_id: np.ndarray,
    training: np.ndarray,
    settings: dict[str, Any],
) -> None:
    n = len(source_id)
    connection.execute(
        _WRITE_MAP,
        (
            run.run_id,
            each.perplexity,
            each.threshold,
            run.profile.likeness.quantile,
            each.kl,
            int(training.sum()),
            int((~training).sum()),
            Jsonb(settings),
        ),
    )
    copy_in(
        connection,
        "production.likeness",
        {
            "run_id": np.full(n, run.run_id),
            "perplexity": np.full(n, each.perplexity),
            "source_id": source_id,
            "x": each.positions[:, 0],
            "y": each.positions[:, 1],
            "distance": each.distance,
            "like": each.like,
        },
    )


def _result(connection: Connection, run: Run, limits: TrainingLimits, thresholds: dict[int, float]) -> StageResult:
    rows = connection.execute(load("boundary/summary").statement, {"run_id": run.run_id}).fetchall()
    observed = {bits: n for role, bits, n in rows if role == "observed"}
    n_observed, tsne = sum(observed.values()), FLAG_DIGITS[-1].bit
    unlike = sum(n for bits, n in observed.items() if bits & tsne)
    counts: dict[str, Any] = {
        "stars": sum(row[2] for row in rows),
        "inside": observed.get(0, 0),
        "training_like": n_observed - unlike,
        "training_unlike": unlike,
        "observed": n_observed,
        "training": sum(n for role, _, n in rows if role == "training"),
        "training_inside": sum(n for role, bits, n in rows if role == "training" and bits == 0),
    }
    counts |= {f"outside_{digit.name}": sum(n for _, bits, n in rows if bits & digit.bit) for digit in FLAG_DIGITS[:-1]}
    counts |= {f"threshold_{perplexity}": threshold for perplexity, threshold in thresholds.items()}
    counts |= {f"limits_{name}": "{:.6g} to {:.6g}".format(*limits.ranges[name]) for name in QUANTITIES}
    return StageResult(counts)

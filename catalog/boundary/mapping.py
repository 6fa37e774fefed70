"""Likeness of a run's stars by maps that are fitted to all of them; they are saved for later spectra."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.boundary.companion import nearest_training, signal_components
from catalog.boundary.components import Components, principal_components
from catalog.boundary.likeness import likeness_maps, map_settings, n_neighbours, usable_perplexities
from catalog.boundary.neighbours import build_index
from catalog.boundary.records import (
    delete_other_maps,
    known_maps,
    store_companion,
    store_map,
    store_reference,
    stored_maps,
)
from catalog.boundary.reference import FrozenMap, Reference, write_reference
from catalog.database.copy_out import stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.features import FeatureReport, stream_features
from catalog.progress import Progress
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["Likeness", "fit_maps", "told_of_maps"]

# Shares of the work, in per cent, at which its parts end.
_READ, _SEARCHED = 10.0, 20.0
_CHUNK = 512


@dataclass
class Likeness:
    """What the stage tells of the maps."""

    counts: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def fit_maps(connection: Connection, run: Run, settings: Settings, progress: Progress) -> Likeness:
    """Bring the joint maps of `run` up to date, and save them for later spectra.

    Each map is committed as it is finished; maps that are there, made from the same spectra with the same settings, are
    kept.

    Raises
    ------
    SampleError
        The sample is too small for any map.
    """
    wanted = run.profile.likeness
    n_stars, n_training = _sample(connection, run)
    # Refuse a hopeless sample before reading its spectra; some stars may still lack an input.
    usable_perplexities(n_stars, n_training, wanted.perplexities)
    # Two passes, covariance and projection: the last one's report counts.
    reports: list[FeatureReport] = []
    done = 0

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal done
        reports.append(FeatureReport())
        for block in stream_features(connection, run, ("training", "observed"), _CHUNK, report=reports[-1]):
            yield block.source_id, block.flux
            done += len(block)
            progress(_READ * min(1.0, done / (2 * n_stars)), 100, "principal components of the spectra")

    components = principal_components(blocks, wanted.n_components)
    scores, source_id = components.scores, components.source_id
    training = np.isin(source_id, _training_ids(connection, run))
    perplexities = usable_perplexities(len(scores), int(training.sum()), wanted.perplexities)
    index = build_index(scores, n_neighbours(perplexities), wanted.seed)
    n_companion = _companion_components(connection, run, components)
    recorded = map_settings(wanted, len(scores), components.basis.explained, index.words)
    recorded |= {"input_sha256": _digest(source_id, scores, training), "companion_components": n_companion}
    known = known_maps(connection, run, recorded, "joint", perplexities, len(scores))
    delete_other_maps(connection, run, known)
    own = _store_joint_companion(connection, run, components, training, n_companion, settings)
    connection.commit()

    def searching(done: float, total: float, what: str = "") -> None:
        progress(_READ + (_SEARCHED - _READ) * done / total, 100, what)

    def mapping(done: float, total: float, what: str = "") -> None:
        progress(_SEARCHED + (100 - _SEARCHED) * done / total, 100, what)

    missing = tuple(p for p in perplexities if p not in known)
    neighbours = index.search(n_neighbours(perplexities) if missing else 1, None, settings.workers, searching)
    for each in likeness_maps(scores, training, neighbours, wanted, missing, settings.workers, mapping):
        store_map(connection, run, each, source_id, training, recorded, "joint")
        connection.commit()
    frozen = tuple(FrozenMap(*row[:1], row[3], *row[1:3]) for row in stored_maps(connection, run))
    reference = Reference(
        release=run.profile.release,
        data_release=run.release,
        basis=components.basis,
        index=index,
        source_id=source_id,
        training=training,
        n_companion=n_companion,
        own=own,
        farthest=float(neighbours.distances[:, 0].max()),
        maps=frozen,
        settings=recorded,
    )
    _save(connection, run, reference, settings)
    result = told_of_maps(connection, run, reports[-1].notes())
    if perplexities != tuple(sorted(set(wanted.perplexities))):
        result.notes.insert(
            0,
            f"A sample of {len(scores)} stars is too small for perplexities above {max(perplexities)}: maps of "
            f"{', '.join(map(str, perplexities))} were made instead of {', '.join(map(str, wanted.perplexities))}.",
        )
    return result


def _sample(connection: Connection, run: Run) -> tuple[int, int]:
    """Return the stars of the run's samples, and how many of them are training stars."""
    roles: dict[str, int] = dict(
        connection.execute(
            "SELECT role, count(*) FROM production.sample_star WHERE run_id = %s AND role <> 'rejected' GROUP BY role",
            (run.run_id,),
        ).fetchall()
    )
    return sum(roles.values()), roles.get("training", 0)


def _training_ids(connection: Connection, run: Run) -> np.ndarray:
    rows = connection.execute(
        "SELECT source_id FROM production.sample_star WHERE run_id = %s AND role = 'training'", (run.run_id,)
    ).fetchall()
    return np.array([row[0] for row in rows], dtype=np.int64)


def _digest(*parts: np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _companion_components(connection: Connection, run: Run, components: Components) -> int:
    wanted = run.profile.likeness.companion_components
    if wanted is not None:
        return min(wanted, components.scores.shape[1])
    snr = np.full(len(components.source_id), np.nan, dtype=np.float32)
    parameters = {"run_id": run.run_id, "release": run.release}
    fields = {"source_id": ("int8", None), "snr": ("float4", None)}
    for block in stream_arrays(connection, load("boundary/snr").statement, parameters, fields, 65_536):
        rows = np.minimum(np.searchsorted(components.source_id, block["source_id"]), len(snr) - 1)
        there = components.source_id[rows] == block["source_id"]
        snr[rows[there]] = block["snr"][there]
    return signal_components(components.scores, snr)


def _store_joint_companion(
    connection: Connection,
    run: Run,
    components: Components,
    training: np.ndarray,
    n_components: int,
    settings: Settings,
) -> np.ndarray:
    scores = components.scores[:, :n_components]
    own_row = np.where(training, np.cumsum(training) - 1, -1)
    found = nearest_training(scores, scores[training], own_row, None, settings.workers)
    nearest = components.source_id[training][found.nearest]
    store_companion(connection, run, components.source_id, nearest, found, n_components, run.profile.likeness.quantile)
    return found.own


def _save(connection: Connection, run: Run, reference: Reference, settings: Settings) -> None:
    folder, key = write_reference(settings.home / "likeness", reference, load_release(run.profile.release))
    for old in store_reference(connection, run, reference, folder, key):
        shutil.rmtree(old, ignore_errors=True)
    connection.commit()


def told_of_maps(connection: Connection, run: Run, notes: list[str]) -> Likeness:
    """Return what is told of the maps of `run`."""
    renew_statistics(connection, "production.likeness")
    rows = connection.execute(
        "SELECT perplexity, threshold, reference FROM production.likeness_map WHERE run_id = %s ORDER BY perplexity",
        (run.run_id,),
    ).fetchall()
    counts: dict[str, Any] = {f"threshold_{perplexity}": threshold for perplexity, threshold, _ in rows}
    (companion,) = connection.execute(
        "SELECT n_components FROM production.companion WHERE run_id = %s", (run.run_id,)
    ).fetchall()
    counts |= {"maps": len(rows), "reference": rows[0][2], "companion_components": companion[0]}
    return Likeness(counts, notes)

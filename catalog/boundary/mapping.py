"""Likeness of a run's stars: maps fitted to all of them, or frozen maps that new ones are placed in."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psycopg import Connection

from catalog.boundary.companion import nearest_training, signal_components
from catalog.boundary.components import Components, principal_components, project
from catalog.boundary.likeness import LikenessMap, likeness_maps, map_settings, n_neighbours, usable_perplexities
from catalog.boundary.neighbours import build_index
from catalog.boundary.placement import nearest_distance, place, training_distances
from catalog.boundary.records import (
    delete_other_maps,
    find_reference,
    known_maps,
    store_companion,
    store_map,
    store_reference,
    stored_maps,
)
from catalog.boundary.reference import FrozenMap, Reference, read_reference, write_reference
from catalog.database.copy_out import stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.features import FeatureReport, stream_features
from catalog.progress import Progress
from catalog.releases import load_release
from catalog.settings import Settings

__all__ = ["Likeness", "fit_maps", "place_stars"]

# Shares of the work, in per cent, at which its parts end.
_READ, _SEARCHED = 10.0, 20.0
_CHUNK = 512
_SAME_SPECTRUM = 1e-4
"""Largest difference of a component, in units of flux, between two projections of one spectrum."""


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
    result = _told(connection, run, reports[-1].notes())
    if perplexities != tuple(sorted(set(wanted.perplexities))):
        result.notes.insert(
            0,
            f"A sample of {len(scores)} stars is too small for perplexities above {max(perplexities)}: maps of "
            f"{', '.join(map(str, perplexities))} were made instead of {', '.join(map(str, wanted.perplexities))}.",
        )
    return result


def place_stars(connection: Connection, run: Run, settings: Settings, progress: Progress) -> Likeness:
    """Place the stars of `run` that are not in the frozen maps of its profile; nothing is fitted.

    Stars of the maps keep their places. A spectrum that resembles none of the maps' stars has no place in them, which
    counts as unlike.

    Raises
    ------
    NotFoundError
        There are no such maps.
    ArtefactError
        They are damaged, or made for other spectra.
    SampleError
        The run has no spectra.
    """
    wanted = run.profile.likeness
    assert wanted.reference is not None
    key, folder = find_reference(connection, wanted.reference)
    reference = read_reference(folder, load_release(run.profile.release), key)
    report = FeatureReport()
    stream = stream_features(connection, run, ("training", "observed"), _CHUNK, report=report)
    components = project(((block.source_id, block.flux) for block in stream), reference.basis)
    scores, source_id = components.scores, components.source_id
    training = np.isin(source_id, _training_ids(connection, run))
    rows = _rows_in(reference, run.release, source_id, scores)
    new = rows < 0
    progress(_READ, 100, f"placing {int(new.sum())} stars")
    found = reference.index.search(min(wanted.placed_by, len(reference.source_id)), scores[new], settings.workers)
    stranger = np.zeros(len(scores), dtype=bool)
    stranger[new] = found.distances[:, 0] > reference.farthest
    placed = ~stranger
    recorded = dict(reference.settings) | {
        "reference": key,
        "placed_by": wanted.placed_by,
        "quantile": reference.settings["quantile"],
        "placed_sha256": _digest(source_id, scores, training),
    }
    perplexities = tuple(each.perplexity for each in reference.maps)
    known = known_maps(connection, run, recorded, "placed", perplexities, int(placed.sum()))
    delete_other_maps(connection, run, known)
    for frozen in reference.maps:
        if frozen.perplexity not in known:
            each = _placed_map(frozen, reference.training, rows, found.indices)
            store_map(
                connection, run, _some(each, placed), source_id[placed], training[placed], recorded, "placed", key
            )
    training_rows = np.flatnonzero(reference.training)
    own_row = np.where(new | ~np.isin(rows, training_rows), -1, np.searchsorted(training_rows, np.maximum(rows, 0)))
    companion = nearest_training(
        scores[:, : reference.n_companion],
        reference.index.points[training_rows][:, : reference.n_companion],
        own_row,
        reference.own,
        settings.workers,
    )
    nearest = reference.source_id[training_rows][companion.nearest]
    store_companion(connection, run, source_id, nearest, companion, reference.n_companion, wanted.quantile)
    connection.commit()
    progress(100, 100, "stars placed")
    result = _told(connection, run, report.notes())
    result.counts |= {"placed": int((new & placed).sum()), "kept_places": int((~new).sum())}
    if stranger.any():
        result.notes.append(
            f"{int(stranger.sum())} spectra are farther from all stars of the maps than any of these from its nearest "
            f"neighbour (for instance source_id {source_id[stranger][0]}): they have no place and count as unlike."
        )
    strangers = int((training & new).sum())
    if strangers:
        result.notes.append(
            f"{strangers} training stars of this run are not in the reference maps {key[:16]}: likeness is to the "
            f"{int(reference.training.sum())} training stars of the maps."
        )
    return result


def _placed_map(frozen: FrozenMap, training: np.ndarray, rows: np.ndarray, neighbours: np.ndarray) -> LikenessMap:
    new = rows < 0
    positions = np.empty((len(rows), 2), dtype=np.float32)
    positions[~new], positions[new] = frozen.positions[rows[~new]], place(frozen.positions, neighbours)
    distance = np.empty(len(rows), dtype=np.float32)
    distance[~new] = training_distances(frozen.positions, training)[rows[~new]]
    distance[new] = nearest_distance(frozen.positions[training], positions[new])
    like = distance <= np.where(new, np.float32(frozen.placed_threshold), np.float32(frozen.threshold))
    return LikenessMap(
        frozen.perplexity,
        positions,
        distance,
        like,
        frozen.threshold,
        np.where(new, distance, np.float32(np.nan)),
        frozen.placed_threshold,
        None,
    )


def _some(each: LikenessMap, mask: np.ndarray) -> LikenessMap:
    return LikenessMap(
        each.perplexity,
        each.positions[mask],
        each.distance[mask],
        each.like[mask],
        each.threshold,
        each.placed_distance[mask],
        each.placed_threshold,
        each.kl,
    )


def _rows_in(reference: Reference, data_release: str, source_id: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the row of each star in the maps, -1 for one that is new, or whose spectrum is."""
    if data_release != reference.data_release:
        return np.full(len(source_id), -1)
    rows = np.minimum(np.searchsorted(reference.source_id, source_id), len(reference.source_id) - 1)
    there = reference.source_id[rows] == source_id
    same = np.abs(reference.index.points[rows] - scores).max(axis=1) <= _SAME_SPECTRUM
    return np.where(there & same, rows, -1)


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


def _told(connection: Connection, run: Run, notes: list[str]) -> Likeness:
    connection.execute("ANALYZE production.likeness")
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

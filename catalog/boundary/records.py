"""Rows of likeness, companion and flags: what the stage writes and reads back."""

from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.boundary.companion import TrainingDistances
from catalog.boundary.flag import boundary_digits, flag_bits, flag_text
from catalog.boundary.likeness import LikenessMap
from catalog.boundary.limits import QUANTITIES, TrainingLimits
from catalog.boundary.reference import Reference
from catalog.database.copy_in import copy_in
from catalog.database.copy_out import Field, stream_arrays
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.database.statistics import renew_statistics
from catalog.errors import NotFoundError
from catalog.features import pages

__all__ = [
    "count_stars",
    "delete_other_maps",
    "find_reference",
    "known_maps",
    "store_companion",
    "store_distances",
    "store_flags",
    "store_map",
    "store_places",
    "store_reference",
    "stored_maps",
]

_KNOWN_MAPS = """
SELECT perplexity FROM production.likeness_map AS map
WHERE run_id = %s AND settings = %s AND mode = %s AND perplexity = ANY (%s)
  AND (SELECT count(*) FROM production.likeness AS star
       WHERE star.run_id = map.run_id AND star.perplexity = map.perplexity) = %s
"""
_WRITE_MAP = """
INSERT INTO production.likeness_map
    (run_id, perplexity, threshold, quantile, kl, n_training, n_observed, settings, mode, placed_threshold, reference)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_COUNT_STARS = """
UPDATE production.likeness_map AS map
SET n_training = found.n_training, n_observed = found.n_observed
FROM (
    SELECT star.perplexity, count(*) FILTER (WHERE sample.role = 'training') AS n_training,
           count(*) FILTER (WHERE sample.role <> 'training') AS n_observed
    FROM production.likeness AS star
    JOIN production.sample_star AS sample USING (run_id, source_id)
    WHERE star.run_id = %(run_id)s
    GROUP BY star.perplexity
) AS found
WHERE map.run_id = %(run_id)s AND map.perplexity = found.perplexity
"""
_CHUNK = 65_536
_FLAGGED = 1_000_000
"""Stars that are flagged at a time."""


def known_maps(
    connection: Connection, run: Run, settings: dict[str, Any], mode: str, perplexities: tuple[int, ...], n_stars: int
) -> list[int]:
    """Return the perplexities whose maps are there, made from the same spectra with the same settings."""
    rows = connection.execute(_KNOWN_MAPS, (run.run_id, Jsonb(settings), mode, list(perplexities), n_stars)).fetchall()
    return [row[0] for row in rows]


def delete_other_maps(connection: Connection, run: Run, known: list[int]) -> None:
    """Delete the maps of `run` but those of the perplexities `known`."""
    for table in ("likeness", "likeness_map"):
        connection.execute(
            f"DELETE FROM production.{table} WHERE run_id = %s AND NOT perplexity = ANY (%s::smallint[])",
            (run.run_id, known),
        )


def store_map(
    connection: Connection,
    run: Run,
    each: LikenessMap,
    source_id: np.ndarray,
    training: np.ndarray,
    settings: dict[str, Any],
    mode: str,
    reference: str | None = None,
) -> None:
    """Write one map: its row, and a row a star."""
    connection.execute(
        _WRITE_MAP,
        (
            run.run_id,
            each.perplexity,
            each.threshold,
            settings["quantile"],
            each.kl,
            int(training.sum()),
            int((~training).sum()),
            Jsonb(settings),
            mode,
            each.placed_threshold,
            reference,
        ),
    )
    store_places(connection, run, each, source_id)


def store_places(connection: Connection, run: Run, each: LikenessMap, source_id: np.ndarray) -> None:
    """Write the stars of one map, a row a star."""
    n = len(source_id)
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
            "placed_distance": each.placed_distance,
        },
    )


def count_stars(connection: Connection, run: Run) -> None:
    """Bring up to date how many stars of each sample the maps of `run` hold."""
    connection.execute(_COUNT_STARS, {"run_id": run.run_id})


def stored_maps(connection: Connection, run: Run) -> list[tuple[int, float, float, np.ndarray]]:
    """Return perplexity, threshold, threshold of placed stars and positions of each map, stars by source_id."""
    maps = connection.execute(
        "SELECT perplexity, threshold, placed_threshold FROM production.likeness_map WHERE run_id = %s "
        "ORDER BY perplexity",
        (run.run_id,),
    ).fetchall()
    fields: dict[str, Field] = {"x": ("float4", None), "y": ("float4", None)}
    statement = (
        "SELECT x, y FROM production.likeness WHERE run_id = %(run_id)s AND perplexity = %(perplexity)s "
        "ORDER BY source_id"
    )
    result = []
    for perplexity, threshold, placed_threshold in maps:
        parameters = {"run_id": run.run_id, "perplexity": perplexity}
        blocks = [
            np.column_stack([block["x"], block["y"]])
            for block in stream_arrays(connection, statement, parameters, fields, _CHUNK)
        ]
        result.append((perplexity, threshold, placed_threshold, np.concatenate(blocks)))
    return result


def store_companion(
    connection: Connection,
    run: Run,
    source_id: np.ndarray,
    nearest: np.ndarray,
    found: TrainingDistances,
    n_components: int,
    quantile: float,
) -> None:
    """Write the distances of the stars of `run` to their most similar training stars, replacing earlier ones.

    Parameters
    ----------
    connection : psycopg.Connection
    run : Run
    source_id, nearest : numpy.ndarray
        Stars, and the training star that is most similar to each; shape (n_stars,), int64.
    found : TrainingDistances
    n_components : int
    quantile : float
    """
    for table in ("training_distance", "companion"):
        connection.execute(f"DELETE FROM production.{table} WHERE run_id = %s", (run.run_id,))
    connection.execute(
        "INSERT INTO production.companion VALUES (%s, %s, %s, %s, %s)",
        (run.run_id, n_components, quantile, float(found.threshold(quantile)), len(found.own)),
    )
    store_distances(connection, run, source_id, nearest, found, quantile)
    renew_statistics(connection, "production.training_distance")


def store_distances(
    connection: Connection,
    run: Run,
    source_id: np.ndarray,
    nearest: np.ndarray,
    found: TrainingDistances,
    quantile: float,
) -> None:
    """Write distances of stars to their most similar training stars beside those that are there."""
    copy_in(
        connection,
        "production.training_distance",
        {
            "run_id": np.full(len(source_id), run.run_id),
            "source_id": source_id,
            "nearest": nearest,
            "distance": found.distance,
            "quantile": found.quantile,
            "outside": found.outside(quantile),
        },
    )


def store_reference(connection: Connection, run: Run, reference: Reference, folder: Path, key: str) -> list[Path]:
    """Record saved maps; return the folders of maps that `run` saved before, which are not recorded any more."""
    old = connection.execute(
        "DELETE FROM production.likeness_reference WHERE run_id = %s AND key <> %s RETURNING path", (run.run_id, key)
    ).fetchall()
    connection.execute(
        "INSERT INTO production.likeness_reference (key, run_id, release, path, n_stars, n_training, settings) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (key) DO UPDATE SET path = EXCLUDED.path, run_id = EXCLUDED.run_id",
        (
            key,
            run.run_id,
            reference.data_release,
            str(folder),
            len(reference.source_id),
            int(reference.training.sum()),
            Jsonb(dict(reference.settings)),
        ),
    )
    connection.execute("UPDATE production.likeness_map SET reference = %s WHERE run_id = %s", (key, run.run_id))
    return [Path(path) for (path,) in old]


def find_reference(connection: Connection, wanted: str) -> tuple[str, Path]:
    """Return key and folder of the saved maps whose key begins with `wanted`, or of the ``latest``.

    Raises
    ------
    NotFoundError
        There are none, or several.
    """
    rows = connection.execute(
        "SELECT key, path FROM production.likeness_reference WHERE %(wanted)s = 'latest' "
        "OR starts_with(key, %(wanted)s) ORDER BY created_at DESC, key",
        {"wanted": wanted},
    ).fetchall()
    if not rows or (len(rows) > 1 and wanted != "latest"):
        known = [row[0] for row in connection.execute("SELECT left(key, 16) FROM production.likeness_reference")]
        raise NotFoundError(
            f"{'No' if not rows else 'More than one'} set of reference maps is meant by likeness.reference = "
            f"{wanted!r}.",
            f"There are: {', '.join(known) or 'none'}. `rvscat flag` of a run without likeness.reference makes one.",
        )
    return rows[0][0], Path(rows[0][1])


_INPUTS: dict[str, Field] = {
    "source_id": ("int8", None),
    **dict.fromkeys(QUANTITIES[:-1], ("float4", None)),
    "parallax": ("float8", None),
    "training": ("bool", None),
    "alike": ("bool", None),
}


def store_flags(connection: Connection, run: Run, limits: TrainingLimits) -> None:
    """Compute ``flag_boundary`` of the labelled stars of `run` and write it, replacing earlier flags of theirs.

    They are all of them or, in a run that extends another, those that have come with it.
    ``production.boundary_computed`` computes the same inside the database; validation compares both, star by star.
    """
    query, added = load("boundary/flag_inputs"), run.base_run_id is not None
    if not added:
        connection.execute("DELETE FROM production.boundary WHERE run_id = %s", (run.run_id,))
    # Memory does not grow with the sample.
    for page in pages(connection, run, ("training", "observed"), _FLAGGED, added=added):
        parameters = {"run_id": run.run_id, "added": added, "after": page.after, "upto": page.upto}
        blocks = list(stream_arrays(connection, query.statement, parameters, _INPUTS, _CHUNK))
        if not blocks:
            continue
        stars = {name: np.concatenate([block[name] for block in blocks]) for name in _INPUTS}
        digits = boundary_digits(stars, limits.ranges, ~stars["alike"] & ~stars["training"])
        n = len(digits)
        copy_in(
            connection,
            "production.boundary",
            {
                "run_id": np.full(n, run.run_id),
                "release": [run.release] * n,
                "source_id": stars["source_id"],
                "flag_boundary": flag_text(digits).tolist(),
                "flag_bits": flag_bits(digits),
            },
        )
    renew_statistics(connection, "production.boundary")

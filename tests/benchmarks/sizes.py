"""Bytes of a star in each table, indices and TOAST included: filled in a scratch database and measured.

Run by hand: ``python tests/benchmarks/sizes.py [--stars 20000]``; `plan.py` keeps what came out. Values are random:
float arrays do not compress, and no other column is wide.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import psycopg
from measuring import database

from catalog.database.copy_in import copy_in
from catalog.database.ledger import open_run
from catalog.metadata import LABELS
from catalog.profiles import load_profile

N_PIXELS = 2401
PERPLEXITIES = (30, 50, 75, 100)


def fill(connection: psycopg.Connection, n: int) -> Iterator[tuple[str, float]]:
    """Write `n` stars into every table that has a row a star; yield each with its bytes a star."""
    run = open_run(connection, load_profile("paper"))
    row = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
        "VALUES (%s, 'x', 'x', 'x', repeat('0', 64), 1, 'complete') RETURNING file_id",
        (run.release,),
    ).fetchone()
    ensemble = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (repeat('0', 64), %s, %s, 'x', 'complete', 28, 1, '{}') RETURNING ensemble_id",
        (run.run_id, run.release),
    ).fetchone()
    assert row is not None
    assert ensemble is not None
    rng = np.random.default_rng(1)
    ids = np.sort(rng.choice(6_917_529_027_641_081_856, n)).astype(np.int64)
    star = {"release": [run.release] * n, "source_id": ids}
    file = {"file_id": np.full(n, row[0])}
    of_run = {"run_id": np.full(n, run.run_id)}
    spectra = rng.random((n, N_PIXELS), dtype=np.float32)
    coefficients = rng.random((n, 55))

    def columns(table: str, skip: set[str]) -> dict[str, object]:
        """Return a value for every number and boolean of a table that is not given."""
        kinds = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema || '.' || table_name = %s AND is_identity = 'NO'",
            (table,),
        ).fetchall()
        made: dict[str, object] = {}
        for name, kind in kinds:
            if name not in skip:
                if kind in ("real", "double precision"):
                    made[name] = rng.random(n)
                elif kind in ("smallint", "integer", "bigint"):
                    made[name] = np.full(n, 1)
                elif kind == "boolean":
                    made[name] = np.zeros(n, dtype=bool)
        return made

    def measured(table: str, given: dict[str, object]) -> tuple[str, float]:
        copy_in(connection, table, given | columns(table, set(given)))
        connection.commit()
        size = connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE isleaf), "
            "pg_total_relation_size(%(name)s)) FROM pg_partition_tree(%(name)s::regclass)",
            {"name": table},
        ).fetchone()
        assert size is not None
        return table, float(size[0]) / n

    yield measured("survey.gaia_source", star | file)
    flags = {"flags_gspspec": ["0" * 41] * n}
    yield measured("survey.astrophysical_parameters", star | file | flags)
    yield measured("survey.rvs_spectrum", star | file | {"flux": spectra})
    yield measured("survey.rvs_spectrum_error", star | file | {"flux_error": spectra})
    halves = {"bp_coefficients": coefficients, "rp_coefficients": coefficients}
    yield measured("survey.xp_coefficients", star | file | halves)
    yield measured("production.sample_star", of_run | star | {"role": ["observed"] * n})
    labels = {"ensemble_id": np.full(n, ensemble[0])}
    yield measured("production.label", of_run | star | labels)
    for perplexity in PERPLEXITIES:
        connection.execute(
            "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, n_training, n_observed, "
            "settings, mode) VALUES (%s, %s, 1, 0.99, 1, 1, '{}', 'joint')",
            (run.run_id, perplexity),
        )
        maps = {"perplexity": np.full(n, perplexity), "source_id": ids}
        likeness = measured("production.likeness", of_run | maps)
    yield likeness
    yield measured("production.training_distance", of_run | {"source_id": ids})
    flags = {"flag_boundary": ["0" * 8] * n, "flag_bits": np.zeros(n, dtype=int)}
    yield measured("production.boundary", of_run | star | flags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=20_000)
    arguments = parser.parse_args()
    assert len(LABELS) == 5
    with database() as settings:
        assert settings.database_url is not None
        with psycopg.connect(settings.database_url) as connection:
            for table, size in fill(connection, arguments.stars):
                print(f"{table:36} {size:8.0f} bytes a star")


if __name__ == "__main__":
    main()

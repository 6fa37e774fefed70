"""Cone searches by the index on ``point(ra, dec)``, by q3c, by pgsphere and by reading all rows.

Run by hand, as root on Debian 12 (q3c and pgsphere are its packages): ``python tests/benchmarks/bench_cone.py [rows]``.
A PostgreSQL cluster of its own holds ``rvs_cnn_extended`` with as many rows as the paper's catalogue, all columns
filled, and an index of each kind. Every way answers the same cones, in turn, and must find the same stars; the time is
the median over the cones of the best of three.
"""

import secrets
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from catalog.database import migrate
from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish.handover.dachs_sql import POSITION_INDEX
from catalog.publish.tables import create_tables, switch_views
from catalog.publish.tap_schema import write_tap_schema
from catalog.service.adql import translate
from catalog.service.published import published_tables
from tests.acceptance.dachs import cluster, install

N_ROWS = 886_080
N_CONES = 15
# Radius in degrees, and where the centres lie.
CASES = (("anywhere", 0.1), ("anywhere", 0.5), ("anywhere", 2.0), ("anywhere", 5.0), ("pole", 0.5), ("meridian", 0.5))
WAYS = ("point", "q3c", "pgsphere", "sequential")


def fill(connection: psycopg.Connection, n: int) -> None:
    """Publish `n` stars all over the sky, every column filled."""
    create_tables(connection, 1)
    made = {
        "source_id": "i * 4611686018",
        "sourceid": "CAST(i * 4611686018 AS text)",
        "ra": "360 * random()",
        "dec": "degrees(asin(2 * random() - 1))",
        "release": "'dr3'",
        "role": "'observed'",
        "flag_boundary": "'00000000'",
        "ensemble": "repeat('e', 64)",
        "apogee_id": "'2M00000000+0000000'",
    }
    values = [f"{made.get(c.name, 'CAST(100 * random() AS ' + c.sql_type + ')')}" for c in RVS_CNN_EXTENDED.columns]
    names = ", ".join(f'"{name}"' for name in RVS_CNN_EXTENDED.column_names)
    table = f"{RVS_CNN_EXTENDED.qualified_name}_v1"
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM generate_series(1, {n}) AS star(i)"
    )
    for index in ('gist (point(ra, "dec"))', 'btree (q3c_ang2ipix(ra, "dec"))', f"gist ({POSITION_INDEX})"):
        start = time.perf_counter()
        connection.execute(f"CREATE INDEX ON {table} USING {index}")
        sys.stdout.write(f"index {index}: {time.perf_counter() - start:.1f} s\n")
    switch_views(connection, 1)
    write_tap_schema(connection)
    connection.commit()
    connection.autocommit = True
    connection.execute(f"VACUUM ANALYZE {table}")


def centres(where: str, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return centres of cones."""
    ra = rng.uniform(0, 360, N_CONES)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, N_CONES)))
    if where == "pole":
        dec = 90 - rng.uniform(0, 0.4, N_CONES)
    elif where == "meridian":
        ra, dec = rng.uniform(-0.3, 0.3, N_CONES) % 360, rng.uniform(-30, 30, N_CONES)
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


def statements(connection: psycopg.Connection, ra: float, dec: float, radius: float) -> dict[str, str]:
    """Return each way's query for the stars of a cone."""
    adql = f"SELECT source_id FROM {RVS_CNN_EXTENDED.qualified_name} WHERE 1 = CONTAINS(POINT(ra, dec), "
    adql += f"CIRCLE({ra!r}, {dec!r}, {radius!r}))"
    ours = translate(adql, published_tables(connection))
    select = f"SELECT source_id FROM {RVS_CNN_EXTENDED.qualified_name} WHERE "
    circle = f"scircle(spoint(radians({ra!r}), radians({dec!r})), radians({radius!r}))"
    return {
        "point": ours,
        "q3c": f'{select} q3c_radial_query(ra, "dec", {ra!r}, {dec!r}, {radius!r})',
        "pgsphere": f"{select} {POSITION_INDEX} <@ {circle}",
        "sequential": ours,
    }


def best(connection: psycopg.Connection, statement: str, repeats: int) -> tuple[float, set[int]]:
    """Return the least time in milliseconds, and the stars."""
    times, found = [], set()
    for _ in range(repeats):
        start = time.perf_counter()
        found = {source_id for (source_id,) in connection.execute(statement).fetchall()}
        times.append((time.perf_counter() - start) * 1e3)
    return min(times), found


def main(n: int) -> None:
    """Run the benchmark."""
    install()
    password = secrets.token_hex(16)
    with cluster(password, "rvscat_cone") as port:
        server = f"postgresql://archive:{password}@127.0.0.1:{port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE cone ENCODING 'UTF8' TEMPLATE template0")
        migrate.upgrade(f"{server}/cone")
        with psycopg.connect(f"{server}/cone") as connection:
            connection.execute("CREATE EXTENSION q3c; CREATE EXTENSION pg_sphere")
            fill(connection, n)
            connection.execute("SET max_parallel_workers_per_gather = 0")
            compare(connection)


def compare(connection: psycopg.Connection) -> None:
    """Print a row of the table for each case."""
    rng = np.random.default_rng(1)
    sys.stdout.write("| cone | stars | " + " | ".join(WAYS) + " | sequential / point |\n")
    for where, radius in CASES:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        stars = []
        for ra, dec in centres(where, rng):
            known: set[int] | None = None
            for way, statement in statements(connection, ra, dec, radius).items():
                connection.execute(f"SET enable_indexscan = {way != 'sequential'}")
                connection.execute(f"SET enable_bitmapscan = {way != 'sequential'}")
                spent, found = best(connection, statement, 3 if way != "sequential" else 1)
                times[way].append(spent)
                if known is not None and found != known:
                    raise SystemExit(f"{way} finds other stars in the cone {ra} {dec} {radius}.")
                known = found
            stars.append(len(found))
        medians = {way: statistics.median(values) for way, values in times.items()}
        told = " | ".join(f"{value:.2f} ms" for value in medians.values())
        ratio = medians["sequential"] / medians["point"]
        sys.stdout.write(f"| {radius}°, {where} | {statistics.median(stars):.0f} | {told} | {ratio:.0f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_ROWS)

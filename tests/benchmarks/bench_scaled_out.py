"""Prediction by the workers of a Dask cluster against prediction without one, of the same stars in one run.

Run by hand, on an idle machine: ``python tests/benchmarks/bench_scaled_out.py [--stars 16384] [--members 28]
[--workers 1 2]``. The cluster is one of this machine, workers of one thread each: there is nothing to gain from more of
them than there are cores. CPU time is that of all programs of the machine. The first line of a cluster includes the
start of Prefect's server, and each has the loading of the networks by every worker; the last column is without both:
the time between the first and the last part. Labels must be the same in every line.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import psycopg
from measuring import database

from catalog.database.ledger import Run
from catalog.ensemble.stage import predict_labels
from catalog.features import ranges
from catalog.settings import Settings
from flows.distribution import distributed
from flows.environment import prepare
from tests.benchmarks.bench_predict import make_ensemble, make_run
from tests.benchmarks.bench_train import busy_seconds
from tests.flows.clusters import start_cluster

DIGEST = "SELECT count(*), md5(string_agg(row(label.*)::text, '' ORDER BY source_id)) FROM production.label AS label"


@dataclass
class Line:
    """What a prediction took."""

    title: str
    wall_s: float
    busy_s: float
    at_work: float
    """Stars a second between the first part, or page, and the last."""
    digest: tuple[int, str]


def timed(title: str, connection: psycopg.Connection, run: Run, settings: Settings) -> Line:
    """Label all stars anew."""
    connection.execute("DELETE FROM production.label")
    connection.commit()
    told: list[tuple[float, float]] = []

    def progress(done: float, total: float, what: str = "") -> None:
        if total > 1 and done and (not told or done > told[-1][1]):
            told.append((time.perf_counter(), done))

    wall, busy = time.perf_counter(), busy_seconds()
    with distributed(settings):
        predict_labels(connection, run, settings, progress)
    line = Line(title, time.perf_counter() - wall, busy_seconds() - busy, 0.0, (0, ""))
    line.at_work = (told[-1][1] - told[0][1]) / max(told[-1][0] - told[0][0], 1e-9)
    row = connection.execute(DIGEST).fetchone()
    assert row is not None
    line.digest = (row[0], row[1])
    print(f"{title}: {line.wall_s:.1f} s", flush=True)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=16_384)
    parser.add_argument("--members", type=int, default=28)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--part", type=int, default=1024, help="stars of a part, about")
    arguments = parser.parse_args()
    ranges.PART_STARS = arguments.part
    cores = len(os.sched_getaffinity(0))
    with database() as given, tempfile.TemporaryDirectory() as home:
        settings = given.model_copy(update={"home": Path(home), "workers": 1})
        assert settings.database_url is not None
        os.environ["RVSCAT_HOME"], os.environ["RVSCAT_DATABASE_URL"] = home, settings.database_url
        prepare(settings)
        with psycopg.connect(settings.database_url) as connection:
            run = make_run(connection, arguments.stars)
            make_ensemble(connection, run, settings, arguments.members)
            lines = []
            for n in range(1, cores + 1):
                here = settings.model_copy(update={"workers": n})
                lines.append(timed(f"without a cluster, {n} thread{'s' * (n > 1)}", connection, run, here))
            for n in arguments.workers:
                with start_cluster(n) as cluster:
                    dask = settings.model_copy(update={"task_runner": "dask", "dask_address": cluster.address})
                    title = f"Dask, {n} worker{'s' * (n > 1)} of 1 thread"
                    lines.append(timed(title, connection, run, dask))
    print(f"\n{arguments.stars} stars, {arguments.members} members, parts of {arguments.part} stars, {cores} cores")
    print(f"{'':32} {'wall s':>8} {'CPU s':>8} {'speed':>8} {'stars/s at work':>16}")
    for line in lines:
        print(
            f"{line.title:32} {line.wall_s:8.1f} {line.busy_s:8.1f} {lines[0].wall_s / line.wall_s:6.2f} x "
            f"{line.at_work:16.0f}"
        )
    same = len({line.digest for line in lines}) == 1
    print("The labels are the same in every line." if same else "THE LABELS DIFFER.")


if __name__ == "__main__":
    main()

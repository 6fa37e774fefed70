"""What exporting the whole catalogue costs in each format, against COPY to CSV in the same run.

    .venv/bin/python tests/benchmarks/bench_export.py [--stars 886080] [--formats fits,csv] [--tables rvs_cnn_extended]

A database of its own is filled with labelled stars (as by bench_validation.py) and published. Each format is written
by a process of its own, whose peak memory and CPU time (without the server's) are told; checksums and the renaming of
files are part of it. "first rows" is when the first of them had been written. COPY is what psycopg takes to receive the
same table as text and write it to a file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from bench_validation import CATALOGUE, fill
from measuring import database, peak_memory_mb

from catalog.database.ledger import open_run
from catalog.profiles import load_profile
from catalog.publish.export import TABLES, export_catalogue
from catalog.publish.formats import FORMATS
from catalog.publish.publications import content_sha256
from catalog.publish.tables import create_tables, fill_tables, switch_views


def publish(connection: psycopg.Connection, stars: int) -> None:
    """Fill the database and publish version 1."""
    run = open_run(connection, load_profile("paper"))
    fill(connection, run, stars, truth=False)
    create_tables(connection, 1)
    rows = fill_tables(connection, 1, run.run_id)
    connection.execute(
        "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) VALUES (1, %s, %s, %s, true)",
        (run.run_id, rows["rvs_cnn"], content_sha256(connection, 1)),
    )
    switch_views(connection, 1)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE)")


def cost() -> dict[str, float]:
    """Return CPU seconds and peak memory of this process; what it imported is part of both."""
    return {"cpu": time.process_time(), "peak_mb": peak_memory_mb()}


def copy_csv(url: str, table: str, path: Path) -> dict[str, float]:
    """Receive a table by COPY and write it to a file."""
    started, first = time.perf_counter(), 0.0
    with psycopg.connect(url) as connection, connection.cursor() as cursor, path.open("wb") as file:
        order = "source_id" if "extended" in table else "CAST(sourceid AS bigint)"
        with cursor.copy(
            f"COPY (SELECT * FROM catalogue.{table}_v1 ORDER BY {order}) TO STDOUT (FORMAT csv, HEADER)"
        ) as copy:
            for data in copy:
                first = first or time.perf_counter() - started
                file.write(data)
    return {"seconds": time.perf_counter() - started, "first": first, **cost()}


def export(url: str, table: str, form: str, folder: Path) -> dict[str, float]:
    """Write one format of a table."""
    started, first = time.perf_counter(), 0.0

    def note(done: float, total: float, what: str = "") -> None:
        nonlocal first
        if "writing" in what:
            first = first or time.perf_counter() - started

    with psycopg.connect(url) as connection:
        export_catalogue(connection, folder, [form], note, tables=[table])
    return {"seconds": time.perf_counter() - started, "first": first, **cost()}


def apart(url: str, table: str, form: str, folder: Path) -> dict[str, float]:
    """Do that in a process of its own."""
    answer = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps([url, table, form, str(folder)])],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(answer.stdout)
    return result


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=CATALOGUE)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        url, table, form, folder = json.loads(arguments.child)
        if form == "COPY":
            print(json.dumps(copy_csv(url, table, Path(folder))))
        else:
            print(json.dumps(export(url, table, form, Path(folder))))
        return
    with database() as settings, tempfile.TemporaryDirectory() as folder:
        url = settings.database_url or ""
        started = time.perf_counter()
        with psycopg.connect(url) as connection:
            publish(connection, arguments.stars)
        print(f"{arguments.stars:,} stars, filled and published in {time.perf_counter() - started:.0f} s")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        head = ("table", "format", "seconds", "/ COPY", "CPU, s", "first rows, s", "peak, MB", "file, MB")
        print(
            f"{head[0]:18s}{head[1]:9s}{head[2]:>9s}{head[3]:>8s}{head[4]:>8s}{head[5]:>15s}{head[6]:>10s}{head[7]:>10s}"
        )
        for table in arguments.tables.split(","):
            copied = 0.0
            for form in ("COPY", *arguments.formats.split(",")):
                place = Path(folder) / f"{table}-{form}"
                found = apart(url, table, form, place)
                copied = copied or found["seconds"]
                files = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
                size = sum(each.stat().st_size for each in files) / 1e6
                print(
                    f"{table:18s}{form:9s}{found['seconds']:9.2f}{found['seconds'] / copied:8.2f}"
                    f"{found['cpu']:8.2f}{found['first']:15.2f}{found['peak_mb']:10.0f}{size:10.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

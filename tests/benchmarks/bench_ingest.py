"""How fast survey files become rows, against COPY alone, decompression alone and ``pandas.to_sql``.

Run by hand: ``python tests/benchmarks/bench_ingest.py [spectra [files]]``. One run gives all figures; compare
ratios, not seconds of different machines.
"""

import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
from measuring import Cost, database, measure, peak_memory_mb
from sqlalchemy import create_engine

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, open_run
from catalog.profiles import load_profile
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.surveys import gaia_source, open_survey
from catalog.surveys.ingest import ingest_surveys
from tests.surveys.files import bulk_text, gaia_sources, spectra

RELEASE = load_release("dr3")
RVS, GAIA = "rvs_mean_spectrum", "gaia_source"


def write_files(folder: Path, product: str, make: Callable[..., object], n_rows: int, n_files: int) -> list[Path]:
    """Write bulk files with one tenth of the rows each time, repeated under other identifiers."""
    folder.mkdir(parents=True)
    paths = []
    for i in range(n_files):
        path = folder / f"{product}_{i:06d}-{i:06d}.csv.gz"
        columns = make(n_rows // n_files, first_id=4_295_806_720 + (i << 43))
        path.write_bytes(gzip.compress(bulk_text(product, columns).encode(), 6, mtime=0))  # type: ignore[arg-type]
        paths.append(path)
    return paths


def stars(n_rows: int, *, first_id: int) -> dict[str, object]:
    """Columns of gaia_source with positions all over the sky."""
    generator = np.random.default_rng(first_id)
    columns = gaia_sources(n_rows, first_id=first_id)
    columns["ra"] = generator.uniform(0, 360, n_rows).tolist()
    columns["dec"] = generator.uniform(-90, 90, n_rows).tolist()
    for name in ("parallax", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "ruwe", "pmra", "pmdec"):
        columns[name] = generator.normal(10, 1, n_rows).tolist()
    return columns


def decompress(paths: list[Path]) -> None:
    """Decompress files with Python's own zlib."""
    for path in paths:
        with gzip.open(path) as file:
            while file.read(1 << 22):
                pass


def copy_alone(connection: psycopg.Connection, n_rows: int) -> Cost:
    """Write spectra that are in memory already."""
    n = 256
    flux = np.random.default_rng(1).normal(1, 0.1, (n, RELEASE.rvs.n_pixels)).astype(np.float32)
    row = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
        "VALUES ('dr3', 'bench', 'bench', '', '', 0, 'complete') RETURNING file_id"
    ).fetchone()
    assert row is not None
    file_id = np.full(n, row[0])

    def work() -> None:
        for start in range(0, n_rows, n):
            keys = {"release": ["dr3"] * n, "source_id": 1 + start + np.arange(n), "file_id": file_id}
            copy_in(connection, "survey.rvs_spectrum", {**keys, "flux": flux})
            copy_in(connection, "survey.rvs_spectrum_error", {**keys, "flux_error": flux})
        connection.commit()

    cost = measure(work, 1, connection)
    connection.execute("DELETE FROM production.ingest_file")
    connection.commit()
    return cost


def ingest(connection: psycopg.Connection, run: Run, settings: Settings) -> Cost:
    """Ingest the survey folder."""
    return measure(lambda: ingest_surveys(connection, run, settings), 1, connection)


def to_sql(paths: list[Path], url: str) -> int:
    """Read the same columns with pandas and write them with to_sql."""
    names = [column.name for column in gaia_source.PRODUCT.columns]
    n_rows = 0
    for path in paths:
        frame = pd.read_csv(path, comment="#", usecols=names, na_values="null")
        frame.to_sql("pandas_gaia_source", create_engine(url), if_exists="append", index=False)
        n_rows += len(frame)
    return n_rows


def main(n_spectra: int, n_files: int) -> None:
    """Measure and print."""
    with database() as settings, psycopg.connect(settings.database_url or "") as connection:
        run = open_run(connection, load_profile("paper"))
        folder = settings.surveys / run.release
        paths = write_files(folder / RVS, RVS, spectra, n_spectra, n_files)
        with tempfile.TemporaryDirectory() as warm:
            # Compiles, and fills the caches of both sides.
            [path] = write_files(Path(warm) / RVS, RVS, spectra, 20, 1)
            sum(len(batch) for batch in open_survey(path, RVS, RELEASE).batches())
        costs = {
            "gunzip alone (zlib)": measure(lambda: decompress(paths), 1),
            "COPY alone, both tables": copy_alone(connection, n_spectra),
        }
        before = peak_memory_mb()
        costs["ingest"] = ingest(connection, run, settings)
        after = peak_memory_mb()
        again = ingest(connection, run, settings)
        version = connection.info.server_version // 10000
        print(f"{n_spectra} spectra in {n_files} files, {os.cpu_count()} cores, PostgreSQL {version}")
        slowest = max(costs["gunzip alone (zlib)"].wall_s, costs["COPY alone, both tables"].wall_s)
        for name, cost in costs.items():
            print(
                f"{name:26s} {n_spectra / cost.wall_s:8,.0f} spectra/s   {cost.wall_s / slowest:5.2f} x the slower"
                f" floor   CPU per spectrum: client {cost.client_s / n_spectra * 1e3:.3f} ms,"
                f" server {cost.server_s / n_spectra * 1e3:.3f} ms"
            )
        print(f"again, all skipped: {again.wall_s:.2f} s; peak memory {after:,.0f} MB (before: {before:,.0f} MB)")

        n_rows = 200_000
        url = (settings.database_url or "").replace("postgresql:", "postgresql+psycopg:")
        paths = write_files(folder / GAIA, GAIA, stars, n_rows, 4)
        ours = ingest(connection, run, settings)
        theirs = measure(lambda: to_sql(paths, url), 1)
        print(
            f"gaia_source, {n_rows} rows: {n_rows / ours.wall_s:,.0f} rows/s, "
            f"pandas.to_sql {n_rows / theirs.wall_s:,.0f} rows/s, ratio {theirs.wall_s / ours.wall_s:.1f}"
        )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [20_000, 20][len(arguments) :]))

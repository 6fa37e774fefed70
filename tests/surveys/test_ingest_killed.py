"""`rvscat ingest`, killed in the middle, and again: the same database as of an undisturbed run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk

N_FILES, N_STARS = 8, 40

CONTENT = """
SELECT f.product, f.name, f.sha256, f.status, f.n_rows, f.n_quarantined, f.message,
       (SELECT md5(string_agg(source_id || md5(flux), ',' ORDER BY source_id))
        FROM survey.rvs_spectrum WHERE file_id = f.file_id),
       (SELECT md5(string_agg(source_id || md5(flux_error), ',' ORDER BY source_id))
        FROM survey.rvs_spectrum_error WHERE file_id = f.file_id),
       (SELECT md5(string_agg(source_id || ' ' || ra, ',' ORDER BY source_id))
        FROM survey.gaia_source WHERE file_id = f.file_id),
       (SELECT array_agg(row_number || rule || reason ORDER BY row_number)
        FROM production.quarantine WHERE file_id = f.file_id)
FROM production.ingest_file f ORDER BY f.product, f.name
"""

COPYING = """
SELECT (SELECT count(*) FROM production.ingest_file) >= %s
       AND EXISTS (SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'COPY %%')
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight files of spectra, one star of which occurs twice, and one of gaia_source."""
    home = tmp_path_factory.mktemp("killed")
    folder = home / "surveys" / "dr3"
    for i in range(N_FILES):
        columns = spectra(N_STARS, first_id=FIRST_ID + i * (N_STARS - 1), seed=i)
        write_bulk(folder / "rvs_mean_spectrum" / f"RvsMeanSpectrum_{i}-{i}.csv", "rvs_mean_spectrum", columns)
    write_bulk(folder / "gaia_source" / "GaiaSource_0-0.csv.gz", "gaia_source", gaia_sources(50))
    return home


def start(home: Path, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from catalog.cli import main; main()", "ingest"]
    environment = {**os.environ, "RVSCAT_HOME": str(home), "RVSCAT_DATABASE_URL": url}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def content(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(CONTENT).fetchall()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the ingestion ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def expected(home: Path, module_database_url: str) -> list[tuple[Any, ...]]:
    """What an undisturbed run leaves in the database."""
    process = start(home, module_database_url)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    rows = content(module_database_url)
    assert sum(row[4] for row in rows) == N_FILES * N_STARS - (N_FILES - 1) + 50
    return rows


@pytest.mark.parametrize("n_complete", [0, 4])
def test_killed_and_again(
    home: Path,
    expected: list[tuple[Any, ...]],
    fresh_database: Callable[[], AbstractContextManager[str]],
    n_complete: int,
) -> None:
    with fresh_database() as disturbed:
        process = start(home, disturbed)
        with psycopg.connect(disturbed, autocommit=True) as watch:

            def is_copying() -> bool:
                row = watch.execute(COPYING, (n_complete,)).fetchone()
                assert row is not None
                return bool(row[0])

            wait_until(is_copying, process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        left = content(disturbed)
        assert len(left) < len(expected)
        # What is there is whole.
        assert set(map(repr, left)) <= set(map(repr, expected))

        process = start(home, disturbed)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
        assert content(disturbed) == expected

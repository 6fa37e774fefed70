"""`rvscat ingest`: one file or a folder, refused files, exit status."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.settings import Settings
from tests.surveys.files import gaia_sources, write_bulk


def rvscat(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from catalog.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_real_file_is_read_once(settings: Settings, real_data: Path) -> None:
    file = str(real_data / "rvs" / "rvs_4268620287278693120_HD176650.csv")
    first = rvscat("ingest", file, "--product", "rvs_mean_spectrum")
    assert first.returncode == 0, first.stderr
    assert "1" in first.stdout
    second = rvscat("ingest", file, "--product", "rvs_mean_spectrum")
    assert second.returncode == 0
    assert second.stdout != first.stdout


@pytest.mark.parametrize(
    "content", [b"", gzip.compress(b"source_id,ra\n1,2\n" * 4000)[:60]], ids=["empty", "truncated"]
)
def test_a_bad_file_is_refused_by_name_and_the_status_tells(settings: Settings, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "GaiaSource_000000-003111.csv.gz"
    bad.write_bytes(content)
    result = rvscat("ingest", str(bad), "--product", "gaia_source")
    assert result.returncode == 1
    assert bad.name in result.stdout
    assert "Traceback" not in result.stderr


def test_a_folder_with_a_bad_file_tells_by_its_status(settings: Settings) -> None:
    folder = settings.surveys / "dr3" / "gaia_source"
    folder.mkdir(parents=True)
    (folder / "GaiaSource_000000-003111.csv.gz").write_bytes(b"")
    result = rvscat("ingest", "--profile", "paper")
    assert result.returncode == 1
    assert "GaiaSource_000000-003111.csv.gz" in result.stdout
    assert "1 file refused" in result.stdout


def test_stars_that_a_replacement_sets_free_are_told_of(settings: Settings) -> None:
    folder = settings.surveys / "dr3" / "gaia_source"
    first = write_bulk(folder / "GaiaSource_0-0.csv", "gaia_source", gaia_sources(3))
    write_bulk(folder / "GaiaSource_1-1.csv", "gaia_source", gaia_sources(4))
    assert rvscat("ingest").returncode == 0
    write_bulk(first, "gaia_source", gaia_sources(1))
    replaced = rvscat("ingest", str(first), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert "2 stars of other files had been set aside" in replaced.stdout
    assert rvscat("ingest").returncode == 0
    # All four stars are there: the first in its file, the others in the second.
    again = rvscat("ingest", str(folder / "GaiaSource_1-1.csv"))
    assert "3 rows" in again.stdout


def test_an_empty_data_folder_says_where_files_belong(settings: Settings) -> None:
    result = rvscat("ingest", "--profile", "paper")
    assert result.returncode == 1
    assert str(settings.surveys / "dr3") in result.stderr.replace("\n", "")

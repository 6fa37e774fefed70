"""`rvscat fetch` as a person runs it: real processes, a real server, kill -9 in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.releases import load_release
from catalog.settings import Settings
from catalog.surveys.ingest import ingest_path
from tests.fetch.archive import Answer, Archive, Cut, Hold
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk

FOLDER = "Spectroscopy/rvs_mean_spectrum/"
NAMES = [f"RvsMeanSpectrum_{first:06}-{first + 99:06}.csv.gz" for first in range(0, 1200, 100)]


@pytest.fixture
def contents() -> dict[str, bytes]:
    generator = np.random.default_rng(11)
    return {name: generator.bytes(3_000_000 if n == 0 else 200_000 + n) for n, name in enumerate(NAMES)}


@pytest.fixture
def archive(contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with Archive() as archive:
        archive.put_bulk(FOLDER, contents)
        archive.files["allStar.fits"] = b"SIMPLE  =" + bytes(2880 - 9)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
        monkeypatch.setenv("RVSCAT_ENDPOINT_BULK", archive.url)
        monkeypatch.setenv("RVSCAT_ENDPOINT_APOGEE", f"{archive.url}allStar.fits")
        yield archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "surveys" / "dr3" / "rvs_mean_spectrum"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from catalog.cli import main; main()", "fetch", *arguments]


def rvscat(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, timeout=60, input=stdin, encoding="utf-8"
    )


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def found(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("_")}


def test_what_arrives_is_said_with_the_next_step(archive: Archive, contents: dict[str, bytes], folder: Path) -> None:
    first = rvscat("rvs_mean_spectrum")
    assert first.returncode == 0, first.stderr
    assert found(folder) == contents
    assert "12 files, 5.2 MB received" in first.stdout
    assert "Next: rvscat ingest" in first.stdout
    second = rvscat("rvs_mean_spectrum")
    assert second.returncode == 0
    assert "0 B received, 12 there before" in second.stdout


def test_killed_in_the_middle_it_goes_on(archive: Archive, contents: dict[str, bytes], folder: Path) -> None:
    hold = Hold(2_500_000)
    archive.faults[f"{FOLDER}{NAMES[0]}"].append(hold)
    part = folder / f"{NAMES[0]}.part"
    with subprocess.Popen(command("rvs_mean_spectrum"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # Killed when the other files are there and the large one is at two megabytes or more.
        until(
            lambda: (
                all((folder / name).exists() for name in NAMES[1:])
                and part.exists()
                and part.stat().st_size >= 2_000_000
            )
        )
        process.send_signal(signal.SIGKILL)
        process.communicate()
    hold.release.set()
    assert process.returncode == -signal.SIGKILL
    there = part.stat().st_size
    assert NAMES[0] not in found(folder)
    archive.requests.clear()
    again = rvscat("rvs_mean_spectrum")
    assert again.returncode == 0, again.stderr
    assert found(folder) == contents
    # Only what was missing came over the network, and the list of checksums.
    (asked,) = archive.asked(f"{FOLDER}{NAMES[0]}")
    assert (asked.range, asked.status) == (f"bytes={there}-", 206)
    list_size = len(archive.files[f"{FOLDER}_MD5SUM.txt"])
    assert archive.sent() == 3_000_000 - there + list_size
    assert "11 there before" in again.stdout


def test_killed_anywhere_again_and_again_it_ends_with_the_same_files(
    archive: Archive, contents: dict[str, bytes], folder: Path
) -> None:
    for n_requests in (1, 2, 9, 15, 16, 18, 21):
        archive.requests.clear()
        with subprocess.Popen(
            command("rvs_mean_spectrum", "--jobs", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            until(lambda n=n_requests: len(archive.requests) >= n or process.poll() is not None)  # type: ignore[misc]
            process.kill()
            process.communicate()
    assert rvscat("rvs_mean_spectrum").returncode == 0
    assert found(folder) == contents
    assert (folder / "_MD5SUM.txt").read_bytes() == archive.files[f"{FOLDER}_MD5SUM.txt"]


def test_stopped_by_hand_it_ends_at_once_and_goes_on(
    archive: Archive, contents: dict[str, bytes], folder: Path
) -> None:
    hold = Hold(2_500_000)
    archive.faults[f"{FOLDER}{NAMES[0]}"].append(hold)
    with subprocess.Popen(
        command("rvs_mean_spectrum"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert hold.reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    hold.release.set()
    assert process.returncode == 130
    assert "The same command goes on from here" in errors
    assert "Traceback" not in errors
    assert rvscat("rvs_mean_spectrum").returncode == 0
    assert found(folder) == contents


def test_two_at_once_in_a_folder(archive: Archive, contents: dict[str, bytes], folder: Path) -> None:
    hold = Hold(1000)
    archive.faults[f"{FOLDER}{NAMES[0]}"].append(hold)
    with subprocess.Popen(command("rvs_mean_spectrum"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert hold.reached.wait(30)
        second = rvscat("rvs_mean_spectrum")
        hold.release.set()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert second.returncode == 1
    assert f"Another download (process {process.pid}) is at work in {folder}" in second.stderr
    assert found(folder) == contents


def test_a_failed_file_does_not_stop_the_others(archive: Archive, contents: dict[str, bytes], folder: Path) -> None:
    archive.always[f"{FOLDER}{NAMES[3]}"] = Answer(500)
    result = rvscat("rvs_mean_spectrum", "apogee", "--retries", "1", "--pause", "0")
    assert result.returncode == 1
    assert sorted(found(folder)) == [name for name in NAMES if name != NAMES[3]]
    assert (folder.parent / "apogee" / "allStar.fits").is_file()
    assert f"{NAMES[3]}: the archive answered 500 Internal Server Error (2 attempts)." in result.stderr
    assert "11 files" in result.stdout
    assert "Next" not in result.stdout


def test_a_source_that_fails_does_not_stop_the_others(archive: Archive, folder: Path) -> None:
    del archive.files["allStar.fits"]
    result = rvscat("apogee", "rvs_mean_spectrum", "--healpix", "8:0-0", "--json")
    assert result.returncode == 1
    apogee, rvs = json.loads(result.stdout)["sources"]
    assert "comes whole" in apogee["failures"][0]
    assert rvs["files"] == [str(folder / NAMES[0])]


def test_a_disk_that_takes_no_more_is_told_and_mended(
    archive: Archive, contents: dict[str, bytes], folder: Path
) -> None:
    limit = 1_000_000
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from catalog.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "fetch", "rvs_mean_spectrum"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert f"Failed: rvs_mean_spectrum: {folder}: File too large." in result.stderr
    assert "Make room. The same command goes on from here." in result.stderr
    assert (folder / f"{NAMES[0]}.part").stat().st_size <= limit
    assert rvscat("rvs_mean_spectrum").returncode == 0
    assert found(folder) == contents


def test_files_of_the_stars_that_the_database_lacks(
    archive: Archive, settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    stars = gaia_sources(3)
    stars["has_rvs"] = [True] * 3
    path = write_bulk(tmp_path / "stars.csv", "gaia_source", stars)
    ingest_path(connection, path, "gaia_source", "dr3", load_release("dr3"))
    name = f"RvsMeanSpectrum_{FIRST_ID >> 43:06}-000099.csv.gz"
    archive.put_bulk(FOLDER, {name: b"theirs", NAMES[1]: b"others"})
    result = rvscat("rvs_mean_spectrum", "--missing")
    assert result.returncode == 0, result.stderr
    assert sorted(found(settings.surveys / "dr3" / "rvs_mean_spectrum")) == [name]
    refused = rvscat("rvs_mean_spectrum", "--missing", "--as", "other")
    assert refused.returncode == 1
    assert "No gaia_source of other has been ingested" in refused.stderr


def test_what_was_fetched_is_what_is_ingested(
    archive: Archive, settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    path = write_bulk(tmp_path / f"{NAMES[0]}", "rvs_mean_spectrum", spectra(3))
    archive.put_bulk(FOLDER, {NAMES[0]: path.read_bytes(), NAMES[1]: b"cut short"})
    archive.always[f"{FOLDER}{NAMES[1]}"] = Cut(3)
    assert rvscat("rvs_mean_spectrum", "--retries", "0").returncode == 1
    folder = settings.surveys / "dr3" / "rvs_mean_spectrum"
    assert (folder / f"{NAMES[1]}.part").read_bytes() == b"cut"
    program = [sys.executable, "-c", "from catalog.cli import main; main()", "ingest"]
    result = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert connection.execute("SELECT name FROM production.ingest_file").fetchall() == [(NAMES[0],)]
    assert connection.execute("SELECT count(*) FROM survey.rvs_spectrum").fetchone() == (3,)


def test_identifiers_from_standard_input(archive: Archive, folder: Path) -> None:
    result = rvscat("rvs_mean_spectrum", "--source-ids", "-", stdin=f"{150 << 43}\n{1150 << 43}\n")
    assert result.returncode == 0, result.stderr
    assert sorted(found(folder)) == [NAMES[1], NAMES[11]]
    assert "more sources than were asked for" in result.stdout


def test_a_dry_run_downloads_nothing(archive: Archive, tmp_path: Path) -> None:
    result = rvscat("rvs_mean_spectrum", "--dry-run", "--json", "--limit", "2")
    (plan,) = json.loads(result.stdout)["sources"]
    assert (plan["route"], plan["parts"], plan["bytes"], plan["bytes_exact"]) == ("bulk", 2, 3_200_001, True)
    words = rvscat("rvs_mean_spectrum", "--dry-run", "--limit", "2").stdout
    assert "2 files, 3.2 MB to come" in words
    assert not (tmp_path / "surveys").exists()


def test_another_folder_and_name(archive: Archive, tmp_path: Path) -> None:
    place = tmp_path / "my surveys"
    result = rvscat("rvs_mean_spectrum", "--limit", "2", "--to", str(place), "--as", "dr3-try")
    assert sorted(found(place / "rvs_mean_spectrum")) == NAMES[:2]
    assert (
        f"Next: rvscat ingest '{place}/rvs_mean_spectrum'/*.csv.gz --product rvs_mean_spectrum --release dr3-try"
        in result.stdout
    )
    rvscat("apogee", "--as", "dr3-try")
    assert (tmp_path / "surveys" / "dr3-try" / "apogee" / "allStar.fits").is_file()


def test_the_list_shows_sources_with_their_routes() -> None:
    words = rvscat("--list").stdout
    assert "rvs_mean_spectrum" in words
    assert "bulk, datalink" in words
    listing: dict[str, Any] = json.loads(rvscat("--list", "--json").stdout)
    sources = {each["source"]: each for each in listing["sources"]}
    assert sources["apogee"]["bytes"] == 2_500_000_000
    assert sources["galah"]["routes"] == {"file": listing["endpoints"]["galah"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--list shows them"),
        (("nix",), "has no source nix"),
        (("apogee", "--via", "tap"), "no route tap to apogee"),
        (("apogee", "--endpoint", "apogee"), "is not NAME=URL"),
        (("apogee", "--endpoint", "nix=http://x"), "no endpoint nix"),
        (("apogee", "--endpoint", "apogee=ftp://x"), "not an address"),
        (("rvs_mean_spectrum", "--healpix", "5"), "no HEALPix range"),
        (("rvs_mean_spectrum", "--release", "dr9"), "Unknown release"),
        (("rvs_mean_spectrum", "--source-ids", os.devnull), "holds no source_id"),
        (("rvs_mean_spectrum", "--source-ids", "-", "--missing"), "not both"),
    ],
)
def test_wrong_arguments_are_told(arguments: tuple[str, ...], words: str) -> None:
    result = rvscat(*arguments)
    assert result.returncode in (1, 2)
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr

"""The file route: one file without a published checksum."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.errors import ConfigurationError
from catalog.fetch import FetchError, HealpixRange, Journal, Selection, open_session
from catalog.fetch.file import fetch_file
from catalog.releases.model import FileRoute, Source
from tests.fetch.archive import Answer, Archive, Cut, Hold
from tests.fetch.conftest import Fetch

Found = Callable[[], dict[str, bytes]]
FITS = b"SIMPLE  =                    T" + b" " * 50 + bytes(2880 * 100 - 80)
NAME = "allStar.fits"


@pytest.fixture(autouse=True)
def _all_star(archive: Archive) -> None:
    archive.files[NAME] = FITS


def test_it_arrives_and_its_checksum_is_remembered(fetch_one: Fetch, found: Found, folder: Path) -> None:
    result = fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert (result.n_bytes, result.files) == (len(FITS), [folder / NAME])
    part = Journal(folder)[NAME]
    assert (part.checksum, part.bytes) == (f"sha256:{hashlib.sha256(FITS).hexdigest()}", len(FITS))


def test_the_second_time_only_its_version_is_asked_for(fetch_one: Fetch, archive: Archive) -> None:
    fetch_one(NAME)
    result = fetch_one(NAME)
    assert (result.n_skipped, result.n_bytes) == (1, 0)
    assert len(archive.asked(NAME)) == 1


def test_a_cut_connection_goes_on(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    archive.faults[NAME].append(Cut(1000))
    fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert [each.range for each in archive.asked(NAME)] == ["", "bytes=1000-"]


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_between_parts_is_not_spliced(
    fetch_one: Fetch, found: Found, archive: Archive, heeds_if_range: bool
) -> None:
    archive.heeds_if_range = heeds_if_range
    archive.always[NAME] = Cut(1000)
    with pytest.raises(FetchError, match="the connection broke off after 4,000 of 288,000 bytes"):
        fetch_one(NAME)
    del archive.always[NAME]
    archive.files[NAME] = FITS[:2880].ljust(len(FITS), b"n")
    fetch_one(NAME)
    assert found() == {NAME: archive.files[NAME]}


def test_a_part_from_another_place_is_not_taken(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    archive.files[NAME] = FITS[:80] + bytes(range(256)) * 1125 + bytes(2800)
    archive.range_shift = 7
    archive.faults[NAME].append(Cut(1000))
    fetch_one(NAME)
    assert found() == {NAME: archive.files[NAME]}
    assert [each.range for each in archive.asked(NAME)] == ["", "bytes=1000-", ""]


def test_what_came_before_a_silence_is_kept(archive: Archive, folder: Path, found: Found) -> None:
    hold = Hold(1000)
    archive.faults[NAME].append(hold)
    route = FileRoute(url=f"{archive.url}{NAME}")
    source = Source(title="One", product="apogee", file=route, default="file")
    with open_session(retries=1, timeout=(5.0, 0.2), backoff=0) as session:
        fetch_file("apogee", source, folder, Selection(), session)
    hold.release.set()
    assert found() == {NAME: FITS}
    assert [each.range for each in archive.asked(NAME)] == ["", "bytes=1000-"]


def test_an_archive_may_send_less_than_the_rest(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    archive.longest_range = 200_000
    archive.faults[NAME].append(Cut(1000))
    fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert [each.range for each in archive.asked(NAME)] == ["", "bytes=1000-", "bytes=201000-"]


def test_a_part_of_no_known_version_is_not_trusted(
    fetch_one: Fetch, found: Found, archive: Archive, folder: Path
) -> None:
    (folder / f"{NAME}.part").write_bytes(b"X" * 1000)
    fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert [each.range for each in archive.asked(NAME)] == [""]


def test_without_versions_a_cut_download_begins_again(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    archive.names_versions = False
    archive.faults[NAME].append(Cut(1000))
    fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert [each.range for each in archive.asked(NAME)] == ["", ""]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (NAME, FITS[:-1], "no multiple of 2880"),
        (NAME, b"<!DOCTYPE html><title>Log in</title>", "is a web page"),
        (NAME, b"X" * 2880, "does not begin as a FITS file"),
        (NAME, b"", "does not begin as a FITS file"),
        ("table.csv.gz", gzip.compress(b"1,2\n" * 9999)[:-9], "its end is missing"),
        ("table.csv.gz", gzip.compress(b"1,2\n" * 9999)[:-8] + b"12345678", "not a whole gzip file"),
        ("table.csv", b"\n<html><body>", "is a web page"),
        ("table.csv", b"", "is empty"),
    ],
    ids=["end", "page", "other", "empty fits", "gzip end", "gzip sum", "csv page", "empty csv"],
)
def test_what_is_not_whole_is_thrown_away(
    fetch_one: Fetch, found: Found, archive: Archive, name: str, content: bytes, words: str
) -> None:
    archive.files[name] = content
    with pytest.raises(FetchError, match=words) as caught:
        fetch_one(name)
    assert f"{archive.url}{name}" in caught.value.message
    assert "downloaded twice and thrown away" in caught.value.message
    assert found() == {}


@pytest.mark.parametrize(
    "content",
    # The second member holds far more than it takes: its end is inside the decompressor when the file ends.
    [
        gzip.compress(b"1,2\n"),
        gzip.compress(b"1\n") + gzip.compress(b"\0" * 30_000_000),
        gzip.compress(b"1") + bytes(512),
    ],
    ids=["one", "two", "padded"],
)
def test_whole_gzip_files_of_one_or_more_members(
    fetch_one: Fetch, found: Found, archive: Archive, content: bytes
) -> None:
    archive.files["table.csv.gz"] = content
    fetch_one("table.csv.gz")
    assert found() == {"table.csv.gz": content}


def test_a_file_that_the_archive_changed_is_replaced_only_when_asked(
    fetch_one: Fetch, found: Found, archive: Archive
) -> None:
    fetch_one(NAME)
    archive.files[NAME] = FITS.replace(b"T", b"F")
    with pytest.raises(FetchError, match="the archive has changed the file") as caught:
        fetch_one(NAME)
    assert "--replace" in caught.value.remedy
    assert found() == {NAME: FITS}
    fetch_one(NAME, replace=True)
    assert found() == {NAME: archive.files[NAME]}


def test_a_file_damaged_on_the_disk_is_downloaded_again(fetch_one: Fetch, found: Found, folder: Path) -> None:
    fetch_one(NAME)
    (folder / NAME).write_bytes(FITS[:-2880])
    result = fetch_one(NAME)
    assert found() == {NAME: FITS}
    assert "is downloaded again" in result.notes[0]


def test_a_copied_file_is_kept_without_a_download(fetch_one: Fetch, archive: Archive, folder: Path) -> None:
    (folder / NAME).write_bytes(FITS)
    result = fetch_one(NAME)
    assert result.n_skipped == 1
    assert "was there before" in result.notes[0]
    assert archive.asked(NAME) == []


def test_a_file_of_another_size_is_not_overwritten(fetch_one: Fetch, found: Found, folder: Path) -> None:
    (folder / NAME).write_bytes(FITS[:2880])
    with pytest.raises(FetchError, match=r"it has 2,880 bytes, the archive's file 288,000"):
        fetch_one(NAME)
    assert found() == {NAME: FITS[:2880]}


def test_an_archive_that_is_away_does_not_spoil_what_is_there(fetch_one: Fetch, archive: Archive) -> None:
    fetch_one(NAME)
    archive.always[NAME] = Answer(503)
    result = fetch_one(NAME)
    assert result.n_skipped == 1
    assert "503" in result.notes[0]


def test_a_known_checksum_is_compared(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    right = hashlib.md5(FITS).hexdigest()
    fetch_one(NAME, md5=right)
    assert found() == {NAME: FITS}
    archive.files["other.fits"] = FITS + bytes(2880)
    with pytest.raises(FetchError, match=f"in place of {right}"):
        fetch_one("other.fits", md5=right)
    assert found() == {NAME: FITS}


def test_only_all_of_it_can_be_asked_for(fetch_one: Fetch) -> None:
    with pytest.raises(ConfigurationError, match="comes whole; HEALPix 1:0-3"):
        fetch_one(NAME, selection=Selection(healpix=HealpixRange(1, 0, 3)))


def test_a_gzip_file_that_is_called_an_encoding_stays_as_it_is(
    fetch_one: Fetch, found: Found, archive: Archive
) -> None:
    archive.encoding = "gzip"
    archive.files["table.csv.gz"] = gzip.compress(b"1,2\n" * 1000)
    archive.faults["table.csv.gz"].append(Cut(20))
    fetch_one("table.csv.gz")
    assert found() == {"table.csv.gz": archive.files["table.csv.gz"]}


def test_an_encoding_that_was_not_asked_for_is_refused(fetch_one: Fetch, found: Found, archive: Archive) -> None:
    archive.encoding = "gzip"
    archive.files[NAME] = gzip.compress(FITS)
    with pytest.raises(FetchError, match="sent it as gzip, which it was not asked for"):
        fetch_one(NAME)
    assert found() == {}


@pytest.mark.parametrize("name", ["a/..%2F..%2Fetc", "a/..", "a/", "a/.hidden", "a/b%20c"])
def test_names_that_could_leave_the_folder_are_refused(fetch_one: Fetch, found: Found, name: str) -> None:
    with pytest.raises(FetchError, match="is not taken as a file name"):
        fetch_one(name)
    assert found() == {}

"""The bulk route when the archive fails: each trouble ends with the right file, or with none and a clear message."""

import hashlib
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from catalog.fetch import FetchError, FetchResult
from catalog.fetch import space as space_module
from catalog.fetch.journal import Journal, Part
from catalog.fetch.session import ArchiveSession
from tests.fetch.archive import Answer, Archive, Corrupt, Cut
from tests.fetch.conftest import FOLDER, NAMES, Fetch

Found = Callable[[], dict[str, bytes]]
BAD = f"{FOLDER}{NAMES[1]}"


def others_arrived(result: FetchResult, found: dict[str, bytes], contents: dict[str, bytes]) -> bool:
    """Tell whether all files but the bad one are there, and nothing under the bad one's name."""
    rest = {name: content for name, content in contents.items() if name != NAMES[1]}
    whole = {name: content for name, content in found.items() if not name.endswith(".part")}
    return whole == rest and [path.name for path in result.files] == sorted(rest)


def test_a_connection_cut_in_the_body_goes_on_where_it_ended(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.faults[BAD].extend([Cut(100_000), Cut(50_000)])
    result = fetch()
    assert found() == contents
    assert not result.failures
    assert [each.range for each in archive.asked(BAD)] == ["", "bytes=100000-", "bytes=150000-"]
    assert all(each.if_range for each in archive.asked(BAD)[1:])
    assert result.n_bytes == sum(map(len, contents.values()))


def test_a_connection_that_is_cut_each_time_is_given_up_and_kept(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, session: ArchiveSession
) -> None:
    archive.always[BAD] = Cut(1000)
    result = fetch()
    assert others_arrived(result, found(), contents)
    (failure,) = result.failures
    assert "the connection broke off after 4,000 of 301,000 bytes, 4 attempts" in failure.message
    assert "The same command goes on from here" in failure.remedy
    assert len(archive.asked(BAD)) == 1 + session.patience.retries
    del archive.always[BAD]
    assert not fetch().failures
    assert archive.asked(BAD)[-1].range == "bytes=4000-"
    assert found() == contents


def test_cuts_that_bring_much_do_not_count_against_the_file(fetch: Fetch, archive: Archive, found: Found) -> None:
    contents = {NAMES[0]: b"0123456789abcdef" * (600 * 1024)}
    archive.put_bulk(FOLDER, contents)
    archive.faults[f"{FOLDER}{NAMES[0]}"].extend([Cut(1 << 20)] * 8)
    assert not fetch().failures
    assert found() == contents


def test_500_then_fine(fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive) -> None:
    archive.faults[BAD].extend([Answer(500), Answer(503)])
    assert not fetch().failures
    assert found() == contents
    assert [each.status for each in archive.asked(BAD)] == [500, 503, 200]


@pytest.mark.parametrize("wait", ["seconds", "date"])
def test_429_is_asked_again_after_the_time_that_it_names(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, wait: str
) -> None:
    value = formatdate(usegmt=True) if wait == "date" else "1"
    archive.faults[BAD].append(Answer(429, (("Retry-After", value),)))
    assert not fetch().failures
    assert found() == contents
    assert [each.status for each in archive.asked(BAD)] == [429, 200]


def test_permanent_500_fails_one_file(fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive) -> None:
    archive.always[BAD] = Answer(500)
    result = fetch()
    assert others_arrived(result, found(), contents)
    (failure,) = result.failures
    assert f"{archive.url}{BAD}: the archive answered 500 Internal Server Error (4 attempts)" in failure.message
    assert "The same command goes on from here" in failure.remedy


def test_permanent_429_tells_how_long_to_wait(fetch: Fetch, archive: Archive) -> None:
    archive.always[BAD] = Answer(429, (("Retry-After", "0"),))
    (failure,) = fetch().failures
    assert "429 Too Many Requests (4 attempts)" in failure.message
    assert "asks to wait 0 s" in failure.remedy
    archive.always[BAD] = Answer(429, (("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),))
    (failure,) = fetch().failures
    assert "asks to wait until Fri, 31 Dec 1999 23:59:59 GMT." in failure.remedy


def test_a_file_that_is_gone_fails_alone(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    del archive.files[BAD]
    result = fetch()
    assert others_arrived(result, found(), contents)
    assert "404 Not Found (1 attempt)" in result.failures[0].message


def test_a_wrong_checksum_is_mended_by_a_second_download(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.faults[BAD].append(Corrupt(at=200_000))
    result = fetch()
    assert not result.failures
    assert found() == contents
    assert [each.range for each in archive.asked(BAD)] == ["", ""]


def test_a_part_with_a_wrong_byte_is_thrown_away_whole(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    (folder / f"{NAMES[1]}.part").write_bytes(b"\0" * 200_000)
    assert not fetch().failures
    assert found() == contents
    assert [each.range for each in archive.asked(BAD)] == ["bytes=200000-", ""]


def test_a_checksum_that_stays_wrong_leaves_no_file(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    archive.files[BAD] = b"something else"
    result = fetch()
    assert others_arrived(result, found(), contents)
    assert not (folder / f"{NAMES[1]}.part").exists()
    (failure,) = result.failures
    assert hashlib.md5(b"something else").hexdigest() in failure.message
    assert hashlib.md5(contents[NAMES[1]]).hexdigest() in failure.message
    assert NAMES[1] in failure.message
    assert len(archive.asked(BAD)) == 2


def changed_between(fetch: Fetch, archive: Archive, contents: dict[str, bytes]) -> dict[str, bytes]:
    """Download a part of one version, and put another version of the same length into the archive."""
    archive.always[BAD] = Cut(10_000)
    assert len(fetch().failures) == 1
    del archive.always[BAD]
    new = {**contents, NAMES[1]: bytes(reversed(contents[NAMES[1]]))}
    archive.put_bulk(FOLDER, new)
    archive.requests.clear()
    return new


def test_a_file_that_changed_between_parts_is_not_spliced(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    new = changed_between(fetch, archive, contents)
    result = fetch()
    assert not result.failures
    assert found() == new
    # If-Range let the archive send the whole file at once: one request, no checksum failed.
    assert [(each.range, each.status) for each in archive.asked(BAD)] == [("bytes=40000-", 200)]


def test_an_archive_that_ignores_if_range_is_found_out(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.heeds_if_range = False
    new = changed_between(fetch, archive, contents)
    assert not fetch().failures
    assert found() == new
    assert [(each.range, each.status) for each in archive.asked(BAD)] == [("bytes=40000-", 206), ("", 200)]


def test_an_archive_that_names_no_versions_is_resumed_and_checked(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.names_versions = False
    new = changed_between(fetch, archive, contents)
    assert not fetch().failures
    assert found() == new
    # The spliced file has the wrong checksum, and is downloaded again from the start.
    assert [each.range for each in archive.asked(BAD)] == ["bytes=40000-", ""]


def test_an_archive_without_ranges_sends_all_again(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.knows_ranges = False
    archive.faults[BAD].append(Cut(100_000))
    assert not fetch().failures
    assert found() == contents
    assert [each.status for each in archive.asked(BAD)] == [200, 200]


def test_an_archive_that_tells_no_sizes_is_checked_by_checksum(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    archive.tells_size = False
    archive.answers_head = False
    archive.faults[BAD].append(Cut(100_000))
    assert not fetch().failures
    assert found() == contents


def test_a_part_that_is_whole_is_only_renamed(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    (folder / f"{NAMES[1]}.part").write_bytes(contents[NAMES[1]])
    assert not fetch().failures
    assert found() == contents
    assert [(each.status) for each in archive.asked(BAD)] == [416]


def test_a_part_that_is_too_long_is_thrown_away(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    (folder / f"{NAMES[1]}.part").write_bytes(contents[NAMES[1]] + b"more")
    assert not fetch().failures
    assert found() == contents


def test_a_missing_list_of_checksums(fetch: Fetch, archive: Archive, found: Found) -> None:
    del archive.files[f"{FOLDER}_MD5SUM.txt"]
    with pytest.raises(FetchError, match=r"_MD5SUM.txt: the archive answered 404 Not Found \(1 attempt\)") as caught:
        fetch()
    assert "--endpoint" in caught.value.remedy
    assert found() == {}


def test_a_list_of_checksums_cut_in_its_body_is_asked_for_again(
    fetch: Fetch, archive: Archive, found: Found, contents: dict[str, bytes]
) -> None:
    archive.faults[f"{FOLDER}_MD5SUM.txt"].append(Cut(70))
    assert not fetch().failures
    assert found() == contents


def test_a_full_disk_is_told_before_the_download(
    fetch: Fetch, archive: Archive, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(len(archive.files[f"{FOLDER}{name}"]) for name in NAMES)
    monkeypatch.setattr(space_module, "_RESERVE", space_module.free_bytes(Path("/")) * 1000)
    with pytest.raises(FetchError, match=r"1\.5 MB are still to come, and .* are free on its disk") as caught:
        fetch()
    assert size == 1_510_000
    assert "--to" in caught.value.remedy
    assert found() == {}


def test_a_part_of_another_mirror_is_checked_by_checksum_alone(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    (folder / f"{NAMES[1]}.part").write_bytes(contents[NAMES[1]][:1000])
    Journal(folder).record(NAMES[1], Part(url="https://mirror.example/x", etag='"theirs"'))
    assert not fetch().failures
    assert found() == contents
    assert [(each.range, each.if_range) for each in archive.asked(BAD)] == [("bytes=1000-", "")]

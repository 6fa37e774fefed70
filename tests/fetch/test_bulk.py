"""The bulk route: what is chosen, what is skipped, what is replaced."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog.fetch import FetchError, HealpixRange, Selection
from catalog.fetch.journal import Journal
from tests.fetch.archive import Archive
from tests.fetch.conftest import FOLDER, NAMES, Fetch

Found = Callable[[], dict[str, bytes]]


def test_everything_arrives_verified_and_nothing_else(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    told: list[tuple[float, float]] = []
    result = fetch(progress=lambda done, total, what="": told.append((done, total)))
    assert found() == contents
    assert (folder / "_MD5SUM.txt").read_bytes() == archive.files[f"{FOLDER}_MD5SUM.txt"]
    assert result.files == [folder / name for name in NAMES]
    size = sum(map(len, contents.values()))
    assert (result.n_bytes, result.n_skipped, result.failures) == (size, 0, [])
    assert told[-1] == (size, size)
    part = Journal(folder)[NAMES[0]]
    assert part.checksum == f"md5:{hashlib.md5(contents[NAMES[0]]).hexdigest()}"
    assert part.url == f"{archive.url}{FOLDER}{NAMES[0]}"
    assert Journal(folder).untouched(NAMES[0]) == part


def test_the_second_time_only_the_list_is_asked_for(fetch: Fetch, archive: Archive) -> None:
    fetch()
    n_before = len(archive.requests)
    result = fetch()
    assert (result.n_bytes, result.n_skipped, len(result.files)) == (0, 5, 5)
    assert [each.path for each in archive.requests[n_before:]] == [f"{FOLDER}_MD5SUM.txt"]


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(healpix=HealpixRange(8, 999, 1000)), NAMES[:2]),
        (Selection(healpix=HealpixRange(8, 1000, 1999)), NAMES[1:2]),
        # A pixel of level 7 holds four of level 8: 500 holds 2000 to 2003.
        (Selection(healpix=HealpixRange(7, 499, 500)), NAMES[1:3]),
        (Selection(source_ids=np.array([(4999 << 43) + 7])), NAMES[4:]),
        (Selection(source_ids=np.array([5, 999 << 43, 3000 << 43])), [NAMES[0], NAMES[3]]),
        (Selection(source_ids=np.array([5, 3000 << 43]), healpix=HealpixRange(8, 1, 4999)), NAMES[3:4]),
        (Selection(limit=2), NAMES[:2]),
    ],
)
def test_a_selection_chooses_the_files_that_may_hold_it(
    fetch: Fetch, found: Found, selection: Selection, chosen: list[str]
) -> None:
    result = fetch(selection)
    assert sorted(found()) == chosen == [path.name for path in result.files]


def test_a_selection_outside_all_files_is_an_error(fetch: Fetch) -> None:
    with pytest.raises(FetchError, match="No file of rvs_mean_spectrum holds HEALPix 8:6000-6001"):
        fetch(Selection(healpix=HealpixRange(8, 6000, 6001)))


def test_files_of_a_lost_journal_are_verified_not_downloaded(fetch: Fetch, archive: Archive, folder: Path) -> None:
    fetch()
    sent = archive.sent()
    (folder / "_fetch.json").unlink()
    result = fetch()
    assert result.n_skipped == 5
    assert archive.sent() - sent == len(archive.files[f"{FOLDER}_MD5SUM.txt"])


def test_a_damaged_journal_is_put_aside(fetch: Fetch, folder: Path) -> None:
    fetch()
    (folder / "_fetch.json").write_text('{"version": 1, "parts": {"RvsMean')
    assert fetch().n_skipped == 5
    assert (folder / "_fetch.damaged.json").is_file()


def test_a_file_damaged_on_the_disk_is_downloaded_again(
    fetch: Fetch, found: Found, contents: dict[str, bytes], folder: Path
) -> None:
    fetch()
    (folder / NAMES[2]).write_bytes(contents[NAMES[2]][:-1])
    result = fetch()
    assert found() == contents
    assert (result.n_skipped, result.n_bytes) == (4, len(contents[NAMES[2]]))
    assert NAMES[2] in result.notes[0]


def test_a_file_that_the_archive_changed_is_replaced_only_when_asked(
    fetch: Fetch, found: Found, contents: dict[str, bytes], archive: Archive
) -> None:
    fetch()
    new = {**contents, NAMES[1]: b"another version" * 1000}
    archive.put_bulk(FOLDER, new)
    result = fetch()
    assert found() == contents
    assert [path.name for path in result.files] == [NAMES[0], *NAMES[2:]]
    (failure,) = result.failures
    assert "the archive has changed it" in failure.message
    assert hashlib.md5(new[NAMES[1]]).hexdigest() in failure.message
    assert "--replace" in failure.remedy
    assert not fetch(replace=True).failures
    assert found() == new


def test_another_file_of_that_name_is_not_overwritten(fetch: Fetch, folder: Path) -> None:
    (folder / NAMES[0]).write_bytes(b"mine")
    result = fetch()
    assert (folder / NAMES[0]).read_bytes() == b"mine"
    assert "it is another file" in result.failures[0].message


def test_progress_counts_what_was_there_of_a_part(
    fetch: Fetch, contents: dict[str, bytes], archive: Archive, folder: Path
) -> None:
    (folder / f"{NAMES[0]}.part").write_bytes(contents[NAMES[0]][:100_000])
    told: list[float] = []
    result = fetch(Selection(limit=1), progress=lambda done, total, what="": told.append(done))
    assert result.n_bytes == len(contents[NAMES[0]]) - 100_000
    assert min(told) >= 100_000
    assert told[-1] == len(contents[NAMES[0]])

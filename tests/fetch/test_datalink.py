"""The datalink route: what is asked, what comes, what is missing, what is not asked twice."""

import csv
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.io.votable.tree import Param, VOTableFile
from astropy.table import Table

from catalog.errors import ConfigurationError
from catalog.fetch import ArchiveSession, HealpixRange, Selection
from catalog.fetch.journal import FILE_NAME
from tests.fetch.datalink_server import DatalinkServer, individual, numbered, raw_ecsv
from tests.fetch.datalink_sky import DatalinkSky, spectra_in
from tests.fetch.tap_server import Answer, Hold
from tests.surveys.files import FIRST_ID, spectra

IDS = [FIRST_ID + i for i in range(12)]
COLUMNS = spectra(12)


@pytest.fixture
def server() -> Iterator[DatalinkServer]:
    """A data server with the spectra of twelve stars as RAW ECSV."""
    with DatalinkServer(IDS, raw_ecsv(COLUMNS)) as server:
        yield server


@pytest.fixture
def link(server: DatalinkServer, session: ArchiveSession, folder: Path) -> DatalinkSky:
    return DatalinkSky(server.url, session, folder)


def is_right(found: dict[int, np.ndarray], ids: list[int]) -> bool:
    """Tell whether these stars' spectra, and no other, were found."""
    expected = {number: COLUMNS["flux"][IDS.index(number)] for number in ids}
    return sorted(found) == sorted(ids) and all(
        np.array_equal(found[number], flux, equal_nan=True) for number, flux in expected.items()
    )


def test_products_come_in_bounded_calls_that_the_survey_reader_reads(link: DatalinkSky, server: DatalinkServer) -> None:
    result = link.fetch(IDS)
    assert sorted(server.asked) == [IDS[:5], IDS[5:10], IDS[10:]]
    assert is_right(spectra_in(result.files), IDS)
    assert (result.n_rows, result.n_skipped, result.notes, result.failures) == (12, 0, [], [])
    assert len(result.missing_ids) == 0
    assert sorted(link.contents()) == [path.name for path in result.files]
    assert all(re.fullmatch(r"RVS_RAW_[0-9a-f]{12}\.zip", path.name) for path in result.files)


def test_parameters_are_those_of_the_archives_own_client(link: DatalinkSky, server: DatalinkServer) -> None:
    link.fetch(IDS[:2])
    assert server.requests == [
        {
            "ID": f"{IDS[0]},{IDS[1]}",
            "RELEASE": "Gaia DR3",
            "RETRIEVAL_TYPE": "RVS",
            "DATA_STRUCTURE": "RAW",
            "FORMAT": "ecsv",
            "VALID_DATA": "false",
            "USE_ZIP_ALWAYS": "true",
        }
    ]


def test_the_same_list_asks_nothing_again(link: DatalinkSky, server: DatalinkServer) -> None:
    first, before = link.fetch(IDS), link.contents()
    again = link.fetch(IDS)
    assert len(server.requests) == 3
    assert (again.files, again.n_rows, again.n_skipped, again.n_bytes) == (first.files, 12, 3, 0)
    assert link.contents() == before


def test_a_longer_list_asks_for_the_rest_and_overwrites_nothing(link: DatalinkSky, server: DatalinkServer) -> None:
    link.fetch(IDS[2:9])
    before = link.contents()
    result = link.fetch(IDS)
    assert [number for ids in server.asked[2:] for number in ids] == IDS[:2] + IDS[9:]
    assert {name: content for name, content in link.contents().items() if name in before} == before
    assert is_right(spectra_in(result.files), IDS)
    assert result.n_skipped == 2


def test_another_list_of_the_same_length_never_lands_in_the_same_file(link: DatalinkSky) -> None:
    first, second = link.fetch(IDS[:5]), link.fetch(IDS[5:10])
    assert not set(first.files) & set(second.files)
    assert is_right(spectra_in(first.files), IDS[:5])
    assert is_right(spectra_in(second.files), IDS[5:10])


def missing_rows(link: DatalinkSky) -> list[dict[str, str]]:
    with (link.folder / "_missing_rvs_mean_spectrum.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_what_the_archive_has_not_is_asked_once_more_and_then_told(link: DatalinkSky, server: DatalinkServer) -> None:
    absent = [IDS[1], IDS[3], IDS[10]]
    server.available -= set(absent)
    result = link.fetch(IDS, jobs=1)
    assert server.asked == [IDS[:5], absent[:2], IDS[5:10], IDS[10:], absent[2:]]
    assert result.failures == []
    assert result.missing_ids.tolist() == absent
    assert result.n_rows == 9
    (note,) = result.notes
    assert note.startswith("The archive has no rvs_mean_spectrum of 3 of the 12 stars asked for: ")
    assert is_right(spectra_in(result.files), [number for number in IDS if number not in absent])
    rows = missing_rows(link)
    assert [int(row["source_id"]) for row in rows] == sorted(absent, key=lambda n: (rows_chunk(rows, n), n))
    assert all((link.folder / f"{row['chunk']}.zip").exists() for row in rows)
    assert {row["reason"] for row in rows} == {"not in the archive's answer, asked twice"}


def rows_chunk(rows: list[dict[str, str]], number: int) -> str:
    return next(row["chunk"] for row in rows if int(row["source_id"]) == number)


def test_what_is_missing_stays_known(link: DatalinkSky, server: DatalinkServer) -> None:
    server.available -= {IDS[1], IDS[6]}
    link.fetch(IDS[:5])
    assert [int(row["source_id"]) for row in missing_rows(link)] == [IDS[1]]
    result = link.fetch(IDS)
    assert sorted(int(row["source_id"]) for row in missing_rows(link)) == [IDS[1], IDS[6]]
    assert result.missing_ids.tolist() == [IDS[1], IDS[6]]
    n_requests = len(server.requests)
    assert link.fetch(IDS[:2]).missing_ids.tolist() == [IDS[1]]
    assert len(server.requests) == n_requests


def test_what_comes_at_the_second_asking_is_not_missing(link: DatalinkSky, server: DatalinkServer) -> None:
    server.late = {IDS[2], IDS[4]}
    result = link.fetch(IDS[:5])
    assert server.asked == [IDS[:5], [IDS[2], IDS[4]]]
    assert (len(result.missing_ids), result.n_rows, result.notes) == (0, 5, [])
    assert len(result.files) == 2
    assert is_right(spectra_in(result.files), IDS[:5])
    assert link.fetch(IDS[:5]).files == result.files
    assert len(server.requests) == 2


@pytest.mark.parametrize("empty", [None, Answer(204, b"")], ids=["an empty archive", "no content"])
def test_no_product_at_all_is_no_failure(link: DatalinkSky, server: DatalinkServer, empty: Answer | None) -> None:
    server.available.clear()
    server.empty = empty
    result = link.fetch(IDS[:5])
    assert (result.files, result.n_rows, result.failures) == ([], 0, [])
    assert result.missing_ids.tolist() == IDS[:5]
    assert link.contents() == {}
    assert server.asked == [IDS[:5], IDS[:5]]
    link.fetch(IDS[:5])
    assert len(server.requests) == 2


def test_nothing_at_first_and_all_at_the_second_asking(link: DatalinkSky, server: DatalinkServer) -> None:
    server.late = set(IDS[:5])
    result = link.fetch(IDS[:5])
    assert is_right(spectra_in(result.files), IDS[:5])
    assert len(result.missing_ids) == 0


def test_two_calls_are_made_at_once(link: DatalinkSky, server: DatalinkServer) -> None:
    holds = [Hold(after=10), Hold(after=10)]
    server.faults.extend(holds)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(link.fetch(IDS, jobs=2)))
    thread.start()
    assert all(hold.reached.wait(30) for hold in holds)
    for hold in holds:
        hold.release.set()
    thread.join(60)
    assert is_right(spectra_in(results[0].files), IDS)


def test_a_limit_and_a_range_of_the_sky_choose_among_the_identifiers(link: DatalinkSky, server: DatalinkServer) -> None:
    ids = np.array([*IDS[:4], 3 << 59, (3 << 59) + 1], dtype=np.int64)
    selection = Selection(source_ids=ids, healpix=HealpixRange(0, 0, 0), limit=3)
    assert link.fetch(selection).n_rows == 3
    assert server.asked == [IDS[:3]]
    with pytest.raises(ConfigurationError, match="None of the identifiers lies in the HEALPix range"):
        link.fetch(Selection(source_ids=ids, healpix=HealpixRange(0, 7, 7)))


def test_without_identifiers_it_says_where_they_come_from(link: DatalinkSky, server: DatalinkServer) -> None:
    for selection in (Selection(), Selection(healpix=HealpixRange(0, 1, 1)), Selection(limit=5)):
        with pytest.raises(ConfigurationError, match="by identifier, and none are given") as error:
            link.fetch(selection)
        assert "--source-ids" in error.value.remedy
    assert server.requests == []


@pytest.mark.parametrize("chunk", [0, 5001])
def test_more_identifiers_a_call_than_the_archive_takes_are_refused_here(
    link: DatalinkSky, server: DatalinkServer, chunk: int
) -> None:
    with pytest.raises(ConfigurationError, match=rf"chunk = {chunk} .* not between 1 and 5,000"):
        link.fetch(IDS, chunk=chunk)
    assert server.requests == []


def test_a_list_of_five_thousand_and_one_makes_two_calls(link: DatalinkSky, server: DatalinkServer) -> None:
    server.available.clear()
    result = link.fetch(list(range(1, 5002)), chunk=5000)
    assert sorted({len(ids) for ids in server.asked}) == [1, 5000]
    assert len(result.missing_ids) == 5001


def test_an_answer_that_is_compressed_on_the_way_is_stored_as_it_was(link: DatalinkSky, server: DatalinkServer) -> None:
    link.fetch(IDS)
    plain = link.contents()
    other = DatalinkSky(server.url, link.session, link.folder.parent / "compressed")
    server.compress = True
    other.fetch(IDS)
    assert other.contents() == plain


def test_progress_counts_stars(link: DatalinkSky) -> None:
    told: list[tuple[float, float, str]] = []
    link.fetch(IDS, progress=lambda done, total, what="": told.append((done, total, what)))
    assert told[-1] == (12, 12, "12 of 12 stars asked for")
    link.fetch(IDS, progress=lambda done, total, what="": told.append((done, total, what)))
    assert told[-1][:2] == (12, 12)


def real_files(real_data: Path, suffix: str) -> dict[int, bytes]:
    paths = [path for path in (real_data / "rvs").glob(f"rvs_*.{suffix}") if re.match(r"rvs_\d+", path.name)]
    return {int(re.findall(r"\d+", path.name)[0]): path.read_bytes() for path in paths}


@pytest.mark.parametrize("suffix", ["csv", "fits"])
@pytest.mark.parametrize("is_named", [True, False], ids=["by name", "by content"])
def test_real_individual_products(
    real_data: Path, session: ArchiveSession, folder: Path, suffix: str, is_named: bool
) -> None:
    files = real_files(real_data, suffix)
    assert len(files) >= 4
    absent = 1234567890123456789
    pack = individual(files, suffix)
    if not is_named:
        # As another release may name them: then they are read.
        pack = numbered(pack, suffix)
    with DatalinkServer(list(files), pack) as server:
        link = DatalinkSky(server.url, session, folder)
        result = link.fetch([*files, absent], data_structure="INDIVIDUAL", format=suffix)
    assert result.missing_ids.tolist() == [absent]
    assert sorted(spectra_in(result.files)) == sorted(files)
    assert all(path.name.startswith("RVS_INDIVIDUAL_") for path in result.files)


def test_real_xp_coefficients_as_raw_csv(real_data: Path, session: ArchiveSession, folder: Path) -> None:
    for name in ("xp_continuous_raw_missing_bp_3rows", "xp_continuous_raw_2stars"):
        for suffix in ("csv", "ecsv", "fits", "xml"):
            content = (real_data / "xp" / f"{name}.{suffix}").read_bytes()
            text = (real_data / "xp" / f"{name}.csv").read_text()
            ids = [int(line.partition(",")[0]) for line in text.splitlines()[1:]]
            with DatalinkServer(ids, lambda _, content=content, suffix=suffix: {f"XP_RAW.{suffix}": content}) as server:
                link = DatalinkSky(server.url, session, folder / name / suffix)
                result = link.fetch(sorted(set(ids)), format=suffix)
            assert (result.n_rows, len(result.missing_ids)) == (len(set(ids)), 0)


def test_combined_products_say_whose_they_are_in_their_parameters(session: ArchiveSession, folder: Path) -> None:
    def pack(ids: list[int]) -> dict[str, bytes]:
        document = VOTableFile()
        for number in ids:
            part = from_table(Table({"wavelength": [846.0, 846.01], "flux": [1.0, 0.9]}))
            (table,) = part.iter_tables()
            table.params.append(Param(part, name="source_id", datatype="long", value=str(number)))
            document.resources.append(part.resources[0])
        path = folder / "_combined.xml"
        document.to_xml(str(path))
        return {"RVS_COMBINED.xml": path.read_bytes()}

    with DatalinkServer(IDS[:4], pack) as server:
        result = DatalinkSky(server.url, session, folder).fetch(IDS[:5], data_structure="COMBINED", format="votable")
    assert result.n_rows == 4
    assert result.missing_ids.tolist() == [IDS[4]]


def test_a_lost_journal_and_a_copied_folder_cost_no_download(link: DatalinkSky, server: DatalinkServer) -> None:
    server.available.discard(IDS[3])
    first = link.fetch(IDS)
    n_requests = len(server.requests)
    for path in first.files:
        path.touch()
    again = link.fetch(IDS)
    (link.folder / FILE_NAME).unlink()
    anew = link.fetch(IDS)
    # Only what was missing is asked for again.
    assert server.asked[n_requests:] == [[IDS[3]], [IDS[3]]]
    assert again.files == anew.files == first.files
    assert again.missing_ids.tolist() == anew.missing_ids.tolist() == [IDS[3]]


def test_a_file_that_was_damaged_since_is_fetched_again(link: DatalinkSky, server: DatalinkServer) -> None:
    first, before = link.fetch(IDS), link.contents()
    first.files[0].write_bytes(first.files[0].read_bytes()[:-100])
    first.files[1].unlink()
    link.fetch(IDS)
    assert link.contents() == before
    assert len(server.requests) == 5

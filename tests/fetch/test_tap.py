"""The tap route: what is asked, what comes, what is not asked twice."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from catalog.errors import ConfigurationError
from catalog.fetch import ArchiveSession, FetchError, HealpixRange, Selection
from catalog.fetch.journal import FILE_NAME, Journal
from catalog.fetch.tap import fetch_tap
from catalog.releases.model import Source, TapRoute
from tests.fetch.tap_server import TapServer
from tests.fetch.tap_sky import TapSky, ids_in, sky, with_rvs


@pytest.fixture
def server() -> Iterator[TapServer]:
    """A service with `sky`."""
    with TapServer(sky()) as server:
        yield server


@pytest.fixture
def tap(server: TapServer, session: ArchiveSession, folder: Path) -> TapSky:
    return TapSky(server, session, folder)


def test_a_whole_table_comes_in_healpix_pixels_that_the_survey_reader_reads(tap: TapSky, server: TapServer) -> None:
    result = tap.fetch()
    expected = with_rvs(server.table)
    assert [path.name for path in result.files] == tap.names()
    assert tap.names() == [f"gaia_source_healpix0-{pixel}.vot" for pixel in (0, 11, 4)]
    assert ids_in(result.files).tolist() == expected.tolist()
    assert (result.n_rows, result.n_skipped, result.failures) == (len(expected), 0, [])
    assert result.n_bytes == sum(path.stat().st_size for path in result.files)
    for pixel in (0, 4, 11):
        ids = ids_in([tap.folder / f"gaia_source_healpix0-{pixel}.vot"])
        assert (ids >> 59 == pixel).all()


def test_each_part_is_counted_and_asked_for_above_its_count_and_its_job_deleted(tap: TapSky, server: TapServer) -> None:
    tap.fetch()
    assert len(server.counted) == 12
    assert all(
        re.match(r"SELECT COUNT\(\*\) AS n_rows FROM gaiadr3\.gaia_source AS t WHERE ", q) for q in server.counted
    )
    asked = server.asked("POST", "/tap/async")
    assert len(asked) == 3
    assert all(each.parameters["FORMAT"] == "votable" for each in asked)
    assert sorted(int(each.parameters["MAXREC"]) for each in asked) == [19, 19, 19]
    assert all(f"t.source_id < {1 << 59}" in q for q in server.submitted if "t.source_id >= 0 " in q)
    assert all("(t.has_rvs = 'true') AND t.source_id >= " in query for query in server.submitted)
    assert server.jobs == {}


def test_the_same_command_asks_nothing_of_what_is_there(tap: TapSky, server: TapServer) -> None:
    first, before = tap.fetch(), tap.contents()
    server.requests.clear()
    again = tap.fetch()
    assert server.requests == []
    assert again.files == first.files
    assert (again.n_rows, again.n_skipped, again.n_bytes) == (first.n_rows, 12, 0)
    assert tap.contents() == before


def test_a_healpix_range_is_cut_to_its_edges(tap: TapSky, server: TapServer) -> None:
    within = HealpixRange(1, 1, 17)
    result = tap.fetch(Selection(healpix=within))
    lowest, highest = within.source_ids
    expected = [n for n in with_rvs(server.table).tolist() if lowest <= n <= highest]
    assert 0 < len(expected) < len(with_rvs(server.table))
    assert ids_in(result.files).tolist() == expected
    # A part of a pixel has another name than the pixel, which a later download may want whole.
    assert any(name.startswith("gaia_source_range-") for name in tap.names())
    whole = tap.fetch()
    assert set(ids_in(whole.files)) == set(with_rvs(server.table))
    assert "gaia_source_healpix0-0.vot" in tap.names()


def test_identifiers_come_in_bounded_queries_and_those_without_a_row_are_told(tap: TapSky, server: TapServer) -> None:
    has_rvs = np.asarray(server.table["has_rvs"])
    ids = np.asarray(server.table["source_id"])[:25]
    result = tap.fetch(Selection(source_ids=ids), ids_per_query=10)
    listed = [re.findall(r"\d{5,}", query.partition(" IN ")[2]) for query in server.submitted]
    assert sorted(map(len, listed)) == [5, 10, 10]
    assert sorted(int(number) for numbers in listed for number in numbers) == ids.tolist()
    assert ids_in(result.files).tolist() == ids[has_rvs[:25]].tolist()
    assert result.missing_ids.tolist() == ids[~has_rvs[:25]].tolist()
    assert result.notes == ["3 of the identifiers have no row in gaiadr3.gaia_source."]


def test_another_list_of_identifiers_never_lands_in_the_same_file(tap: TapSky, server: TapServer) -> None:
    ids = with_rvs(server.table)
    first = tap.fetch(Selection(source_ids=ids[:4]), ids_per_query=4)
    before = first.files[0].read_bytes()
    second = tap.fetch(Selection(source_ids=ids[1:5]), ids_per_query=4)
    assert first.files[0].read_bytes() == before
    assert ids_in(second.files).tolist() == ids[1:5].tolist()
    n_jobs = len(server.submitted)
    assert tap.fetch(Selection(source_ids=ids[:4]), ids_per_query=4).files == first.files
    assert len(server.submitted) == n_jobs


def test_a_limit_takes_the_first_rows_without_counting_all(tap: TapSky, server: TapServer) -> None:
    result = tap.fetch(Selection(limit=7))
    assert result.n_rows == len(ids_in(result.files)) == 7
    assert server.counted == []
    (asked,) = server.asked("POST", "/tap/async")
    assert asked.parameters["QUERY"].startswith("SELECT TOP 7 t.source_id, ")
    assert asked.parameters["MAXREC"] == "8"


def test_a_limit_above_the_rows_there_are_is_compared_with_their_count(tap: TapSky, server: TapServer) -> None:
    pixel = HealpixRange(0, 4, 4)
    result = tap.fetch(Selection(healpix=pixel, limit=40))
    assert result.n_rows == 18
    assert len(server.counted) == 1
    server.lost_rows = 1
    with pytest.raises(FetchError, match="has 17 rows, COUNT"):
        tap.fetch(Selection(healpix=pixel, limit=41))


def test_a_limit_that_no_query_can_give_is_refused(tap: TapSky, server: TapServer) -> None:
    with pytest.raises(ConfigurationError, match="--limit 30 is more than the 20 rows of one query"):
        tap.fetch(Selection(limit=30), row_limit=20)
    assert server.requests == []


def test_a_part_above_the_row_limit_comes_as_its_child_pixels(tap: TapSky, server: TapServer) -> None:
    result = tap.fetch(row_limit=10)
    assert ids_in(result.files).tolist() == with_rvs(server.table).tolist()
    assert not any(name.startswith("gaia_source_healpix0-") for name in tap.names())
    assert max(int(each.parameters["MAXREC"]) for each in server.asked("POST", "/tap/async")) <= 11
    assert result.notes == []
    server.requests.clear()
    assert tap.fetch(row_limit=10).files == result.files
    assert server.requests == []


def test_a_table_without_gaia_identifiers_comes_whole(session: ArchiveSession, folder: Path) -> None:
    table = Table({"recno": [1, 2, 3], "Name": ["a", "b", "c"], "RV-err": [0.1, 0.2, 0.3]})
    with TapServer(table, key="recno") as server:
        route = TapRoute(
            url=server.url,
            table='"J/A+A/673/A114/members"',
            key="recno",
            columns=("Name", "RV-err"),
            level=0,
            ordered_by_position=False,
        )
        source = Source(title="Members", product="clusters", rows=4, tap=route, default="tap")
        result = fetch_tap("clusters_2023", source, folder, Selection(), session)
        for selection in (Selection(healpix=HealpixRange(0, 1, 2)), Selection(source_ids=np.array([5]))):
            with pytest.raises(ConfigurationError, match="its key is recno"):
                fetch_tap("clusters_2023", source, folder, selection, session)
        (query,) = server.submitted
    assert query == 'SELECT t.Name, t."RV-err" FROM "J/A+A/673/A114/members" AS t'
    assert [path.name for path in result.files] == ["clusters_2023_all.vot"]
    assert result.notes == ["clusters_2023 has 3 rows; the release file expects 4."]


def test_a_join_stands_between_table_and_conditions(session: ArchiveSession, folder: Path) -> None:
    with TapServer(sky()) as server:
        route = TapRoute(
            url=server.url, table="a.b", columns=("source_id",), join="JOIN c.d AS g USING (source_id)", level=0
        )
        source = Source(title="Joined", product="gaia_source", tap=route, default="tap")
        fetch_tap("joined", source, folder, Selection(healpix=HealpixRange(0, 4, 4)), session)
        (query,) = server.submitted
    lowest, end = 4 << 59, 5 << 59
    assert query == (
        f"SELECT t.source_id FROM a.b AS t JOIN c.d AS g USING (source_id) "
        f"WHERE t.source_id >= {lowest} AND t.source_id < {end}"
    )


@pytest.mark.parametrize("form", ["binary2", "binary", "tabledata"])
@pytest.mark.parametrize("compress", [False, True])
def test_every_serialisation_comes_through(tap: TapSky, server: TapServer, form: str, compress: bool) -> None:
    server.form, server.compress = form, compress
    result = tap.fetch(Selection(healpix=HealpixRange(0, 4, 4)))
    assert len(ids_in(result.files)) == result.n_rows == 18
    assert result.files[0].read_bytes().startswith(b"<?xml")


def test_a_result_named_by_its_format_is_found(tap: TapSky, server: TapServer) -> None:
    server.names_formats = True
    assert tap.fetch(Selection(healpix=HealpixRange(0, 4, 4))).n_rows == 18


def test_columns_in_capitals_are_the_same_columns(tap: TapSky, server: TapServer) -> None:
    server.upper = True
    result = tap.fetch(Selection(source_ids=with_rvs(server.table)[:3]))
    assert result.n_rows == len(ids_in(result.files)) == 3
    assert len(result.missing_ids) == 0


def test_a_changed_query_does_not_replace_files_unasked(tap: TapSky, server: TapServer) -> None:
    tap.fetch()
    before = tap.contents()
    fewer = tap.source(columns=("source_id", "ra", "dec"))
    with pytest.raises(FetchError, match="came from another query") as error:
        tap.fetch(source=fewer)
    assert "--replace" in error.value.remedy
    assert tap.contents() == before
    tap.fetch(source=fewer, replace=True)
    assert tap.names() == sorted(before)
    assert all(content != before[name] for name, content in tap.contents().items())


def test_a_file_whose_rows_are_all_gone_goes_with_replace(tap: TapSky, server: TapServer) -> None:
    tap.fetch()
    server.table = server.table[np.asarray(server.table["source_id"]) >> 59 == 4]
    result = tap.fetch(source=tap.source(columns=("source_id", "ra", "dec")), replace=True)
    assert tap.names() == [path.name for path in result.files] == ["gaia_source_healpix0-4.vot"]


def test_files_of_other_selections_are_told_where_they_overlap(tap: TapSky) -> None:
    tap.fetch(Selection(limit=7))
    (tap.folder / "gaia_source_other_all.vot").write_text("of another source")
    (note,) = tap.fetch().notes
    assert "also holds 1 files of other selections that may hold the same rows" in note
    assert "gaia_source_top7.vot: " in note
    (tap.folder / "gaia_source_top7.vot").unlink()
    assert tap.fetch(Selection(healpix=HealpixRange(0, 4, 4))).notes == []
    (note,) = tap.fetch(Selection(healpix=HealpixRange(1, 0, 2))).notes
    assert "gaia_source_healpix0-0.vot: " in note


def test_identifiers_outside_the_range_of_the_sky_are_no_selection(tap: TapSky, server: TapServer) -> None:
    selection = Selection(source_ids=with_rvs(server.table)[:3], healpix=HealpixRange(0, 7, 7))
    with pytest.raises(ConfigurationError, match="None of the identifiers lies in the HEALPix range"):
        tap.fetch(selection)


def test_a_lost_journal_costs_a_count_and_no_download(tap: TapSky, server: TapServer) -> None:
    first = tap.fetch()
    (tap.folder / FILE_NAME).unlink()
    (tap.folder / "gaia_source_healpix0-4.vot").write_bytes(first.files[0].read_bytes()[:-200])
    server.requests.clear()
    again = tap.fetch()
    assert again.files == first.files
    assert len(server.counted) == 12
    assert len(server.submitted) == 1
    assert ids_in(again.files).tolist() == with_rvs(server.table).tolist()


def test_a_file_that_was_damaged_since_is_fetched_again(tap: TapSky, server: TapServer) -> None:
    before = tap.fetch() and tap.contents()
    damaged, copied = (tap.folder / f"gaia_source_healpix0-{pixel}.vot" for pixel in (0, 11))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    copied.touch()
    server.requests.clear()
    result = tap.fetch()
    assert tap.contents() == before
    assert (len(server.submitted), result.n_skipped) == (1, 11)


def test_progress_ends_with_all_parts(tap: TapSky) -> None:
    told: list[tuple[float, float, str]] = []
    tap.fetch(progress=lambda done, total, what="": told.append((done, total, what)))
    assert told[-1] == (12, 12, "54 rows")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_a_journal_names_the_job_of_each_part(tap: TapSky, server: TapServer) -> None:
    tap.fetch()
    journal = Journal(tap.folder)
    part = journal["gaia_source_healpix0-4.vot"]
    assert part.rows == 18
    assert part.job.startswith(f"{server.url}/async/job")
    assert part.checksum.startswith("sha256:")
    assert journal["gaia_source_healpix0-5.vot"].rows == 0


def test_every_table_of_the_release_file_can_be_asked_for() -> None:
    from catalog.fetch.tap_parts import count_query, plan_parts, rows_query
    from catalog.releases import load_release

    routes = [source.tap for source in load_release("dr3").sources.values() if source.tap is not None]
    assert routes
    for route in routes:
        parts = plan_parts(route, Selection(), 1000)
        assert len(parts) == (12 * 4**route.level if route.ordered_by_position else 1)
        assert len({part.label for part in parts}) == len(parts)
        assert f"FROM {route.table} AS t" in rows_query(route, parts[0])
        assert count_query(route, parts[0]).startswith("SELECT COUNT(*) AS n_rows FROM ")
        if route.ordered_by_position:
            assert parts[0].lowest == 0
            assert parts[-1].highest == (12 << 59) - 1
            edges = [(part.lowest, part.highest) for part in parts]
            assert all(after[0] == before[1] + 1 for before, after in pairwise(edges))  # type: ignore[operator]

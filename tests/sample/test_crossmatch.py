"""K2 stars found by position, cluster members through the DR2 neighbourhood, and what is told of them."""

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.database.queries import load
from catalog.profiles.model import CrossmatchSettings
from catalog.releases import load_release
from catalog.sample import select_samples
from catalog.sample.crossmatch import match_surveys
from catalog.sample.k2_match import K2Match, match_k2_stars
from catalog.sample.neighbourhood import ClusterMatch, match_cluster_members
from catalog.settings import Settings
from catalog.surveys.ingest import ingest_path
from tests.sample.sky import Sky
from tests.sample.test_positions import moved_directly

SETTINGS = CrossmatchSettings()
ARCSEC = 1 / 3600


@pytest.fixture
def database_url(module_database_url: str) -> str:
    """URL of one database for this module, emptied: far quicker than making another."""
    with psycopg.connect(module_database_url) as connection:
        connection.execute("DELETE FROM production.ingest_file")
        connection.execute("DELETE FROM production.run")
    return module_database_url


def degrees(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360, np.degrees(np.arcsin(vectors[:, 2]))


class K2:
    """Writes K2 stars of one file."""

    def __init__(self, sky: Sky, file_id: int | None = None) -> None:
        self.sky = sky
        self.file_id = file_id or sky._file("k2gap", "k2.csv", "complete")
        self.rows = 0

    def star(self, ra: float | None, dec: float | None, gaia_source: int | None = None) -> int:
        self.rows += 1
        self.sky.insert(
            "survey.k2gap_star", file_id=self.file_id, row_number=self.rows, epic=211_000_000 + self.rows,
            gaia_source=gaia_source, ra=ra, dec=dec, numax=50.0, teff=4800.0,
        )  # fmt: skip
        return self.rows


@pytest.fixture
def k2(sky: Sky) -> K2:
    return K2(sky)


def matches(connection: psycopg.Connection) -> dict[int, tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT row_number, source_id, method, separation, n_candidates, nearest_source_id FROM production.k2gap_match"
    )
    return {row[0]: row[1:] for row in rows}


def match(connection: psycopg.Connection, run: Run, **settings: float) -> K2Match:
    epoch = load_release("dr3").reference_epoch
    return match_k2_stars(connection, run.release, epoch, CrossmatchSettings(**settings))


def test_stars_that_move_are_found_where_they_were(sky: Sky, k2: K2, connection: psycopg.Connection, run: Run) -> None:
    """60 arcsec in 16 years: a match of today's positions would miss every one."""
    generator = np.random.default_rng(1)
    n = 40
    ra, dec = generator.uniform(0, 360, n), generator.uniform(-88, 88, n)
    angle = generator.uniform(0, 2 * np.pi, n)
    pmra, pmdec = 3750 * np.cos(angle), 3750 * np.sin(angle)
    expected = {}
    for i, (then_ra, then_dec) in enumerate(zip(*degrees(moved_directly(ra, dec, pmra, pmdec, -16.0)), strict=True)):
        source = sky.star(gaia={"ra": ra[i], "dec": dec[i], "pmra": pmra[i], "pmdec": pmdec[i]})
        expected[k2.star(float(then_ra), float(then_dec) + 0.5 * ARCSEC)] = source
    assert match(connection, run) == K2Match(n_stars=n, n_position=n)
    found = matches(connection)
    assert {row: values[0] for row, values in found.items()} == expected
    for source_id, method, separation, n_candidates, nearest in found.values():
        assert (method, n_candidates, nearest) == ("position", 1, source_id)
        assert separation == pytest.approx(0.5, abs=1e-3)
    # The same at the epoch of Gaia: nobody is where he is now.
    assert match(connection, run, k2_epoch=2016.0) == K2Match(n_stars=n, n_unmatched=n)
    assert matches(connection) == {}


def test_nearest_within_the_radius(sky: Sky, k2: K2, connection: psycopg.Connection, run: Run) -> None:
    near = sky.star(gaia={"ra": 100.0, "dec": 20.0})
    sky.star(gaia={"ra": 100.0, "dec": 20.0 + 2.5 * ARCSEC})
    sky.star(gaia={"ra": 100.0, "dec": 20.0 + 9 * ARCSEC})
    both, far, nowhere = k2.star(100.0, 20.0 + 1 * ARCSEC), k2.star(100.0, 20.0 - 4 * ARCSEC), k2.star(None, 20.0)
    assert match(connection, run) == K2Match(n_stars=3, n_position=1, n_ambiguous=1, n_unmatched=2)
    found = matches(connection)
    assert set(found) == {both}
    assert found[both] == (near, "position", pytest.approx(1.0, abs=1e-4), 2, near)
    assert match(connection, run, k2_radius=5.0).n_position == 2
    assert matches(connection)[far][0] == near
    assert nowhere not in matches(connection)


def test_ids_of_the_catalogue_are_kept_and_checked(sky: Sky, k2: K2, connection: psycopg.Connection, run: Run) -> None:
    right = sky.star(gaia={"ra": 10.0, "dec": 0.0})
    other = sky.star(gaia={"ra": 20.0, "dec": 0.0})
    wrong = sky.star(gaia={"ra": 30.0, "dec": 0.0})
    agrees, disputed = k2.star(10.0, 0.1 * ARCSEC, right), k2.star(20.0, 0.0, wrong)
    far, unplaced, foreign = k2.star(40.0, 0.0, right), k2.star(None, None, right), k2.star(20.0, 0.0, 999)
    assert match(connection, run) == K2Match(n_stars=5, n_catalogue=5, n_checked=3, n_disputed=1, n_far=1)
    found = matches(connection)
    assert found[agrees] == (right, "catalogue", pytest.approx(0.1, abs=1e-4), 1, right)
    assert found[disputed] == (wrong, "catalogue", pytest.approx(0.0, abs=1e-4), 1, other)
    assert found[far] == (right, "catalogue", None, 0, None)
    # No position, or a source that was not ingested: nothing to compare.
    assert found[unplaced] == (right, "catalogue", None, None, None)
    assert found[foreign] == (999, "catalogue", None, None, None)


def test_sources_without_proper_motion_are_matched_where_they_are(
    sky: Sky, k2: K2, connection: psycopg.Connection, run: Run
) -> None:
    source = sky.star(gaia={"ra": 0.0, "dec": -5.0, "pmra": None, "pmdec": None})
    k2.star(359.9999, -5.0)
    assert match(connection, run).n_position == 1
    assert matches(connection)[1][0] == source


def test_memory_is_that_of_one_block(
    sky: Sky, k2: K2, connection: psycopg.Connection, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The match does not depend on how the sources come in blocks."""
    sources = [sky.star(gaia={"ra": 10.0 + i / 100, "dec": 1.0}) for i in range(7)]
    for i in range(7):
        k2.star(10.0 + i / 100, 1.0)
    match(connection, run)
    whole = matches(connection)
    monkeypatch.setattr("catalog.sample.k2_match._CHUNK", 2)
    match(connection, run)
    assert matches(connection) == whole
    assert [values[0] for values in whole.values()] == sources


def test_other_releases_and_replaced_files_do_not_count(
    sky: Sky, k2: K2, connection: psycopg.Connection, run: Run
) -> None:
    sky.star(gaia={"ra": 10.0, "dec": 1.0})
    k2.star(10.0, 1.0)
    for status, release in (("replaced", None), ("complete", "dr3-elsewhere")):
        other = K2(sky, sky._file("k2gap", f"{status}.csv", status, release=release))
        other.star(10.0, 1.0)
    assert match(connection, run) == K2Match(n_stars=1, n_position=1)
    assert match_k2_stars(connection, "dr3-elsewhere", 2016.0, SETTINGS) == K2Match(n_stars=1, n_unmatched=1)
    assert len(matches(connection)) == 1, "a match of one release leaves those of others"


def test_real_k2_catalogue_on_a_synthetic_sky(
    sky: Sky, connection: psycopg.Connection, run: Run, real_data: Path, tmp_path: Path
) -> None:
    """APO-K2 rounds positions to 0.001 deg: each star is found within 2.6 arcsec, with and without its id."""
    release = load_release("dr3")
    path = real_data / "k2gap/apo_k2_catalog_7672rows.csv"
    outcome = ingest_path(connection, path, "k2gap", run.release, release)
    rows = connection.execute("SELECT gaia_source, ra, dec FROM survey.k2gap_star ORDER BY row_number").fetchall()
    ids, ra, dec = (np.array(column) for column in zip(*rows, strict=True))
    n = len(ids)
    assert n == 7672
    generator = np.random.default_rng(4)
    # Where each star really is: somewhere within the rounding, and then moved to 2016.
    true_ra, true_dec = ra + generator.uniform(-5e-4, 5e-4, n), dec + generator.uniform(-5e-4, 5e-4, n)
    pmra, pmdec = generator.normal(0, 300, n), generator.normal(0, 300, n)
    now_ra, now_dec = degrees(moved_directly(true_ra, true_dec, pmra, pmdec, 16.0))
    copy_in(
        connection,
        "survey.gaia_source",
        {
            "release": [run.release] * n, "source_id": ids, "ra": now_ra, "dec": now_dec, "pmra": pmra,
            "pmdec": pmdec, "file_id": np.full(n, sky.gaia_file),
        },
    )  # fmt: skip
    with_ids = match_k2_stars(connection, run.release, release.reference_epoch, SETTINGS)
    assert (with_ids.n_catalogue, with_ids.n_checked, with_ids.n_far) == (n, n, 0)
    assert with_ids.n_disputed < 5
    connection.execute("UPDATE survey.k2gap_star SET gaia_source = NULL")
    without = match_k2_stars(connection, run.release, release.reference_epoch, SETTINGS)
    assert (without.n_position, without.n_unmatched) == (n, 0)
    found = connection.execute(
        "SELECT source_id, separation FROM production.k2gap_match WHERE file_id = %s ORDER BY row_number",
        (outcome.file_id,),
    ).fetchall()
    right = np.array([source_id for source_id, _ in found]) == ids
    assert n - right.sum() == with_ids.n_disputed
    assert max(apart for _, apart in found) < 2.6
    today = match_k2_stars(connection, run.release, release.reference_epoch, CrossmatchSettings(k2_epoch=2016.0))
    assert today.n_unmatched > n / 2


# Cluster members


class Clusters:
    """Writes member lists and the neighbourhood table."""

    def __init__(self, sky: Sky) -> None:
        self.sky = sky
        self.members = sky._file("clusters", "nodup.fits", "complete")
        self.neighbours = sky._file("dr2_neighbourhood", "neighbours.vot", "complete")
        self.rows = 0

    def member(self, source_id: int, gaia_release: str = "dr2", cluster: str = "NGC_2682") -> int:
        self.rows += 1
        self.sky.insert(
            "survey.cluster_member", file_id=self.members, row_number=self.rows, cluster=cluster,
            gaia_release=gaia_release, source_id=source_id, proba=1.0,
        )  # fmt: skip
        return self.rows

    def neighbour(
        self, dr2: int, dr3: int, distance: float | None, magnitude: float | None = 0.0, file_id: int | None = None
    ) -> None:
        self.rows += 1
        self.sky.insert(
            "survey.dr2_neighbour", file_id=file_id or self.neighbours, row_number=self.rows, dr2_source_id=dr2,
            dr3_source_id=dr3, angular_distance=distance, magnitude_difference=magnitude,
        )  # fmt: skip


@pytest.fixture
def clusters(sky: Sky) -> Clusters:
    return Clusters(sky)


def resolved(connection: psycopg.Connection) -> dict[int, tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT row_number, source_id, angular_distance, n_neighbours, n_claims, gaia_release "
        "FROM production.cluster_match"
    )
    return {row[0]: row[1:] for row in rows}


def test_nearest_neighbour_counts(clusters: Clusters, connection: psycopg.Connection, run: Run) -> None:
    one, several, none = clusters.member(101), clusters.member(102), clusters.member(103)
    clusters.neighbour(101, 201, 0.4)
    for dr3, distance in ((301, 90.0), (302, 1.5), (303, None)):
        clusters.neighbour(102, dr3, distance)
    clusters.neighbour(999, 901, 0.1)
    assert match_cluster_members(connection, run.release) == ClusterMatch(n_members=3, n_resolved=2, n_ambiguous=1)
    found = resolved(connection)
    assert found[one] == (201, pytest.approx(0.4), 1, 1, "dr3")
    assert found[several] == (302, pytest.approx(1.5), 3, 1, "dr3")
    assert none not in found


def test_equally_near_neighbours_are_told_apart_by_magnitude_then_id(
    clusters: Clusters, connection: psycopg.Connection, run: Run
) -> None:
    first, second = clusters.member(101), clusters.member(102)
    for dr3, magnitude in ((201, None), (202, -0.5), (203, 0.1)):
        clusters.neighbour(101, dr3, 1.0, magnitude)
    for dr3 in (303, 301, 302):
        clusters.neighbour(102, dr3, 1.0, 0.2)
    match_cluster_members(connection, run.release)
    assert {row: values[0] for row, values in resolved(connection).items()} == {first: 203, second: 301}


def test_one_dr3_source_of_several_dr2_ids(clusters: Clusters, connection: psycopg.Connection, run: Run) -> None:
    rows = [clusters.member(101), clusters.member(102), clusters.member(101, cluster="Other")]
    clusters.neighbour(101, 201, 0.4)
    clusters.neighbour(102, 201, 3.0)
    answer = match_cluster_members(connection, run.release)
    assert answer == ClusterMatch(n_members=3, n_resolved=3, n_contested=3)
    # Two DR2 ids claim it, though three rows do.
    assert [resolved(connection)[row][3] for row in rows] == [2, 2, 2]


def test_pairs_of_two_downloads_count_once(
    clusters: Clusters, sky: Sky, connection: psycopg.Connection, run: Run
) -> None:
    row = clusters.member(101)
    again = sky._file("dr2_neighbourhood", "again.vot", "complete")
    replaced = sky._file("dr2_neighbourhood", "old.vot", "replaced")
    elsewhere = sky._file("dr2_neighbourhood", "other.vot", "complete", release="dr3-elsewhere")
    clusters.neighbour(101, 201, 0.4)
    clusters.neighbour(101, 201, 0.4, file_id=again)
    clusters.neighbour(101, 666, 0.0, file_id=replaced)
    clusters.neighbour(101, 667, 0.0, file_id=elsewhere)
    match_cluster_members(connection, run.release)
    assert resolved(connection)[row][:3] == (201, pytest.approx(0.4), 1)


def test_members_with_dr3_ids_need_no_match(clusters: Clusters, connection: psycopg.Connection, run: Run) -> None:
    clusters.member(101, "dr3")
    clusters.neighbour(101, 201, 0.4)
    assert match_cluster_members(connection, run.release) == ClusterMatch()
    assert resolved(connection) == {}


def test_rule_runs_as_the_file_stands(clusters: Clusters, connection: psycopg.Connection, run: Run) -> None:
    clusters.member(101)
    clusters.neighbour(101, 201, 0.4)
    text = load("selection/cluster_members").text.replace(":'release'", f"'{run.release}'")
    with psycopg.ClientCursor(connection) as cursor:
        assert cursor.execute(text.encode()).fetchall()[0][3:5] == ("dr3", 201)


# The stage


def test_stage_tells_what_was_matched(
    sky: Sky,
    enough: list[int],
    k2: K2,
    clusters: Clusters,
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
) -> None:
    sky.star(gaia={"ra": 100.0, "dec": 20.0})
    k2.star(100.0, 20.0)
    k2.star(200.0, 20.0)
    k2.star(100.0, 20.0, enough[0])
    clusters.member(101)
    clusters.member(102)
    clusters.neighbour(101, enough[0], 0.4)
    result = select_samples(connection, run, settings)
    counts = {name: result.counts[name] for name in result.counts if name.startswith(("k2gap", "clusters"))}
    assert counts == {
        "clusters_dr2": 2,
        "clusters_resolved": 1,
        "k2gap_by_catalogue": 1,
        "k2gap_by_position": 1,
        "k2gap_unmatched": 1,
        "k2gap_disputed": 1,
    }
    text = " ".join(result.notes)
    assert "1 of 2 cluster members with a Gaia DR2 id have no DR3 source in dr2_neighbourhood" in text
    assert "1 are matched by position within 3 arcsec" in text
    assert "Of 1 K2 stars with a Gaia id that could be checked by position, 1 have another source nearer" in text
    before = (matches(connection), resolved(connection))
    assert select_samples(connection, run, settings) == result
    assert (matches(connection), resolved(connection)) == before


def test_without_such_surveys_nothing_is_told(connection: psycopg.Connection, run: Run) -> None:
    result = match_surveys(connection, run)
    assert (result.counts, result.notes) == ({}, [])


def test_matches_go_with_their_rows(
    sky: Sky, k2: K2, clusters: Clusters, connection: psycopg.Connection, run: Run
) -> None:
    sky.star(gaia={"ra": 100.0, "dec": 20.0})
    k2.star(100.0, 20.0)
    clusters.member(101)
    clusters.neighbour(101, 201, 0.4)
    match_surveys(connection, run)
    for table, file_id in (("k2gap_star", k2.file_id), ("cluster_member", clusters.members)):
        connection.execute(f"DELETE FROM survey.{table} WHERE file_id = %s", (file_id,))
    assert (matches(connection), resolved(connection)) == ({}, {})

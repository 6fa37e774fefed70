"""The two comparisons of the disc on a seeded catalogue: stars of known place in two sequences, or in one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from catalog.database.copy_in import copy_in
from catalog.errors import SampleError
from catalog.validation.checks import judge
from catalog.validation.figures import style
from catalog.validation.figures.data import fetch_figure_data
from catalog.validation.figures.galactic import disc_giants, disc_stars
from catalog.validation.results import Result
from tests.validation.comparing import CHECKS, compare

HERE = "all stars, R 7-9, |Z| 0-0.5"
AWAY = "all stars, R 9-11, |Z| 0-0.5"
"""Where half of the stars are put: 2 kpc beyond the Sun."""


def starhorse_file(catalogue: Any, name: str, *, status: str = "complete", release: str | None = None) -> int:
    row = catalogue.connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, n_quarantined, "
        "status) VALUES (%s, 'starhorse', %s, '/surveys/file', %s, 1000, 1, 0, %s) RETURNING file_id",
        (release or catalogue.run.release, name, "cd" * 32, status),
    ).fetchone()
    return int(row[0])


def add_distances(catalogue: Any, file_id: int, distance: np.ndarray, **columns: Any) -> None:
    n = catalogue.sky.source_id.size
    copy_in(
        catalogue.connection,
        "survey.starhorse_distance",
        {
            "file_id": np.full(n, file_id),
            "row_number": np.arange(1, n + 1),
            "source_id": catalogue.sky.source_id,
            "dist16": 0.9 * distance,
            "dist50": distance,
            "dist84": 1.1 * distance,
            "starhorse_outputflag": ["0000"] * n,
            **columns,
        },
    )


def place(catalogue: Any) -> np.ndarray:
    """Put all stars towards the anticentre, every second one far away; return the distances."""
    anticentre = SkyCoord(l=180 * u.deg, b=0 * u.deg, frame="galactic").icrs
    catalogue.connection.execute(
        "UPDATE survey.gaia_source SET ra = %s, dec = %s", (anticentre.ra.deg, anticentre.dec.deg)
    )
    return np.where(np.arange(catalogue.sky.source_id.size) % 2 == 0, 0.3, 2.0)


@pytest.fixture
def galaxy(catalogue: Any) -> Any:
    distance = place(catalogue)
    add_distances(catalogue, starhorse_file(catalogue, "starhorse.fits"), distance)
    catalogue.connection.execute(
        "UPDATE survey.mock_truth SET z_gal = 0, r_gal = 8.19 + CASE WHEN row_number % 2 = 1 THEN 0.3 ELSE 2.0 END"
    )
    return catalogue


def observed(catalogue: Any) -> np.ndarray:
    return (catalogue.sky.role == "observed") & (catalogue.sky.flag_bits == 0)


def test_stars_are_counted_once_where_they_are(galaxy: Any) -> None:
    sky = galaxy.sky
    mh = sky.labels["mh"].astype(np.float32)
    both = observed(galaxy) & (mh >= -0.6) & (mh <= -0.2)
    near = np.arange(mh.size) % 2 == 0
    giants = both & (sky.snr >= 15) & (sky.snr <= 25) & (sky.labels["logg"] <= 2.2)
    rows = compare(galaxy, "bimodality")
    assert len(rows) == 2 * 21
    expected = {
        HERE: both & near, AWAY: both & ~near, "all stars, everywhere": both,
        "all stars, R 7-9, |Z| 0.5-1": both & False, "giants of low S/N, everywhere": giants,
    }  # fmt: skip
    for subset, mask in expected.items():
        assert rows[subset, "alpham"].n == mask.sum(), subset
    assert rows[HERE, "alpham"].extra["stars"] == (observed(galaxy) & near).sum()
    disc = observed(galaxy) & near & (mh >= -1) & (mh <= 0.5)
    assert rows[HERE, "alpham"].extra["high"] == pytest.approx((sky.labels["alpham"][disc] > 0.15).mean(), abs=1e-6)


def test_the_seeded_sequences_are_seen_and_their_share_is_that_of_the_truth(galaxy: Any) -> None:
    row = compare(galaxy, "bimodality")["all stars, everywhere", "alpham"]
    assert row.status == "pass"
    assert row.extra["seen"]
    assert row.extra["gap"] == pytest.approx(0.18, abs=0.02)
    assert row.message.startswith("ΔBIC ")
    assert "at least 10 passes" in row.message
    for subset, truth in compare(galaxy, "bimodality_truth").items():
        if truth.status != "not run" and subset[0].startswith("all stars"):
            assert truth.extra["difference"] == pytest.approx(0.0, abs=0.08), subset
            assert truth.status == "pass"
    everywhere = compare(galaxy, "bimodality_truth")["all stars, everywhere", "alpham"]
    assert everywhere.extra["gap_ratio"] == pytest.approx(1.0, abs=0.1)
    assert "±" in everywhere.message


def test_abundances_that_follow_metallicity_are_no_bimodality(galaxy: Any) -> None:
    galaxy.connection.execute(
        "UPDATE production.label SET alpham = 0.1 - 0.3 * (mh + 0.2) + 0.02 * sin(CAST(source_id % 1000003 AS float8))"
    )
    row = compare(galaxy, "bimodality")["all stars, everywhere", "alpham"]
    assert row.status in ("warn", "fail")
    assert not row.extra["seen"]
    truth = compare(galaxy, "bimodality_truth")["all stars, everywhere", "alpham"]
    assert truth.extra["gap_ratio"] < 0.5
    assert truth.status == "warn"


def test_repeated_ids_multiply_nothing_and_the_best_distance_is_taken(galaxy: Any) -> None:
    before = compare(galaxy, "bimodality")
    wild = np.full(galaxy.sky.source_id.size, 5.0)
    # Less certain, in an earlier place; as certain, in a later file.
    add_distances(galaxy, starhorse_file(galaxy, "again.fits"), wild, dist16=0.75 * wild, dist84=1.25 * wild)
    galaxy.connection.execute(
        "INSERT INTO survey.starhorse_distance (file_id, row_number, source_id, dist16, dist50, dist84) "
        "SELECT file_id, row_number + 100000, source_id, dist16, dist50, dist84 FROM survey.starhorse_distance"
    )
    assert compare(galaxy, "bimodality") == before


def test_only_complete_files_of_the_release_count(catalogue: Any) -> None:
    distance = place(catalogue)
    add_distances(catalogue, starhorse_file(catalogue, "good.fits"), distance)
    before = compare(catalogue, "bimodality")
    for number, other in enumerate(({"status": "replaced"}, {"status": "refused"}, {"release": "elsewhere"})):
        add_distances(
            catalogue, starhorse_file(catalogue, f"{number}.fits", **other), distance + 5, dist16=distance + 5
        )
    assert compare(catalogue, "bimodality") == before


@pytest.mark.parametrize(
    "columns",
    [
        {"dist50": np.nan},
        {"dist50": 0.0},
        {"dist50": np.inf},
        {"dist16": 0.1, "dist84": 3.0},
        {"starhorse_outputflag": "0010"},
        {"starhorse_outputflag": "NUMMODELS_BAD"},
    ],
)
def test_bad_distances_are_not_used(catalogue: Any, columns: dict[str, Any]) -> None:
    n = catalogue.sky.source_id.size
    values = {k: [v] * n if isinstance(v, str) else np.full(n, v) for k, v in columns.items()}
    add_distances(catalogue, starhorse_file(catalogue, "starhorse.fits"), np.full(n, 1.0), **values)
    rows = compare(catalogue, "bimodality")
    assert {(row.status, row.message) for row in rows.values()} == {
        ("not run", "no star of this run passes the selection")
    }


@pytest.mark.parametrize(
    "columns",
    [{"starhorse_outputflag": None}, {"starhorse_outputflag": "NEGATIVE_EXTINCTION_WARN"}, {"dist16": np.nan}],
)
def test_distances_without_percentiles_or_flag_are_used(catalogue: Any, columns: dict[str, Any]) -> None:
    n = catalogue.sky.source_id.size
    values = {k: np.full(n, v) if isinstance(v, float) else [v] * n for k, v in columns.items()}
    add_distances(catalogue, starhorse_file(catalogue, "starhorse.fits"), place(catalogue), **values)
    assert compare(catalogue, "bimodality")["all stars, everywhere", "alpham"].status == "pass"


def test_without_starhorse_nothing_is_run(catalogue: Any) -> None:
    for name in ("bimodality", "bimodality_truth"):
        (row,) = compare(catalogue, name).values()
        assert (row.status, row.message) == ("not run", "no starhorse rows were ingested")


def test_bins_of_few_stars_are_not_judged(galaxy: Any) -> None:
    galaxy.connection.execute(
        "DELETE FROM survey.starhorse_distance WHERE row_number NOT IN "
        "(SELECT row_number FROM survey.starhorse_distance ORDER BY row_number LIMIT 40)"
    )
    rows = compare(galaxy, "bimodality")
    assert {row.status for row in rows.values()} == {"not run"}
    assert rows[HERE, "alpham"].message.endswith("at least 50 are needed")


def test_labels_that_are_no_numbers_are_left_out(galaxy: Any) -> None:
    before = compare(galaxy, "bimodality")["all stars, everywhere", "alpham"].n
    galaxy.connection.execute("UPDATE production.label SET alpham = 'NaN' WHERE source_id % 3 = 0")
    found = compare(galaxy, "bimodality")
    assert 0 < found["all stars, everywhere", "alpham"].n < before
    galaxy.connection.execute("UPDATE production.label SET alpham = 'NaN'")
    assert {row.status for row in compare(galaxy, "bimodality").values()} == {"not run"}


def test_injected_stars_without_a_place_are_in_no_bin(galaxy: Any) -> None:
    galaxy.connection.execute("UPDATE survey.mock_truth SET r_gal = NULL")
    assert {row.status for row in compare(galaxy, "bimodality_truth").values()} == {"not run"}


def test_other_edges_and_constants_are_used(galaxy: Any) -> None:
    rows = compare(galaxy, "bimodality", galactic_r_edges=(0.0, 20.0), galactic_z_edges=(0.0, 5.0))
    assert {subset for subset, _ in rows if subset.startswith("all")} == {
        "all stars, everywhere", "all stars, R 0-20, |Z| 0-5",
    }  # fmt: skip
    moved = compare(galaxy, "bimodality", sun_r=6.5)
    assert moved["all stars, R 4-7, |Z| 0-0.5", "alpham"].n == compare(galaxy, "bimodality")[HERE, "alpham"].n


def test_numbers_are_written_as_numbers_and_shares_in_per_cent() -> None:
    row = Result(
        "bimodality", "all stars, everywhere", "alpham", 500, extra={"dbic": 1234.5, "separation": 1.7, "fraction": 0.3}
    )
    judged = judge(CHECKS, row)
    assert judged.status == "warn"
    assert judged.message == (
        "ΔBIC 1,234 (at least 10 passes); separation 1.7 (at least 2 passes); fraction 30.0 % (5 to 95 % pass)"
    )
    assert judge(CHECKS, replace(row, extra={**row.extra, "dbic": -3.0})).status == "fail"


@pytest.mark.parametrize(("error", "status"), [(0.0, "warn"), (0.04, "pass"), (None, "warn")])
def test_a_quantity_with_a_standard_error_is_judged_at_its_end(error: float | None, status: str) -> None:
    extra = {"difference": -0.16, "difference_error": error}
    judged = judge(CHECKS, Result("bimodality_truth", "all stars, R 7-9, |Z| 0-0.5", "alpham", 100, extra=extra))
    assert judged.status == status
    assert judged.message.startswith("difference −0.16" + (" ± 0.04" if error else ""))


def test_the_figure_shows_what_the_rows_say(galaxy: Any) -> None:
    results = list(compare(galaxy, "bimodality").values())
    data = fetch_figure_data(galaxy.connection, galaxy.run, CHECKS, results)
    assert data.disc is not None
    assert len(data.disc) == observed(galaxy).sum()
    with style.look():
        made = disc_stars(data)
        texts = [text.get_text() for axes in made.axes for text in axes.texts]
        giants = disc_giants(data)
    row = next(each for each in results if each.subset == HERE)
    assert len(texts) == 20
    assert any(
        text.startswith(f"N = {row.extra['stars']:,}, {row.n:,} fitted") and "two, upper" in text for text in texts
    )
    assert sum("too few" in text for text in texts) == 18
    assert len(giants.axes) == 20
    with pytest.raises(SampleError, match="StarHorse distance"):
        disc_stars(replace(data, disc=None))

"""The report: counts beside the paper's, where they can be compared and where they cannot."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.database.queries import load
from catalog.database.resources import SQL
from catalog.errors import SampleError
from catalog.profiles import Profile
from catalog.releases import load_release
from catalog.sample.parameters import cut_parameters, expected_parameter
from catalog.sample.report import ReportLine, SelectionReport, selection_report
from catalog.sample.stage import select_samples
from catalog.settings import Settings
from tests.sample.sky import Sky


def lines_of(report: SelectionReport) -> dict[tuple[str, str], ReportLine]:
    return {(line.part, line.cut): line for line in report.lines}


@pytest.fixture
def real_run(connection: psycopg.Connection) -> Run:
    """A run of a real release."""
    return open_run(connection, Profile(name="small", description="", training={"min_training_stars": 1}))


def beside(connection: psycopg.Connection, run: Run, **expected: float) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(
        load("selection/funnel_report").statement, {"run_id": run.run_id, "expected": json.dumps(expected)}
    ).fetchall()
    return {row[6]: row[5:] for row in rows if row[6] is not None}


def test_a_synthetic_sky_is_compared_with_nothing(
    sky: Sky, enough: list[int], connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    select_samples(connection, run, settings)
    report = selection_report(connection, run)
    assert (report.applies, report.reason) == (False, "the sky is synthetic")
    stated = [line for line in report.lines if line.stated_as]
    assert {line.stated_as for line in stated} == set(load_release("dr3").expected.counts)
    assert {line.comparison for line in stated} == {"does not apply"}
    assert all(line.paper is line.difference is line.percent is None for line in report.lines)
    # Even one that happens to have as many spectra.
    n = len(enough)
    assert beside(connection, run, spectra=n, tolerance=0.001)["spectra"] == (
        n, "spectra", None, None, None, "does not apply",
    )  # fmt: skip


def test_a_part_of_a_release_is_compared_with_nothing(
    connection: psycopg.Connection, real_run: Run, settings: Settings
) -> None:
    sky = Sky(connection, real_run.release)
    sky.star()
    sky.star(gaia={"ruwe": 5.0})
    select_samples(connection, real_run, settings)
    report = selection_report(connection, real_run)
    assert report.reason == "the run has 2 of the paper's 999,670 spectra"
    assert {line.comparison for line in report.lines} == {None, "does not apply"}


def test_a_whole_release_is_compared_count_by_count(
    connection: psycopg.Connection, real_run: Run, settings: Settings
) -> None:
    sky = Sky(connection, real_run.release)
    for _ in range(4):
        sky.star(apogee={"m_h": -1.5, "fe_h": -1.5, "logg": 4.4})
    observed = [sky.star(gaia={"ruwe": 5.0}) for _ in range(3)]
    sky.apogee(observed[0], snr=2.0)
    sky.star(without=("apogee_star",))
    sky.star(gaia={"parallax": -1.0})
    sky.apogee(None)
    select_samples(connection, real_run, settings)
    found = beside(
        connection,
        real_run,
        spectra=9,
        apogee=20,
        crossmatched=8,
        catalogue=10,
        training=4,
        observed=5,
        training_metal_poor=3,
        tolerance=0.25,
    )
    assert found == {
        "spectra": (9, "spectra", 9, 0, 0.0, "within tolerance"),
        "apogee": (10, "apogee", 20, -10, -50.0, "differs"),
        "crossmatched": (8, "crossmatched", 8, 0, 0.0, "within tolerance"),
        "catalogue": (8, "catalogue", 10, -2, -20.0, "within tolerance"),
        "training": (4, "training", 4, 0, 0.0, "within tolerance"),
        "observed": (4, "observed", 5, -1, -20.0, "within tolerance"),
        "training_metal_poor": (4, "training_metal_poor", 3, 1, 33.333, "differs"),
    }
    giants = lines_of(selection_report(connection, real_run))["samples", "giants"]
    assert (giants.n, giants.rule) == (0, "training stars with LOGG < 3.5: 0.0 %")
    # A count that the paper does not state is not compared.
    assert set(beside(connection, real_run, spectra=9, training=4, tolerance=0.1)) == {"spectra", "training"}
    # One spectrum too few for the paper's selection to be this one.
    assert {row[-1] for row in beside(connection, real_run, spectra=10, training=4, tolerance=0.05).values()} == {
        "does not apply"
    }
    assert beside(connection, real_run) == {}


def test_counts_are_those_of_the_funnel_and_the_samples(
    sky: Sky, enough: list[int], connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    rejected = sky.star(gaia={"parallax": -1.0})
    sky.apogee(rejected, snr=3.0)
    sky.star(without=("apogee_star",))
    sky.star(gaia={"ruwe": 3.0}, apogee={"logg": 4.5})
    result = select_samples(connection, run, settings)
    report = selection_report(connection, run)
    lines = lines_of(report)
    n = len(enough)
    assert lines["observed", "parallax"].n_removed == 1
    assert lines["observed", "rvs_spectrum"].n_removed is None
    assert lines["observed", "rvs_spectrum"].section == "Sect. 2.1"
    assert lines["training", "ruwe"].n == result.counts["training"] == n
    assert lines["crossmatch", "crossmatched"].n == result.counts["crossmatched"] == n + 2
    assert lines["crossmatch", "apogee"].n == n + 3
    assert lines["samples", "observed"].n == result.counts["observed"] == 2
    assert lines["samples", "giants"].n == n
    assert (report.duplicates.n_stars, report.duplicates.n_set_aside, report.duplicates.examples) == (1, 1, [rejected])
    assert report.surveys["apogee_star"].n_matched == n + 3
    assert report.surveys["apogee_star"].n_stars == n + 2
    assert report.origins == {}


def test_external_surveys_are_matched_by_identifiers_of_this_release(
    sky: Sky, enough: list[int], connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    galah, clusters = sky._file("galah", "galah.fits", "complete"), sky._file("clusters", "members.fits", "complete")
    k2gap, other = sky._file("k2gap", "k2.csv", "complete"), sky._file("galah", "other.fits", "complete", "elsewhere")
    for row, (file_id, source_id) in enumerate(
        [(galah, enough[0]), (galah, enough[0]), (galah, 5), (galah, None), (other, enough[1])]
    ):
        sky.insert("survey.galah_star", file_id=file_id, row_number=row, sobject_id=row, dr3_source_id=source_id)
    for row, (gaia_release, source_id) in enumerate([("dr3", enough[0]), ("dr2", enough[1]), ("dr2", 7)]):
        sky.insert(
            "survey.cluster_member",
            file_id=clusters, row_number=row, cluster="M 67", gaia_release=gaia_release, source_id=source_id,
        )  # fmt: skip
    for row, source_id in enumerate([enough[0], None, None]):
        sky.insert("survey.k2gap_star", file_id=k2gap, row_number=row, epic=row, gaia_source=source_id)
    select_samples(connection, run, settings)
    connection.execute("DELETE FROM production.k2gap_match")
    sky.insert(
        "production.cluster_match",
        file_id=clusters, row_number=2, release=run.release, gaia_release="dr3", source_id=enough[2],
        n_neighbours=2, n_claims=1,
    )  # fmt: skip
    sky.insert(
        "production.k2gap_match",
        file_id=k2gap, row_number=1, release=run.release, source_id=enough[3], method="position",
        nearest_source_id=enough[3], n_candidates=3, separation=0.2,
    )  # fmt: skip
    report = selection_report(connection, run)
    counts = {
        name: (m.n_rows, m.n_matched, m.n_stars, m.n_unidentified)
        for name, m in report.surveys.items()
        if name in ("galah_star", "cluster_member", "k2gap_star")
    }
    # enough[1] is the number of a DR3 source; as a DR2 identifier it is another star.
    assert counts == {"galah_star": (4, 2, 1, 1), "cluster_member": (3, 2, 2, 1), "k2gap_star": (3, 2, 2, 1)}
    ways = {(i.survey, i.method): (i.n_rows, i.n_ambiguous, i.n_disputed) for i in report.identified}
    assert ways == {
        ("k2gap_star", "catalogue"): (1, 0, 0),
        ("k2gap_star", "position"): (1, 1, 0),
        ("k2gap_star", "none"): (1, 0, 0),
        ("cluster_member", "neighbourhood"): (1, 1, 0),
        ("cluster_member", "none"): (1, 0, 0),
    }


def test_resampled_spectra_do_not_mix_with_others(
    sky: Sky, enough: list[int], connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    native, made = (sky._file("rvs_mean_spectrum", name, "complete") for name in ("a.csv", "b.fits"))
    connection.execute("UPDATE production.ingest_file SET n_rows = 40 WHERE file_id = %s", (native,))
    select_samples(connection, run, settings)
    assert selection_report(connection, run).origins == {"": 40}
    connection.execute(
        "UPDATE production.ingest_file SET n_rows = 2, message = 'resampled from 961 pixels; made of x' "
        "WHERE file_id = %s",
        (made,),
    )
    with pytest.raises(SampleError, match=r"not of one kind: 40 as the archive gives them; 2 resampled from 961 pixe"):
        select_samples(connection, run, settings)
    connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE file_id = %s", (native,))
    select_samples(connection, run, settings)
    assert selection_report(connection, run).origins == {"resampled from 961 pixels": 2}


def test_a_run_without_selection_says_what_to_do(connection: psycopg.Connection, run: Run) -> None:
    with pytest.raises(SampleError, match=rf"rvscat sample --run {run.run_id}"):
        selection_report(connection, run)


def test_identifiers_of_another_release_are_refused() -> None:
    with pytest.raises(SampleError, match=r"those of release dr4-draft are others.*neighbourhood"):
        cut_parameters(load_release("dr4-draft"))


def test_psql_runs_the_query(
    sky: Sky, enough: list[int], connection: psycopg.Connection, run: Run, settings: Settings, database_url: str
) -> None:
    from catalog.database.embedded.client import psql_program

    select_samples(connection, run, settings)
    command = [
        str(psql_program(settings)), database_url, "--no-psqlrc", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1",
        f"--set=run_id={run.run_id}", f"--set=expected={expected_parameter(load_release('dr3'))}",
        f"--file={Path(SQL) / 'selection' / 'funnel_report.sql'}",
    ]  # fmt: skip
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert rows[0].startswith(f"observed,0,rvs_spectrum,has an RVS mean spectrum,,{len(enough)},spectra,")
    assert len(rows) == len(selection_report(connection, run).lines)

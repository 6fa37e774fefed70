"""Selection as a whole: order of the cuts, the APOGEE match, the funnel, counts and errors."""

import pytest

from catalog.database.ledger import find_run
from catalog.errors import SampleError
from catalog.profiles import Profile
from catalog.releases import load_release
from catalog.sample import funnel, select_samples
from catalog.sample.stage import _compare_with_paper

BAD_EVERYWHERE = {
    "gaia": {"in_qso_candidates": True, "parallax": -1.0, "phot_g_mean_flux_over_error": 10.0, "ruwe": 5.0},
    "apogee": {"aspcapflag": 1 << 23, "teff": None},
    "parameters": {"classlabel_espels": "PNe"},
}


def matched(connection, run):
    rows = connection.execute(
        "SELECT source_id, apogee_file_id, apogee_row FROM production.sample_star WHERE run_id = %s", (run.run_id,)
    )
    return {source_id: (file_id, row) for source_id, file_id, row in rows}


def test_the_first_cut_counts(sky, enough, connection, run, settings, fates):
    star = sky.star(**BAD_EVERYWHERE)
    later = sky.star(
        gaia={"phot_g_mean_flux_over_error": 1.0, "parallax": -1.0}, parameters={"classlabel_espels": "PNe"}
    )
    twice = sky.star(apogee={"logg_err": 1.0, "fe_h_flag": 3}, gaia={"ruwe": 9.0})
    select_samples(connection, run, settings)
    fate = fates()
    assert fate[star] == ("rejected", "in_qso_candidates", None)
    assert fate[later] == ("rejected", "phot_g_mean_flux_over_error", None)
    assert fate[twice] == ("observed", None, "fe_h_flag")


def test_highest_snr_is_matched(sky, enough, connection, run, settings, fates):
    star = sky.star(apogee={"snr": 80.0, "fe_h_flag": 1})
    best = sky.apogee(star, snr=300.0)
    sky.apogee(star, snr=None)
    sky.apogee(star, snr=float("nan"))
    result = select_samples(connection, run, settings)
    assert matched(connection, run)[star] == (sky.apogee_file, best)
    assert fates()[star] == ("training", None, None)
    assert result.counts["apogee_duplicates"] == 1
    assert result.counts["crossmatched_rows"] - result.counts["crossmatched"] == 3
    assert any(
        "the row with the highest SNR is used, 3 are set aside" in note and str(star) in note for note in result.notes
    )


def test_equal_snr_is_decided_by_row(sky, enough, connection, run, settings):
    star = sky.star(without=("apogee_star",))
    first = sky.apogee(star, snr=100.0)
    sky.apogee(star, snr=100.0)
    only_null = sky.star(without=("apogee_star",))
    null = sky.apogee(only_null, snr=None)
    select_samples(connection, run, settings)
    assert matched(connection, run)[star] == (sky.apogee_file, first)
    assert matched(connection, run)[only_null] == (sky.apogee_file, null)


def test_rejected_and_observed_stars_keep_their_match(sky, enough, connection, run, settings):
    rejected = sky.star(gaia={"parallax": -1.0})
    observed = sky.star(gaia={"ruwe": 3.0})
    select_samples(connection, run, settings)
    match = matched(connection, run)
    assert match[rejected][0] == match[observed][0] == sky.apogee_file


def test_rows_of_other_releases_and_refused_files_do_not_count(sky, enough, connection, run, settings, fates):
    other = sky._file("apogee", "other.fits", "complete", release="dr3-elsewhere")
    replaced = sky._file("apogee", "older.fits", "replaced")
    star = sky.star(without=("apogee_star",))
    for file_id in (other, replaced):
        sky.apogee(star, file_id=file_id)
    connection.execute(
        "INSERT INTO survey.rvs_spectrum (release, source_id, flux, file_id) "
        "SELECT 'dr3-elsewhere', 77, flux, file_id FROM survey.rvs_spectrum LIMIT 1"
    )
    select_samples(connection, run, settings)
    assert fates()[star] == ("observed", None, "no APOGEE match")
    assert 77 not in fates()


def test_funnel_and_counts(sky, enough, connection, run, settings):
    for values in ({"parallax": -1.0}, {"parallax": None}, {"in_galaxy_candidates": True}):
        sky.star(gaia=values)
    sky.star(gaia={"ruwe": 2.0})
    sky.star(apogee={"snr": 50.0, "aspcapflag": 1 << 7})
    sky.star(without=("apogee_star",))
    sky.apogee(None)
    n = len(enough)
    result = select_samples(connection, run, settings)
    steps = {(step.sample, step.cut): step for step in funnel(connection, run.run_id)}
    assert (steps["observed", "rvs_spectrum"].n_removed, steps["observed", "rvs_spectrum"].n_left) == (0, n + 6)
    assert (steps["observed", "in_galaxy_candidates"].n_removed, steps["observed", "in_galaxy_candidates"].n_left) == (
        1,
        n + 5,
    )
    assert (steps["observed", "parallax"].n_removed, steps["observed", "parallax"].n_left) == (2, n + 3)
    assert steps["observed", "classlabel_espels"].n_left == n + 3
    assert (steps["training", "observed sample"].n_removed, steps["training", "observed sample"].n_left) == (0, n + 3)
    assert (steps["training", "no APOGEE match"].n_removed, steps["training", "no APOGEE match"].n_left) == (1, n + 2)
    assert steps["training", "aspcapflag"].n_left == n + 1
    assert (steps["training", "ruwe"].n_removed, steps["training", "ruwe"].n_left) == (1, n)
    assert steps["training", "ruwe"].rule == "ruwe < 1.4"
    counts = result.counts
    assert (counts["spectra"], counts["training"], counts["observed"], counts["rejected"]) == (n + 6, n, 3, 3)
    assert (counts["crossmatched"], counts["crossmatched_rows"], counts["apogee_duplicates"]) == (n + 5, n + 5, 0)
    assert counts["observed/parallax"] == 2
    assert counts["training/ruwe"] == 1
    assert sum(step.n_removed for step in steps.values() if step.sample == "observed") == counts["rejected"]


def test_twice_gives_the_same_rows(sky, enough, connection, run, settings):
    sky.star(gaia={"parallax": -1.0})

    def rows():
        return [
            connection.execute(f"SELECT * FROM production.{table} ORDER BY 1, 2, 3").fetchall()
            for table in ("sample_star", "sample_funnel")
        ]

    first = select_samples(connection, run, settings)
    before = rows()
    second = select_samples(connection, run, settings)
    assert rows() == before
    assert first == second


def test_progress_reaches_its_end(sky, enough, connection, run, settings):
    seen = []
    select_samples(connection, run, settings, lambda done, total, what="": seen.append((done, total, what)))
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert all(what for *_, what in seen)


def test_no_spectra(sky, connection, run, settings):
    with pytest.raises(SampleError, match=r"Release dr3-mock-600-2024 has no RVS mean spectrum.*rvscat ingest"):
        select_samples(connection, run, settings)


@pytest.mark.parametrize("survey", ["gaia_source", "xp_coefficients", "astrophysical_parameters", "apogee_star"])
def test_a_survey_without_rows_is_named(sky, connection, run, settings, survey):
    for _ in range(3):
        sky.star(without=(survey,))
    with pytest.raises(SampleError, match=rf"survey\.{survey} has no row of release .* which has 3 RVS"):
        select_samples(connection, run, settings)


@pytest.mark.parametrize("survey", ["gaia_source", "xp_coefficients", "astrophysical_parameters", "apogee_star"])
def test_a_survey_of_other_stars_is_named(sky, connection, run, settings, survey):
    for _ in range(2):
        sky.star(without=(survey,))
    everything = {"gaia_source", "xp_coefficients", "astrophysical_parameters", "apogee_star", "rvs_spectrum"}
    sky.star(without=tuple(everything - {survey}))
    with pytest.raises(SampleError, match=rf"0 of 1 rows of survey\.{survey} match one of the 2 RVS .*belong together"):
        select_samples(connection, run, settings)


def test_failed_match_leaves_an_earlier_selection(sky, enough, connection, run, settings, fates):
    select_samples(connection, run, settings)
    before = fates()
    connection.execute("DELETE FROM survey.apogee_star")
    with pytest.raises(SampleError):
        select_samples(connection, run, settings)
    connection.rollback()
    assert fates() == before


def test_too_small_training_sample(sky, enough, connection, run, settings):
    connection.execute("UPDATE survey.gaia_source SET ruwe = 3 WHERE source_id = %s", (enough[0],))
    sky.star(gaia={"parallax": -1.0})
    n = len(enough) - 1
    with pytest.raises(
        SampleError, match=rf"has {n} stars; at least {n + 1} .*ruwe took 1 and left {n} \(ruwe < 1\.4\)"
    ):
        select_samples(connection, run, settings)
    connection.rollback()
    assert funnel(connection, run.run_id)[-1].n_left == n


def test_empty_training_sample(sky, connection, run, settings):
    sky.star(gaia={"ruwe": 3.0})
    with pytest.raises(SampleError, match=r"The training sample is empty; at least 40 are needed"):
        select_samples(connection, run, settings)


def test_funnel_of_a_run_without_selection(connection, run):
    assert funnel(connection, find_run(connection).run_id) == []


def test_comparison_with_the_paper():
    release = load_release("dr3")
    paper = {"spectra": 999_670, "crossmatched": 207_953, "training": 44_780, "observed": 841_300}
    assert _compare_with_paper({**paper, "spectra": 999_645}, release) == []
    notes = _compare_with_paper({**paper, "training": 44_000}, release)
    assert notes == ["training: 44000 stars, while 44780 are expected for Gaia DR3."]


def test_a_real_release_is_compared_with_the_paper(connection, settings, sky):
    from catalog.database.ledger import open_run
    from tests.sample.sky import Sky

    profile = Profile(name="small", description="", training={"min_training_stars": 1})
    run = open_run(connection, profile)
    Sky(connection, run.release).star()
    notes = select_samples(connection, run, settings).notes
    assert "spectra: 1 stars, while 999670 are expected for Gaia DR3." in notes

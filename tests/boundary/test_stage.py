"""The whole stage on a seeded database."""

from dataclasses import replace

import numpy as np
import pytest

from catalog.boundary import mapping
from catalog.boundary.flag import boundary_digits, flag_text
from catalog.boundary.stage import flag_boundary
from catalog.errors import SampleError


def flags_of(connection):
    return dict(connection.execute("SELECT source_id, flag_boundary FROM production.boundary").fetchall())


def test_stage_flags_every_labelled_star(connection, run, settings, seed_sky):
    sky = seed_sky(n_training=40, n_observed=60, n_odd=25)
    heard = []
    result = flag_boundary(connection, run, settings, lambda done, total, what="": heard.append(done / total))
    flags = flags_of(connection)
    assert sorted(flags) == sorted(sky.source_id.tolist())
    odd = sky.source_id[-25:]
    assert {flags[i][7] for i in odd.tolist()} == {"1"}
    assert np.mean([flags[i][7] == "0" for i in sky.source_id[40:75].tolist()]) > 0.6
    # The flag follows from the stored limits and likeness.
    limits = {
        name: (lower, upper)
        for name, lower, upper in connection.execute("SELECT quantity, lower, upper FROM production.boundary_limit")
    }
    rows = connection.execute(
        'SELECT source_id, bool_and("like") FROM production.likeness GROUP BY source_id'
    ).fetchall()
    like = np.array([dict(rows)[i] for i in sky.source_id.tolist()])
    values = {**sky.labels, "g": sky.g, "parallax": sky.parallax}
    digits = boundary_digits(values, limits, ~like & ~sky.training)
    assert [flags[i] for i in sky.source_id.tolist()] == flag_text(digits).tolist()
    # Counts say the same as the rows.
    observed = [flags[i] for i in sky.source_id[~sky.training].tolist()]
    assert result.counts["stars"] == 100
    assert result.counts["observed"] == 60
    assert result.counts["inside"] == observed.count("00000000")
    assert result.counts["training_unlike"] == sum(flag[7] == "1" for flag in observed) >= 25
    assert result.counts["training_like"] + result.counts["training_unlike"] == 60
    assert result.counts["outside_logg"] == sum(flag[1] == "1" for flag in flags.values())
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_maps_are_recorded_with_all_that_made_them(connection, run, settings, seed_sky):
    seed_sky(n_training=40, n_observed=60)
    result = flag_boundary(connection, run, settings)
    rows = connection.execute(
        "SELECT perplexity, threshold, quantile, kl, n_training, n_observed, settings FROM production.likeness_map "
        "ORDER BY perplexity"
    ).fetchall()
    assert [row[0] for row in rows] == [5, 8, 10, 12]
    for perplexity, threshold, quantile, kl, n_training, n_observed, recorded in rows:
        assert threshold == pytest.approx(result.counts[f"threshold_{perplexity}"])
        assert (quantile, n_training, n_observed) == (pytest.approx(0.95), 40, 60)
        assert kl > 0
        assert recorded["seed"] == 7
        assert recorded["n_components"] == 10
        assert 0 < recorded["explained_variance"] <= 1
        assert len(recorded["input_sha256"]) == 64
    (n,) = connection.execute("SELECT count(*) FROM production.likeness").fetchone()
    assert n == 4 * 100
    (wrong,) = connection.execute(
        "SELECT count(*) FROM production.likeness JOIN production.likeness_map USING (run_id, perplexity) "
        'WHERE "like" IS DISTINCT FROM (distance <= threshold)'
    ).fetchone()
    assert wrong == 0


def test_twice_gives_the_same_rows_and_a_stopped_stage_goes_on(connection, run, settings, seed_sky, monkeypatch):
    seed_sky()
    first = flag_boundary(connection, run, settings)
    flags, maps = flags_of(connection), _maps(connection)
    computed = []
    monkeypatch.setattr(mapping, "likeness_maps", _spy(mapping.likeness_maps, computed))
    # As if it had been stopped while the second map was computed.
    connection.execute("DELETE FROM production.likeness_map WHERE perplexity = 8")
    second = flag_boundary(connection, run, settings)
    assert computed == [8]
    assert second.counts == first.counts
    assert _maps(connection) == maps
    # All anew, one map after the other.
    connection.execute("DELETE FROM production.likeness_map")
    flag_boundary(connection, run, settings.model_copy(update={"workers": 1}))
    assert sorted(computed[1:]) == [5, 8, 10, 12]
    assert _maps(connection) == maps
    assert flags_of(connection) == flags


def test_other_settings_or_spectra_replace_the_maps(connection, run, settings, seed_sky):
    sky = seed_sky()
    flag_boundary(connection, run, settings)
    maps = set(_maps(connection))
    likeness = run.profile.likeness.model_copy(update={"perplexities": (5, 9), "seed": 8})
    other = replace(run, profile=run.profile.model_copy(update={"likeness": likeness}))
    flag_boundary(connection, other, settings)
    after = set(_maps(connection))
    assert {row[0] for row in after} == {5, 9}
    assert not after & maps
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = (SELECT flux FROM survey.rvs_spectrum WHERE source_id = %s) "
        "WHERE source_id = %s",
        (int(sky.source_id[0]), int(sky.source_id[1])),
    )
    flag_boundary(connection, other, settings)
    assert not set(_maps(connection)) & after


def test_gaps_are_repaired_and_a_star_without_spectrum_is_unlike(connection, run, settings, seed_sky):
    sky = seed_sky()
    gaps, lost = int(sky.source_id[-2]), int(sky.source_id[-1])
    spectrum = sky.spectra[-2].copy()
    spectrum[:4] = np.nan
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s", (spectrum.astype("<f4").tobytes(), gaps)
    )
    connection.execute("DELETE FROM survey.rvs_spectrum WHERE source_id = %s", (lost,))
    flag_boundary(connection, run, settings)
    counts = dict(
        connection.execute(
            "SELECT source_id, count(*) FROM production.likeness WHERE source_id IN (%s, %s) GROUP BY source_id",
            (gaps, lost),
        ).fetchall()
    )
    assert counts == {gaps: 4}
    assert flags_of(connection)[lost][7] == "1"


def test_no_labels(connection, run, settings):
    with pytest.raises(SampleError, match=f"Run {run.run_id} has no labels") as error:
        flag_boundary(connection, run, settings)
    assert "rvscat predict" in error.value.remedy


def test_a_sample_too_small_for_the_perplexities_gets_the_largest_possible(connection, run, settings, seed_sky):
    sky = seed_sky(n_training=10, n_observed=20)
    result = flag_boundary(connection, run, settings)
    rows = connection.execute("SELECT perplexity FROM production.likeness_map ORDER BY perplexity").fetchall()
    assert [row[0] for row in rows] == [5, 8, 9]
    assert "too small for perplexities above 9: maps of 5, 8, 9 were made instead of 5, 8, 10, 12" in result.notes[0]
    assert len(flags_of(connection)) == len(sky.source_id)


def test_too_few_stars_for_any_map(connection, run, settings, seed_sky):
    seed_sky(n_training=3, n_observed=4)
    with pytest.raises(SampleError, match="at least 8 stars; the sample has 7"):
        flag_boundary(connection, run, settings)
    assert not flags_of(connection)


def test_a_spectrum_without_a_valid_pixel_is_unlike_and_told(connection, run, settings, seed_sky):
    sky = seed_sky()
    lost = int(sky.source_id[-1])
    nothing = np.full_like(sky.spectra[-1], np.nan).astype("<f4").tobytes()
    connection.execute("UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = %s", (nothing, lost))
    result = flag_boundary(connection, run, settings)
    assert any("without a valid pixel" in note and str(lost) in note for note in result.notes)
    assert flags_of(connection)[lost][7] == "1"
    (words,) = connection.execute(
        "SELECT production.digit_words(8, true, star.ratio, NULL, NULL, 'observed') FROM (VALUES (1)) AS one "
        "LEFT JOIN production.likeness_star AS star ON star.source_id = %s",
        (lost,),
    ).fetchone()
    assert "does not stand in every t-SNE map" in words


def test_duplicated_spectra_pass_through(connection, run, settings, seed_sky):
    sky = seed_sky(n_training=30, n_observed=40)
    # More copies than the largest map has neighbours, training and observed stars alike.
    copies = [int(i) for i in sky.source_id[25:67]]
    connection.execute(
        "UPDATE survey.rvs_spectrum SET flux = %s WHERE source_id = ANY (%s)",
        (sky.spectra[0].astype("<f4").tobytes(), copies),
    )
    flag_boundary(connection, run, settings)
    flags = flags_of(connection)
    assert len(flags) == 70
    # A copy of a training spectrum is no doubt like it; t-SNE may push copies apart.
    found = connection.execute(
        "SELECT max(distance), bool_or(outside) FROM production.training_distance WHERE source_id = ANY (%s)", (copies,)
    ).fetchone()
    assert found == (0, False)
    (n,) = connection.execute(
        "SELECT count(*) FROM production.likeness WHERE NOT (x BETWEEN -1000 AND 1000 AND y BETWEEN -1000 AND 1000)"
    ).fetchone()
    assert n == 0


def test_companion_without_t_sne(connection, run, settings, seed_sky):
    sky = seed_sky(n_training=40, n_observed=60, n_odd=25)
    result = flag_boundary(connection, run, settings)
    rows = connection.execute(
        "SELECT source_id, nearest, distance, quantile, outside FROM production.training_distance"
    ).fetchall()
    outside = {row[0]: row[4] for row in rows}
    training = set(sky.source_id[:40].tolist())
    assert all(outside[i] for i in sky.source_id[-25:].tolist())
    assert all(row[1] in training and row[1] != row[0] for row in rows)
    assert all(row[3] >= 0.94 for row in rows if row[4])
    n, threshold, quantile = connection.execute(
        "SELECT n_components, threshold, quantile FROM production.companion WHERE run_id = %s", (run.run_id,)
    ).fetchone()
    # Without S/N all components count.
    assert n == result.counts["companion_components"] == 10
    assert quantile == pytest.approx(0.95)
    assert all(row[4] == (row[2] > threshold) for row in rows)
    assert sum(outside[i] for i in training) <= 0.05 * 40 + 1


def _maps(connection):
    return connection.execute(
        'SELECT perplexity, source_id, x, "like" FROM production.likeness ORDER BY perplexity, source_id'
    ).fetchall()


def _spy(function, computed):
    def wrapper(*arguments):
        for each in function(*arguments):
            computed.append(each.perplexity)
            yield each

    return wrapper

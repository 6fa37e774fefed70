"""The whole stage on a seeded database."""

from dataclasses import replace

import numpy as np
import pytest

from catalog.boundary import stage
from catalog.boundary.flag import boundary_digits, flag_text
from catalog.boundary.limits import QUANTITIES
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
    (limits,) = connection.execute("SELECT limits FROM production.ensemble").fetchone()
    rows = connection.execute(
        'SELECT source_id, bool_and("like") FROM production.likeness GROUP BY source_id'
    ).fetchall()
    like = np.array([dict(rows)[i] for i in sky.source_id.tolist()])
    values = {**sky.labels, "g": sky.g, "parallax": sky.parallax}
    digits = boundary_digits(values, {name: limits[name] for name in QUANTITIES}, ~like & ~sky.training)
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
    monkeypatch.setattr(stage, "likeness_maps", _spy(stage.likeness_maps, computed))
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


def test_too_few_stars_for_the_maps(connection, run, settings, seed_sky):
    seed_sky(n_training=10, n_observed=20)
    with pytest.raises(SampleError, match="perplexity 12 needs at least 37 stars; the sample has 30"):
        flag_boundary(connection, run, settings)
    assert not flags_of(connection)


def _maps(connection):
    return connection.execute(
        'SELECT perplexity, source_id, x, "like" FROM production.likeness ORDER BY perplexity, source_id'
    ).fetchall()


def _spy(function, computed):
    def wrapper(scores, training, settings, perplexities, workers, progress):
        for each in function(scores, training, settings, perplexities, workers, progress):
            computed.append(each.perplexity)
            yield each

    return wrapper

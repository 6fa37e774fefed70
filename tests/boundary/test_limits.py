"""Limits of the training sample, computed in SQL, against numpy."""

import numpy as np
import pytest

from catalog.boundary.limits import QUANTITIES, store_limits, training_limits
from catalog.database.ledger import open_run
from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS
from catalog.profiles.model import LimitSettings
from catalog.releases import load_release


def values_of(sky, stars):
    return {
        **{name: sky.apogee[name][stars] for name in sky.apogee},
        "g": sky.g[stars],
        "parallax": sky.parallax[stars],
    }


def test_quantities_follow_the_digits():
    assert tuple(digit.name for digit in FLAG_DIGITS[:7]) == QUANTITIES


@pytest.mark.parametrize("quantile", [0.0, 0.001, 0.1])
def test_limits_are_symmetric_quantiles_of_training_stars_alone(connection, run, seed_sky, quantile):
    sky = seed_sky(n_training=50, n_observed=30)
    limits = training_limits(connection, run.run_id, run.release, LimitSettings(quantile=quantile), load_release("dr3"))
    for name, values in values_of(sky, sky.training).items():
        expected = np.quantile(values.astype(np.float64), [quantile, 1 - quantile])
        assert limits.ranges[name] == pytest.approx(tuple(expected), rel=1e-12), name
    assert (limits.rule, limits.quantile, limits.n_training) == ("quantile", quantile, 50)


def test_full_range_has_every_training_star_inside(connection, run, seed_sky):
    sky = seed_sky()
    limits = training_limits(connection, run.run_id, run.release, LimitSettings(quantile=0.0), load_release("dr3"))
    for name, values in values_of(sky, sky.training).items():
        lower, upper = limits.ranges[name]
        # The extremes themselves, bit for bit: they are inside.
        assert lower == float(values.min())
        assert upper == float(values.max())


def test_paper_rule_is_table_1(connection, run):
    limits = training_limits(connection, run.run_id, run.release, LimitSettings(rule="paper"), load_release("dr3"))
    assert limits.ranges["teff"] == (3705.0, 6395.0)
    assert limits.ranges["g"] == (9.01, 14.21)
    assert limits.ranges["parallax"] == (0.05, 7.00)
    assert limits.rule == "paper"


def test_no_training_stars(connection, run):
    with pytest.raises(SampleError, match="no training stars with teff"):
        training_limits(connection, run.run_id, run.release, LimitSettings(), load_release("dr3"))


def test_rows_of_a_replaced_apogee_file_do_not_count(connection, run, seed_sky):
    seed_sky()
    connection.execute("UPDATE production.ingest_file SET status = 'replaced'")
    with pytest.raises(SampleError):
        training_limits(connection, run.run_id, run.release, LimitSettings(), load_release("dr3"))


def stored(connection, run):
    rows = connection.execute(
        "SELECT quantity, lower, upper, rule, quantile, n_training FROM production.boundary_limit WHERE run_id = %s",
        (run.run_id,),
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_stored_with_the_run(connection, run, seed_sky):
    seed_sky()
    limits = training_limits(connection, run.run_id, run.release, LimitSettings(), load_release("dr3"))
    for _ in range(2):
        store_limits(connection, run.run_id, limits)
        assert stored(connection, run) == {name: (*limits.ranges[name], "quantile", 0.001, 30) for name in QUANTITIES}


def test_another_run_of_the_same_ensemble_has_its_own_limits(connection, run, profile, seed_sky):
    seed_sky()
    other = open_run(connection, profile.model_copy(update={"limits": LimitSettings(rule="paper")}))
    release = load_release("dr3")
    for each, rule in ((run, LimitSettings()), (other, LimitSettings(rule="paper"))):
        store_limits(connection, each.run_id, training_limits(connection, run.run_id, run.release, rule, release))
    assert stored(connection, run)["teff"][2:] == ("quantile", 0.001, 30)
    assert stored(connection, other)["teff"] == (3705.0, 6395.0, "paper", None, 0)

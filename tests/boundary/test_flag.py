"""The flag computed by SQL and by Python, star by star."""

import numpy as np
import pytest

from catalog.boundary.flag import boundary_digits, flag_bits, flag_text
from catalog.boundary.limits import QUANTITIES, TrainingLimits, store_limits
from catalog.boundary.records import store_flags
from catalog.database.copy_in import copy_in
from catalog.database.queries import load
from catalog.metadata import FLAG_DIGITS, LABELS, decode_flag

LIMITS = {
    "teff": (4000.0, 6000.0),
    "logg": (0.5, 4.5),
    "mh": (-2.0, 0.5),
    "alpham": (-0.1, 0.4),
    "feh": (-2.0, 0.5),
    "g": (9.0, 14.0),
    "parallax": (0.1, 7.0),
}
INSIDE = {name: (lower + upper) / 2 for name, (lower, upper) in LIMITS.items()}


@pytest.mark.parametrize("position", range(1, 9))
def test_each_digit_stands_for_its_quantity(position):
    values = {name: [value] for name, value in INSIDE.items()}
    digit = FLAG_DIGITS[position - 1]
    if position < 8:
        values[digit.name] = [LIMITS[digit.name][1] + 1.0]
    digits = boundary_digits(values, LIMITS, [position == 8])
    expected = "".join("1" if i == position else "0" for i in range(1, 9))
    assert flag_text(digits).tolist() == [expected]
    assert flag_bits(digits).tolist() == [digit.bit]
    assert [each.position for each in decode_flag(expected)] == [position]


@pytest.mark.parametrize("name", QUANTITIES)
def test_ends_are_inside_and_missing_values_outside(name):
    lower, upper = LIMITS[name]
    edge = np.array([lower, upper, np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf), np.nan])
    values = {each: np.full(5, value) for each, value in INSIDE.items()} | {name: edge}
    digits = boundary_digits(values, LIMITS, np.zeros(5, dtype=bool))
    assert digits[:, QUANTITIES.index(name)].tolist() == [False, False, True, True, True]


@pytest.fixture
def random_run(connection, run, seed_sky):
    """Two hundred stars inside, on and beyond the limits, with nulls and incomplete maps."""
    sky = seed_sky(n_training=60, n_observed=140)
    rng = np.random.default_rng(8)
    n = len(sky.source_id)
    limits = {}
    for name in (label.name for label in LABELS):
        values = sky.labels[name].astype(np.float64)
        # Limits that are some stars' own values: `real` columns must meet them exactly.
        limits[name] = (float(np.sort(values)[20]), float(np.sort(values)[-20]))
    limits["g"] = (float(np.sort(sky.g)[15]), float(np.sort(sky.g)[-15]))
    limits["parallax"] = (float(np.sort(sky.parallax)[15]), float(np.sort(sky.parallax)[-15]))
    store_limits(connection, run.run_id, TrainingLimits(limits, "quantile", 0.1, 60))
    g, parallax = sky.g.astype(np.float64), sky.parallax.copy()
    g[:5] = parallax[3:8] = np.nan
    for source_id, g_value, parallax_value in zip(sky.source_id, g, parallax, strict=True):
        connection.execute(
            "UPDATE survey.gaia_source SET phot_g_mean_mag = %s, parallax = %s WHERE source_id = %s",
            (*(None if np.isnan(v) else float(v) for v in (g_value, parallax_value)), int(source_id)),
        )
    like = rng.uniform(size=(4, n)) < 0.9
    present = np.ones((4, n), dtype=bool)
    present[2, 100:110] = False  # a map that lacks some stars
    present[:, 110:113] = False  # stars in no map at all
    for row, perplexity in enumerate((30, 50, 75, 100)):
        connection.execute(
            "INSERT INTO production.likeness_map "
            "(run_id, perplexity, threshold, quantile, n_training, n_observed, settings) "
            "VALUES (%s, %s, 1, 0.99, 60, 140, '{}')",
            (run.run_id, perplexity),
        )
        stars = present[row]
        copy_in(
            connection,
            "production.likeness",
            {
                "run_id": np.full(stars.sum(), run.run_id),
                "perplexity": np.full(stars.sum(), perplexity),
                "source_id": sky.source_id[stars],
                "x": np.zeros(stars.sum()),
                "y": np.zeros(stars.sum()),
                "distance": np.ones(stars.sum()),
                "like": like[row][stars],
            },
        )
    unlike = ~(like & present).all(axis=0) & ~sky.training
    values = {**sky.labels, "g": g, "parallax": parallax}
    return sky, boundary_digits(values, limits, unlike), limits


def test_sql_and_python_agree_on_every_star(connection, run, random_run):
    sky, digits, _ = random_run
    rows = connection.execute(load("boundary/flags").statement, {"run_id": run.run_id}).fetchall()
    order = np.argsort(sky.source_id)
    assert [row[1] for row in rows] == sky.source_id[order].tolist()
    assert [row[2] for row in rows] == flag_text(digits)[order].tolist()
    assert [row[3] for row in rows] == flag_bits(digits)[order].tolist()
    assert {row[0] for row in rows} == {run.release}
    # Not a comparison of constants: every digit is set for some stars and not for others.
    assert digits.any(axis=0).all()
    assert not digits.all(axis=0).any()


def test_training_stars_are_like_whatever_their_distances(connection, run, random_run):
    sky, *_ = random_run
    rows = connection.execute(load("boundary/flags").statement, {"run_id": run.run_id}).fetchall()
    flags = {row[1]: row[2] for row in rows}
    assert {flags[i][7] for i in sky.source_id[sky.training]} == {"0"}
    # Digits 1 to 7 of training stars follow from the limits like everybody's.
    assert any("1" in flags[i][:7] for i in sky.source_id[sky.training])


def test_stage_writes_what_the_database_computes(connection, run, random_run):
    sky, digits, limits = random_run
    store_flags(connection, run, TrainingLimits(limits, "quantile", 0.1, 60))
    written = connection.execute(
        "SELECT release, source_id, flag_boundary, flag_bits FROM production.boundary ORDER BY source_id"
    ).fetchall()
    assert written == connection.execute(load("boundary/flags").statement, {"run_id": run.run_id}).fetchall()
    assert [row[3] for row in written] == flag_bits(digits)[np.argsort(sky.source_id)].tolist()


def test_each_digit_shows_its_value_and_limits(connection, run, random_run):
    sky, digits, limits = random_run
    rows = connection.execute(
        "SELECT source_id, digit, quantity, value, lower, upper, outside FROM production.boundary_digit "
        "WHERE run_id = %s ORDER BY source_id, digit",
        (run.run_id,),
    ).fetchall()
    assert len(rows) == 7 * len(sky.source_id)
    place = {source_id: i for i, source_id in enumerate(sky.source_id.tolist())}
    for source_id, digit, quantity, value, lower, upper, outside in rows:
        assert quantity == FLAG_DIGITS[digit - 1].name
        assert (lower, upper) == limits[quantity]
        assert outside == digits[place[source_id], digit - 1]
        assert value is None or outside == (not lower <= value <= upper)


@pytest.mark.parametrize("digit", FLAG_DIGITS, ids=lambda digit: digit.name)
def test_words_of_each_digit(connection, digit):
    def words(outside, value, lower=1.0, upper=2.0, role="observed"):
        return connection.execute(
            "SELECT production.digit_words(%s, %s, %s, %s, %s, %s)",
            (digit.position, outside, value, lower, upper, role),
        ).fetchone()[0]

    if digit.name == "tsne":
        assert "unlike" in words(True, 3.14)
        assert "3.1 times as far" in words(True, 3.14)
        assert "is like" in words(False, 0.5)
        assert "does not stand in every t-SNE map" in words(True, None)
        assert "a training star" in words(False, 7.0, role="training")
        return
    unit = {label.name: label.unit.strip("'") for label in LABELS} | {"logg": "dex", "g": "mag", "parallax": "mas"}
    assert words(False, 1.5).startswith(f"{digit.text} ")
    assert "lies within" in words(False, 1.5)
    assert f" {unit[digit.name]}" in words(False, 1.5)
    assert "lies above" in words(True, 3.0)
    assert "lies below" in words(True, -3.0)
    assert words(True, None) == words(True, float("nan")) == f"{digit.text} is not known, which counts as outside"

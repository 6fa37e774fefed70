"""Stars and features that no network can use: left out by name and counted, in training and in prediction."""

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.metadata import LABELS
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.ensemble.outcomes import labels_of
from tests.features.sky import make_sky, store_sky

XP = "a BP or RP coefficient that is not finite, or a first one that is not positive"


def left_out(notes: list[str], reason: str) -> str:
    """The one note on stars that were left out for that reason."""
    [note] = [note for note in notes if f"left out: {reason}" in note]
    return note


def test_training_stars_without_a_label_are_named_with_it(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    training = np.flatnonzero(sky.role == "training")
    for star, values in zip(training, ({1: np.nan}, {4: np.nan, 3: np.nan}, {0: np.inf}), strict=False):
        for column, value in values.items():
            sky.labels[star, column] = value
    store_sky(connection, run, sky)
    result = train_ensemble(connection, run, settings)
    assert result.counts["training"] == 37
    for star, name in zip(training, ("logg", "alpha_m", "teff"), strict=False):
        note = left_out(result.notes, f"APOGEE's label {name} is missing or not finite")
        assert note.startswith("1 star ")
        assert str(sky.source_id[star]) in note
    # They are labelled all the same: nothing is wrong with their spectra.
    assert predict_labels(connection, run, settings).counts["labelled"] == 60


def test_a_first_coefficient_that_is_not_positive_leaves_its_star_out(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    training, observed = (np.flatnonzero(sky.role == role) for role in ("training", "observed"))
    sky.bp[training[0], 0] = sky.rp[observed[0], 0] = 0.0
    sky.rp[training[1], 0] = sky.bp[observed[1], 0] = -5.0
    spoilt = [int(sky.source_id[star]) for star in (*training[:2], *observed[:2])]
    store_sky(connection, run, sky)
    trained = train_ensemble(connection, run, settings)
    assert trained.counts["training"] == 38
    note = left_out(trained.notes, XP)
    assert note.startswith("2 stars ")
    assert all(str(star) in note for star in spoilt[:2])
    predicted = predict_labels(connection, run, settings)
    assert (predicted.counts["labelled"], predicted.counts["left_out"]) == (56, 4)
    assert left_out(predicted.notes, XP).startswith("4 stars ")
    assert not {*labels_of(connection, run)[:, 0].astype(int)} & {*spoilt}


@pytest.mark.parametrize("everywhere", [True, False], ids=["all stars", "training stars"])
def test_a_feature_that_is_the_same_for_all_tells_the_network_nothing(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess, everywhere: bool
) -> None:
    sky = make_sky(60, 20)
    chosen = np.full(60, True) if everywhere else sky.role == "training"
    sky.gaia["parallax"][chosen] = 2.5
    sky.bp[chosen, 7] = 0.25 * sky.bp[chosen, 0]
    store_sky(connection, run, sky)
    trained = train_ensemble(connection, run, settings)
    told = [note for note in trained.notes if note.startswith("The same for every training star")]
    assert told == [
        "The same for every training star, so the network cannot learn from it: parallax.",
        "The same for every training star, so the network cannot learn from it: bp_8.",
    ]
    assert predict_labels(connection, run, settings).counts["labelled"] == 60
    labels = labels_of(connection, run)
    for i, label in enumerate(LABELS):
        assert np.isfinite(labels[:, 1 + 4 * i : 4 + 4 * i].astype(float)).all(), label.name
    # Whatever it is in other stars, it changes no bit.
    moved = connection.execute(
        "UPDATE survey.gaia_source g SET parallax = parallax + 9 FROM production.sample_star s "
        "WHERE s.source_id = g.source_id AND s.role = 'observed'"
    )
    assert moved.rowcount == 20
    connection.commit()
    predict_labels(connection, run, settings)
    np.testing.assert_array_equal(labels_of(connection, run), labels)


def test_a_label_that_is_the_same_for_all_is_told_and_given_back(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    sky.labels[:, 3] = 0.125
    store_sky(connection, run, sky)
    trained = train_ensemble(connection, run, settings)
    assert any("cannot learn from it: alpham" in note for note in trained.notes)
    predict_labels(connection, run, settings)
    column = 1 + 4 * [label.name for label in LABELS].index("alpham")
    labels = labels_of(connection, run)
    assert set(labels[:, column]) == {0.125}
    assert set(labels[:, column + 1]) == {0.0}

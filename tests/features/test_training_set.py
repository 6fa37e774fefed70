from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.errors import SampleError
from catalog.features import FeatureReport, load_training_set, training_digest
from tests.features.sky import Sky, make_sky, store_sky


@pytest.fixture
def sky() -> Sky:
    return make_sky(25, 5)


def test_labels_belong_to_their_stars(connection: psycopg.Connection, run: Run, sky: Sky, tmp_path: Path) -> None:
    store_sky(connection, run, sky, order=np.random.default_rng(2).permutation(25))
    chosen = sky.role == "training"
    for folder in (None, tmp_path):
        report = FeatureReport()
        training = load_training_set(connection, run, folder, report)
        assert len(training) == 20
        np.testing.assert_array_equal(training.source_id, sky.source_id[chosen])
        np.testing.assert_allclose(training.labels, sky.labels[chosen], rtol=1e-6)
        np.testing.assert_array_equal(training.flux[:, 3:], sky.flux[chosen][:, 3:].astype(np.float32))
        assert report.n_stars == 20
    assert isinstance(training.flux, np.memmap)
    assert Path(str(training.flux.filename)) == tmp_path / "flux.npy"


def test_stars_without_label_or_input_are_left_out_and_told(
    connection: psycopg.Connection, run: Run, sky: Sky, tmp_path: Path
) -> None:
    training_stars = np.flatnonzero(sky.role == "training")
    no_label, no_pixel, no_file = training_stars[[1, 4, 7]]
    sky.labels[no_label, 3] = np.nan
    sky.flux[no_pixel] = np.nan
    store_sky(connection, run, sky)
    connection.execute(
        "UPDATE production.sample_star SET apogee_row = 1000 WHERE source_id = %s", (int(sky.source_id[no_file]),)
    )
    report = FeatureReport()
    training = load_training_set(connection, run, tmp_path, report)
    kept = np.setdiff1d(training_stars, [no_label, no_pixel, no_file])
    np.testing.assert_array_equal(training.source_id, sky.source_id[kept])
    np.testing.assert_allclose(training.labels, sky.labels[kept], rtol=1e-6)
    np.testing.assert_allclose(training.scalars[:, 0], sky.gaia["phot_g_mean_mag"][kept], rtol=1e-6)
    assert report.n_stars == 17
    assert report.rejected["APOGEE's label alpha_m is missing or not finite"] == 1
    assert report.examples["APOGEE's label alpha_m is missing or not finite"] == [sky.source_id[no_label]]
    # All labels are missing: counted once.
    assert report.rejected["APOGEE's label teff is missing or not finite"] == 1
    assert report.rejected["an RVS spectrum without a valid pixel"] == 1


def test_an_empty_training_sample_is_empty(connection: psycopg.Connection, run: Run, tmp_path: Path) -> None:
    assert len(load_training_set(connection, run, tmp_path)) == 0


def test_labels_that_are_not_finite_are_refused(sky: Sky) -> None:
    labels = sky.labels.copy()
    labels[3, 1] = np.inf
    with pytest.raises(SampleError, match=rf"logg of training star {sky.source_id[3]} is inf"):
        make_training_set(sky, labels=labels)


def test_ids_must_ascend(sky: Sky) -> None:
    with pytest.raises(ValueError, match="ascend"):
        make_training_set(sky, source_id=sky.source_id[::-1])
    with pytest.raises(ValueError, match="length"):
        make_training_set(sky, labels=sky.labels[:-1])


def make_training_set(sky: Sky, **parts: np.ndarray) -> object:
    from catalog.features import TrainingSet

    n = len(sky.source_id)
    whole = TrainingSet(sky.source_id, sky.flux.astype(np.float32), np.ones((n, 4)), np.ones((n, 110)), sky.labels)
    return replace(whole, **parts)


def test_the_digest_sees_every_input_and_nothing_else(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    store_sky(connection, run, sky)
    n, first = training_digest(connection, run)
    assert n == 20
    assert training_digest(connection, run) == (20, first)
    training, observed = (int(sky.source_id[np.flatnonzero(sky.role == role)[0]]) for role in ("training", "observed"))
    digests = {first}
    for statement in (
        "UPDATE survey.rvs_spectrum SET flux = set_byte(flux, 5000, get_byte(flux, 5000) # 1) WHERE source_id = %s",
        "UPDATE survey.xp_coefficients SET rp_coefficients = set_byte(rp_coefficients, 99, 3) WHERE source_id = %s",
        "UPDATE survey.gaia_source SET parallax = parallax + 1e-9 WHERE source_id = %s",
        "UPDATE survey.gaia_source SET phot_bp_mean_mag = phot_bp_mean_mag + 0.01 WHERE source_id = %s",
        "UPDATE survey.apogee_star SET fe_h = fe_h + 0.01 WHERE gaiaedr3_source_id = %s",
        "UPDATE production.sample_star SET role = 'observed' WHERE source_id = %s",
    ):
        connection.execute(statement, (observed,))
        before = training_digest(connection, run)[1]
        assert before in digests, f"a star that is not in the training sample changed the digest: {statement}"
        connection.execute(statement, (training,))
        after = training_digest(connection, run)[1]
        assert after not in digests, f"the digest does not see {statement}"
        digests.add(after)

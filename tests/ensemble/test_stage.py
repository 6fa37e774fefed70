from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.ensemble import load_ensemble, read_training, verify_artefact
from catalog.ensemble.calibration import calibrated_sigma
from catalog.ensemble.metrics import out_of_fold
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.registry.keys import ensemble_keys
from catalog.ensemble.registry.residuals import calibrations_of
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.ensemble.training.divergence import DivergedError
from catalog.ensemble.training.member import TrainedMember
from catalog.ensemble.uncertainty import DispersionFit, overall_sigma
from catalog.errors import NotFoundError, SampleError
from catalog.features import stream_features
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.profiles.model import UncertaintySettings
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess, untrained
from tests.ensemble.outcomes import ensemble_folder, labels_of, residuals_of, with_training
from tests.features.sky import Sky, make_sky, store_samples, store_sky


def test_an_ensemble_is_trained_registered_and_used_again(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky
) -> None:
    told: list[tuple[float, float, str]] = []
    result = train_ensemble(connection, run, settings, lambda *what: told.append(what))
    assert (result.counts["members_trained"], result.counts["epochs"]) == (2, "2, 2")
    assert (result.counts["members"], result.counts["training"]) == (2, 40)
    assert result.counts["all_members/dispersion/teff"] > 0
    assert 0 <= result.counts["out_of_fold/coverage/feh"] <= 1
    assert any("bp_1 and rp_1" in note for note in result.notes)
    assert told[-1][:2] == (4, 4)
    assert any("member 2 of 2, epoch 1: loss" in words for _, _, words in told)
    # Two epochs are too few to judge: that is said.
    assert sum("is no better than a constant after 2 epochs" in note for note in result.notes) >= 1
    done = [done for done, total, _ in told if total == 4]
    assert done == sorted(done)

    folder = ensemble_folder(settings)
    assert not list(settings.ensembles.glob(".*"))
    key, training_key = ensemble_keys(connection, run)
    assert folder.name == key[:16]
    manifest = verify_artefact(folder)
    row = connection.execute(
        "SELECT key, run_id, status, n_members, n_training, settings, uncertainty, metrics, sha256 "
        "FROM production.ensemble"
    ).fetchone()
    assert row is not None
    assert row[:5] == (key, run.run_id, "complete", 2, 40)
    assert row[5]["training_key"] == training_key
    assert set(row[6]["fits"]) == {label.name for label in LABELS}
    assert row[7]["out_of_fold"]["mh"]["n"] == manifest.metrics["out_of_fold"]["mh"]["n"] > 0
    assert len(row[8]) == 64
    assert row[6]["calibrated"] == manifest.uncertainty["calibrated"]
    assert row[6]["calibrated"]["fits"]["teff"]["fit"]["bin_width"] > 0
    members = connection.execute(
        "SELECT member, split, initialisation, seed, epochs, history FROM production.ensemble_member ORDER BY 1"
    ).fetchall()
    assert [member[:3] for member in members] == [(0, 0, 0), (1, 1, 0)]
    assert [member[3] for member in members] == [record.seed for record in manifest.members]
    assert all(len(member[5][name]) == member[4] == 2 for member in members for name in ("val_loss", "seconds"))
    kept = read_training(folder)
    np.testing.assert_array_equal(kept["source_id"], sky.source_id[sky.role == "training"])
    assert kept["validation"].sum(axis=1).tolist() == [10, 10]
    assert kept["predictions"].shape == (2, 40, 5)

    told.clear()
    again = train_ensemble(connection, run, settings, lambda *what: told.append(what))
    assert not any("epoch" in words for _, _, words in told)
    assert again.counts["ensemble_id"] == result.counts["ensemble_id"]
    assert again.counts["members_trained"] == 0
    assert any("used again" in note for note in again.notes)
    # Another database knows nothing of it, but the folder is enough.
    connection.execute("DELETE FROM production.ensemble")
    connection.commit()
    assert train_ensemble(connection, run, settings).counts["members_trained"] == 0
    assert connection.execute("SELECT count(*) FROM production.ensemble_member").fetchone() == (2,)


def test_every_star_gets_mean_deviation_and_sigma(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    trained = train_ensemble(connection, run, settings)
    told: list[float] = []
    result = predict_labels(connection, run, settings, lambda done, total, what="": told.append(done / total))
    assert (result.counts["labelled"], result.counts["left_out"]) == (60, 0)
    assert result.counts["median/sigma_teff"] >= result.counts["median/eteff"]
    assert told[-1] == 1.0
    rows = labels_of(connection, run)
    np.testing.assert_array_equal(rows[:, 0], sky.source_id)

    ensemble = load_ensemble(ensemble_folder(settings))
    blocks = list(stream_features(connection, run))
    mean, deviation = combine(np.concatenate([ensemble.predict(block) for block in blocks], axis=1))
    fits = [DispersionFit.model_validate(ensemble.manifest.uncertainty["fits"][label.name]) for label in LABELS]
    calibrations = calibrations_of(ensemble.path, ensemble.manifest)
    sigmas = overall_sigma(fits, mean, deviation), calibrated_sigma(calibrations, mean, deviation)
    expected = np.stack([mean, deviation, *sigmas], axis=2).reshape(60, 20)
    np.testing.assert_allclose(rows[:, 1:], expected, rtol=1e-4, atol=1e-5)
    assert (rows[:, 3::4] >= rows[:, 2::4]).all()
    assert (rows[:, 4::4] > 0).all()
    assert result.counts["median/sigma_mh_oof"] == pytest.approx(np.median(rows[:, 12]), abs=1e-3)
    # The predictions kept with the ensemble are those of the same networks.
    kept = read_training(ensemble.path)
    training = np.isin(sky.source_id, kept["source_id"])
    np.testing.assert_allclose(kept["predictions"].mean(axis=0), mean[training], rtol=1e-4, atol=1e-4)
    stored = connection.execute("SELECT DISTINCT ensemble_id, n_members, release FROM production.label").fetchall()
    assert stored == [(trained.counts["ensemble_id"], 2, run.release)]

    predict_labels(connection, run, settings)
    np.testing.assert_array_equal(labels_of(connection, run), rows)


def test_out_of_fold_residuals_are_kept_with_the_ensemble(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    store_sky(connection, run, make_sky(120, 20))
    result = train_ensemble(connection, run, settings)
    folder = ensemble_folder(settings)
    kept, manifest = read_training(folder), verify_artefact(folder)
    unseen = out_of_fold(kept["predictions"], kept["validation"], np.array([0, 1]))
    known = np.isfinite(unseen).all(axis=1)
    rows = residuals_of(connection)
    np.testing.assert_array_equal(rows[:, 0], kept["source_id"][known])
    np.testing.assert_array_equal(rows[:, 1], kept["validation"].sum(axis=0)[known])
    np.testing.assert_allclose(rows[:, 2::3], unseen[known], rtol=1e-6)
    np.testing.assert_allclose(rows[:, 3::3], (unseen - kept["labels"])[known], rtol=1e-6, atol=1e-7)
    within = np.abs(rows[:, 3::3]) <= rows[:, 4::3]
    for i, label in enumerate(LABELS):
        assert result.counts[f"calibrated/coverage/{label.name}"] == pytest.approx(within[:, i].mean(), abs=1e-3)

    # An ensemble that was registered before there were residuals gets them when it is used again.
    recorded = manifest.uncertainty["calibrated"]
    connection.execute("DELETE FROM production.training_residual")
    connection.execute("UPDATE production.ensemble SET uncertainty = uncertainty - 'calibrated'")
    connection.commit()
    for _ in range(2):
        assert train_ensemble(connection, run, settings).counts["members_trained"] == 0
        np.testing.assert_array_equal(residuals_of(connection), rows)
        found = connection.execute("SELECT uncertainty -> 'calibrated' FROM production.ensemble").fetchone()
        assert found == (recorded,)
    # So do labels by an ensemble that was saved before there were calibrations.
    old = manifest.model_copy(update={"uncertainty": {"fits": manifest.uncertainty["fits"]}})
    assert calibrations_of(folder, old) == calibrations_of(folder, manifest) != []


def test_other_uncertainty_settings_need_no_training(
    connection: psycopg.Connection, run: Run, settings: Settings, profile: Profile, sky: Sky, in_process: InProcess
) -> None:
    train_ensemble(connection, run, settings)
    other = open_run(
        connection,
        profile.model_copy(update={"uncertainty": UncertaintySettings(n_bins=3, min_stars_per_bin=5, degree=1)}),
    )
    assert other.run_id != run.run_id
    apogee_file = connection.execute("SELECT apogee_file_id FROM production.sample_star LIMIT 1").fetchone()
    assert apogee_file is not None
    store_samples(connection, other, sky, apogee_file[0])
    train_ensemble(connection, other, settings)
    assert in_process.trained == [0, 1]
    rows: list[Any] = connection.execute(
        "SELECT uncertainty -> 'fits' -> 'teff' ->> 'n_bins', (SELECT array_agg(weights_sha256 ORDER BY member) "
        "FROM production.ensemble_member m WHERE m.ensemble_id = e.ensemble_id) "
        "FROM production.ensemble e ORDER BY ensemble_id"
    ).fetchall()
    assert [row[0] for row in rows] == ["5", "3"]
    assert rows[0][1] == rows[1][1]


def test_members_are_dropped_by_rule_and_recorded(
    connection: psycopg.Connection,
    profile: Profile,
    settings: Settings,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def second_is_worse(*arguments: Any) -> TrainedMember:
        trained = untrained(*arguments)
        trained.history["val_loss"][0] = 0.3 + 0.1 * arguments[1]
        return trained

    monkeypatch.setattr("tests.ensemble.conftest.untrained", second_is_worse)
    run = open_run(connection, with_training(profile, drop_above_percentile=80.0))
    sky = make_sky(60, 20)
    apogee_file = store_sky(connection, run, sky)
    result = train_ensemble(connection, run, settings)
    assert (result.counts["members"], result.counts["members_dropped"], result.counts["members_trained"]) == (1, 1, 2)
    why = "best validation loss 0.4 is above 0.38, percentile 80 of 2 members"
    assert f"Member 2 was dropped: {why}." in result.notes
    rows = connection.execute(
        "SELECT member, kept, verdict, backend, e.n_members, metrics ? 'members' FROM production.ensemble_member "
        "JOIN production.ensemble e USING (ensemble_id) ORDER BY member"
    ).fetchall()
    assert [row[:3] for row in rows] == [(0, True, why.replace("0.4 is above", "0.3 is not above")), (1, False, why)]
    assert all(row[3].startswith("tensorflow") and row[4:] == (1, False) for row in rows)
    folder = ensemble_folder(settings)
    assert [path.name for path in folder.glob("*.keras")] == ["member_00.keras"]
    assert read_training(folder)["predictions"].shape == (1, 40, 5)
    assert predict_labels(connection, run, settings).counts["members"] == 1

    # Without the rule: only the network that was dropped is missing.
    other = open_run(connection, profile)
    store_samples(connection, other, sky, apogee_file)
    in_process.trained.clear()
    assert train_ensemble(connection, other, settings).counts["members"] == 2
    assert in_process.trained == [1]


def test_diverged_members_are_recorded(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    sky: Sky,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []

    def flaky(*arguments: Any) -> TrainedMember:
        seeds.append(arguments[2])
        if len(seeds) == 2:
            raise DivergedError("the loss of epoch 4 is inf")
        return untrained(*arguments)

    monkeypatch.setattr("tests.ensemble.conftest.untrained", flaky)
    result = train_ensemble(connection, run, settings)
    assert any(f"Member 2 diverged with seed {seeds[1]} (the loss of epoch 4" in note for note in result.notes)
    rows = connection.execute(
        "SELECT attempt, seed, failures FROM production.ensemble_member ORDER BY member"
    ).fetchall()
    message = "the loss of epoch 4 is inf"
    assert rows == [(0, seeds[0], []), (1, seeds[2], [{"seed": seeds[1], "message": message}])]
    # They are known from the folder alone, too.
    connection.execute("DELETE FROM production.ensemble")
    connection.commit()
    train_ensemble(connection, run, settings)
    again = connection.execute("SELECT attempt, seed, failures FROM production.ensemble_member ORDER BY member")
    assert again.fetchall() == rows


def test_the_key_sees_sample_and_settings(
    connection: psycopg.Connection, run: Run, profile: Profile, sky: Sky, in_process: InProcess
) -> None:
    def keys(**changes: Any) -> tuple[str, str]:
        changed = Run(run.run_id, run.key, run.release, profile.model_copy(update=changes), run.status)
        return ensemble_keys(connection, changed)

    key, training_key = keys()
    assert keys(description="other words") == (key, training_key)
    for changes in (
        {"network": profile.network.model_copy(update={"dropout": 0.3})},
        {"training": profile.training.model_copy(update={"seed": 6})},
    ):
        other = keys(**changes)
        assert other[0] != key
        assert other[1] != training_key
    for changes in (
        {"uncertainty": profile.uncertainty.model_copy(update={"degree": 1})},
        {"training": profile.training.model_copy(update={"drop_above_percentile": 80.0})},
    ):
        other = keys(**changes)
        assert other[0] != key
        assert other[1] == training_key
    row = int(np.flatnonzero(sky.role == "observed")[0])
    connection.execute("UPDATE survey.apogee_star SET teff = teff + 1 WHERE row_number = %s", (row,))
    assert keys() == (key, training_key)
    connection.execute(
        "UPDATE survey.apogee_star SET teff = teff + 1 WHERE row_number = %s",
        (int(np.flatnonzero(sky.role == "training")[0]),),
    )
    assert keys()[1] != training_key


def test_a_training_sample_that_is_too_small(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(30, 11)
    store_sky(connection, run, sky)
    with pytest.raises(SampleError, match=r"has 19 stars .* at least 20 are needed") as caught:
        train_ensemble(connection, run, settings)
    assert "training.min_training_stars" in caught.value.remedy
    assert in_process.trained == []


def test_no_stars_to_label(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    with pytest.raises(SampleError, match="has 0 stars"):
        train_ensemble(connection, run, settings)
    with pytest.raises(NotFoundError, match="no trained ensemble"):
        predict_labels(connection, run, settings)


def test_unusable_stars_are_left_out_and_told(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    observed, training = (np.flatnonzero(sky.role == role) for role in ("observed", "training"))
    sky.bp[observed[0], 0] = -1.0
    sky.flux[training[2]] = np.nan
    sky.labels[training[3], 0] = np.nan
    sky.rp[observed[5]] = np.nan  # stored as null
    store_sky(connection, run, sky)
    trained = train_ensemble(connection, run, settings)
    assert trained.counts["training"] == 38
    assert any("label" in note and str(sky.source_id[training[3]]) in note for note in trained.notes)
    result = predict_labels(connection, run, settings)
    assert (result.counts["labelled"], result.counts["left_out"]) == (57, 3)
    assert len(result.notes) == 3
    left = np.delete(sky.source_id, [observed[0], observed[5], training[2]])
    np.testing.assert_array_equal(labels_of(connection, run)[:, 0], left)

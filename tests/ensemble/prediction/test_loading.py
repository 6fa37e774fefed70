import sys
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble import load_ensemble, verify_artefact
from catalog.ensemble.prediction import labelling
from catalog.ensemble.prediction.members import SavedMembers
from catalog.ensemble.prediction.reference import reference_labels
from catalog.ensemble.registry.artefact import network_file, read_scalers
from catalog.ensemble.runtimes.compiled.runtime import CompiledRuntime
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.errors import ArtefactError, ConfigurationError
from catalog.features import FeatureBlock
from catalog.profiles.model import PredictionSettings
from catalog.settings import Settings
from tests.ensemble.conftest import N_PIXELS, InProcess
from tests.ensemble.outcomes import labels_of, stop_labelling
from tests.ensemble.registry.test_artefact import block
from tests.features.sky import Sky, make_sky, store_sky


def members_in(artefact: Path) -> SavedMembers:
    return SavedMembers(artefact, verify_artefact(artefact), read_scalers(artefact), 1)


def with_runtime(run: Run, runtime: Any) -> Run:
    profile = run.profile.model_copy(update={"prediction": PredictionSettings(runtime=runtime)})
    return Run(run.run_id, run.key, run.release, profile, run.status)


def test_the_fastest_runtime_gives_keras_labels(artefact: Path) -> None:
    keras, fastest = load_ensemble(artefact), load_ensemble(artefact, runtime="auto")
    assert (keras.predictor.runtime.name, fastest.predictor.runtime.name) == ("keras", "compiled")
    stars = block(300)
    stars.flux[2, 3] = np.nan
    scale = keras.scalers.labels.maximum - keras.scalers.labels.minimum
    expected = keras.predict(stars)
    np.testing.assert_allclose(fastest.predict(stars) / scale, expected / scale, atol=1e-5)
    assert np.isnan(fastest.predict(stars)[:, 2]).all()
    assert fastest.predict(block(0)).shape == (2, 0, 5)
    # The stars of a probe may be spoilt, or none.
    for probe in (stars, block(0)):
        assert load_ensemble(artefact, runtime="compiled", probe=probe).predictor.max_difference < 1e-5


def test_weights_are_read_without_keras(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = members_in(artefact).weights()
    monkeypatch.setattr("catalog.ensemble.prediction.members._read_arrays", lambda *_: None)
    for arrays, by_keras in zip(direct, members_in(artefact).weights(), strict=True):
        assert all((a == b).all() for a, b in zip(arrays, by_keras, strict=True))
        assert len(arrays) == len(by_keras) == 18


def test_a_file_that_is_no_network(artefact: Path) -> None:
    members = members_in(artefact)
    network_file(artefact, 0).write_bytes(b"PK but not really")
    with pytest.raises(ArtefactError, match=r"member_00\.keras is no network"):
        _ = members.inputs


def test_keras_can_be_asked_in_a_process_of_its_own(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = members_in(artefact)
    rng = np.random.default_rng(2)
    stars = [rng.random((3, n), dtype=np.float32) for n in (N_PIXELS, 4, 110)]
    here = reference_labels(members, stars)
    monkeypatch.delitem(sys.modules, "keras")
    np.testing.assert_allclose(reference_labels(members, stars), here, atol=1e-6)
    network_file(artefact, 1).unlink()
    with pytest.raises(RuntimeError, match=r"ended with status 1: .*member_01\.keras is missing"):
        reference_labels(members, stars)


def test_the_runtime_is_chosen_by_the_profile_and_recorded(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    train_ensemble(connection, run, settings)
    found = {}
    for runtime in ("keras", "auto", "compiled"):
        result = predict_labels(connection, with_runtime(run, runtime), settings)
        assert result.counts["runtime"] == ("keras" if runtime == "keras" else "compiled")
        assert result.counts["threads"] == 2
        assert (result.counts["max_difference_from_keras"] > 0) == (runtime != "keras")
        assert result.notes == []
        found[runtime] = labels_of(connection, run)
    assert "llvmlite" in result.counts["runtime_version"]
    np.testing.assert_allclose(found["auto"], found["keras"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["auto"], found["compiled"])


def test_a_runtime_that_is_not_installed(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    labelled: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catalog.ensemble.runtimes.choice.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="'onnxruntime' needs onnxruntime and onnx"):
        predict_labels(connection, with_runtime(run, "onnxruntime"), settings)
    connection.rollback()
    # What was there before has not been touched.
    np.testing.assert_array_equal(labels_of(connection, run), labelled)


def test_a_runtime_that_dies_half_way(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    labelled: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labelling, "PAGE_SIZE", 20)
    right = CompiledRuntime.session
    n_calls = 0

    def session(self: CompiledRuntime) -> Any:
        predict = right(self)

        def dying(inputs: Any) -> np.ndarray:
            nonlocal n_calls
            n_calls += 1
            if n_calls > 2:  # the comparison with Keras, the first page
                raise RuntimeError("illegal instruction")
            return predict(inputs)

        return dying

    monkeypatch.setattr(CompiledRuntime, "session", session)
    result = predict_labels(connection, run, settings)
    assert result.counts["runtime"] == "keras"
    assert len(result.notes) == 1
    assert "failed while predicting (RuntimeError: illegal instruction): Keras went on" in result.notes[0]
    np.testing.assert_allclose(labels_of(connection, run), labelled, rtol=1e-5, atol=1e-5)


def test_a_resumed_prediction_is_the_same_to_the_last_bit(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    sky: Sky,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labelling, "PAGE_SIZE", 15)
    train_ensemble(connection, run, settings)
    predict_labels(connection, run, settings)
    whole = labels_of(connection, run)
    connection.execute("DELETE FROM production.label")
    connection.commit()
    for limit in (20, 40):
        stop_labelling(connection, run, settings, limit)
        # Whole pages, and the first ones.
        np.testing.assert_array_equal(labels_of(connection, run), whole[: limit // 15 * 15])
    result = predict_labels(connection, run, settings)
    assert any("30 stars had been labelled before" in note for note in result.notes)
    np.testing.assert_array_equal(labels_of(connection, run), whole)


def test_pages_without_any_usable_star(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labelling, "PAGE_SIZE", 10)
    sky = make_sky(60, 20)
    spoilt = np.flatnonzero(sky.role == "observed")[:5]
    sky.flux[:10] = np.nan
    sky.bp[spoilt, 0] = 0.0
    store_sky(connection, run, sky)
    train_ensemble(connection, run, settings)
    result = predict_labels(connection, run, settings)
    bad = np.union1d(np.arange(10), spoilt)
    assert (result.counts["labelled"], result.counts["left_out"]) == (60 - len(bad), len(bad))
    assert result.counts["max_difference_from_keras"] > 0
    np.testing.assert_array_equal(labels_of(connection, run)[:, 0], np.delete(sky.source_id, bad))


def test_an_ensemble_of_some_of_the_scalars(artefact: Path) -> None:
    ensemble = load_ensemble(artefact)
    names = ("phot_rp_mean_mag", "phot_g_mean_mag")
    scalars = ensemble.scalers.scalars
    fewer = type(scalars)(names, scalars.minimum[[2, 0]], scalars.maximum[[2, 0]])
    ensemble.scalers = type(ensemble.scalers)(fewer, ensemble.scalers.xp, ensemble.scalers.labels)
    ensemble.inputs = ("scalars",)
    stars: FeatureBlock = block(3)
    (values,) = ensemble._scaled(stars)
    np.testing.assert_allclose(values, scalars.transform(stars.scalars)[:, [2, 0]], rtol=1e-6)

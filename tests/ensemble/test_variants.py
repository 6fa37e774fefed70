"""Networks with some of the inputs only: trained, saved, loaded and predicted as the paper's is."""

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import ValidationError

from catalog.database.ledger import Run
from catalog.ensemble.backend import quiet
from catalog.ensemble.network import INPUTS, build_network
from catalog.ensemble.prediction.loading import combine, load_ensemble
from catalog.ensemble.registry.artefact import read_scalers, read_training, verify_artefact
from catalog.ensemble.registry.keys import ensemble_keys
from catalog.ensemble.runtimes import TOLERANCE
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.ensemble.training.arrays import TrainingArrays
from catalog.ensemble.training.member import train_member
from catalog.features import SCALARS, stream_features
from catalog.profiles.model import NetworkSettings, Profile, TrainingSettings
from catalog.settings import Settings
from tests.ensemble.conftest import SMALL, InProcess
from tests.features.sky import make_sky, store_sky

MAGNITUDES = list(SCALARS[:3])
VARIANTS: dict[str, dict[str, Any]] = {
    "rvs": {"inputs": ["spectrum"]},
    "no-xp": {"inputs": ["spectrum", "scalars"]},
    "no-scalars": {"inputs": ["spectrum", "xp"]},
    "no-parallax": {"scalars": MAGNITUDES},
    "no-xp-no-parallax": {"inputs": ["scalars", "spectrum"], "scalars": MAGNITUDES},
}


def small(**inputs: Any) -> NetworkSettings:
    return NetworkSettings.model_validate({**SMALL.model_dump(), **inputs})


def of_variant(run: Run, name: str) -> Run:
    profile = run.profile.model_copy(update={"network": small(**VARIANTS[name])})
    return Run(run.run_id, run.key, run.release, profile, run.status)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_says_what_it_leaves_out(name: str) -> None:
    settings = small(**VARIANTS[name])
    assert settings.variant == name
    # However it is written down, it comes back.
    assert NetworkSettings.model_validate_json(settings.model_dump_json()) == settings
    assert NetworkSettings.model_validate(settings.model_dump()) == settings


def test_the_papers_inputs_are_the_default_and_leave_keys_alone() -> None:
    settings = NetworkSettings()
    assert settings.variant == "full"
    assert (settings.inputs, settings.scalars) == (INPUTS, SCALARS)
    assert {"inputs", "scalars"}.isdisjoint(settings.model_dump(mode="json"))
    assert '"inputs"' not in Profile(name="a", description="").model_dump_json()
    spelt_out = NetworkSettings.model_validate({"inputs": ["xp", "scalars", "spectrum"], "scalars": [*SCALARS][::-1]})
    assert spelt_out == settings


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"inputs": ["xp", "scalars"]}, "must hold 'spectrum'"),
        ({"inputs": []}, "at least one is needed"),
        ({"scalars": []}, "leave them out of inputs"),
        ({"inputs": ["spectrum", "xp", "xp"]}, "named once: spectrum, xp, xp"),
        ({"inputs": ["spectrum", "colour"]}, "'spectrum', 'scalars' or 'xp'"),
        ({"scalars": ["ruwe"]}, "'phot_rp_mean_mag' or 'parallax'"),
        ({"inputs": ["spectrum", "xp"], "scalars": ["parallax"]}, "scalars are chosen, but inputs leave them out"),
    ],
)
def test_inputs_that_cannot_be_are_refused(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        small(**inputs)


@pytest.mark.parametrize(
    ("name", "nodes", "joined", "parameters"),
    [
        ("rvs", {"spectrum": 2401}, 128, 653_149 - (4 * 32 + 32) - (110 * 64 + 64) - 96 * 128),
        ("no-xp", {"spectrum": 2401, "scalars": 4}, 160, 653_149 - (110 * 64 + 64) - 64 * 128),
        ("no-parallax", {"spectrum": 2401, "scalars": 3, "xp": 110}, 224, 653_149 - 32),
    ],
)
def test_a_node_that_is_left_out_has_no_layers(name: str, nodes: dict[str, int], joined: int, parameters: int) -> None:
    settings = NetworkSettings.model_validate(VARIANTS[name])
    network = build_network(2401, nodes.get("scalars", 0), nodes.get("xp", 0), 5, settings)
    assert {tensor.name: tensor.shape[1] for tensor in network.inputs} == nodes
    assert network.get_layer("dense_1").input.shape[1] == joined
    assert network.count_params() == parameters
    layers = {layer.name for layer in network.layers}
    assert ("scalar_dense" in layers, "xp_dense" in layers) == ("scalars" in nodes, "xp" in nodes)
    assert ("joined" in layers) == (len(nodes) > 1)


def test_a_variant_has_a_key_of_its_own(connection: psycopg.Connection, run: Run) -> None:
    store_sky(connection, run, make_sky(30, 20))
    runs = [run, *(of_variant(run, name) for name in VARIANTS)]
    keys = [ensemble_keys(connection, each) for each in runs]
    assert len({key for key, _ in keys}) == len({training for _, training in keys}) == len(runs)
    assert len({each.profile.key for each in runs}) == len(runs)


@quiet()
def test_spectra_alone_are_learnt_from(arrays: TrainingArrays) -> None:
    empty = np.empty((len(arrays.labels), 0), dtype=np.float32)
    alone = TrainingArrays(arrays.flux, empty, empty, arrays.labels, arrays.validation)
    assert [values.shape[1] for values in alone.inputs(slice(None))] == [arrays.flux.shape[1]]
    training = TrainingSettings(
        splits=2, initialisations=1, max_epochs=40, batch_size=16, learning_rate=5e-3, early_stopping_patience=40
    )
    network = small(inputs=["spectrum"], dropout=0.0, kernel_l2=0.0)
    trained = train_member(alone, 0, 3, network, training, lambda *_: None)
    assert min(trained.history["val_mse"]) < 0.5 * float(trained.constant_mse or 0.0)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_trained_saved_loaded_and_predicts(
    name: str, connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    sky = make_sky(60, 20)
    store_sky(connection, run, sky)
    whole = train_ensemble(connection, run, settings)
    variant = of_variant(run, name)
    found = train_ensemble(connection, variant, settings)
    assert found.counts["ensemble_id"] != whole.counts["ensemble_id"]
    folder = settings.ensembles / found.counts["ensemble"]
    manifest = verify_artefact(folder)
    assert manifest.network.variant == name
    scalers = read_scalers(folder)
    assert scalers.scalars.names == (variant.profile.network.scalars if "scalars" in manifest.network.inputs else ())
    assert len(scalers.xp.names) == (110 if "xp" in manifest.network.inputs else 0)

    result = predict_labels(connection, variant, settings)
    assert (result.counts["labelled"], result.counts["ensemble_id"]) == (60, found.counts["ensemble_id"])
    assert result.counts["runtime"] == "compiled"
    assert 0.0 < result.counts["max_difference_from_keras"] <= TOLERANCE
    ensemble = load_ensemble(folder)
    blocks = list(stream_features(connection, variant))
    expected = np.concatenate([ensemble.predict(block) for block in blocks], axis=1)
    extent = scalers.labels.maximum - scalers.labels.minimum
    for runtime in ("compiled", "onnxruntime"):
        pytest.importorskip(runtime) if runtime != "compiled" else None
        other = load_ensemble(folder, runtime=runtime)
        assert other.predictor.runtime.name == runtime, other.predictor.notes
        labels = np.concatenate([other.predict(block) for block in blocks], axis=1)
        np.testing.assert_allclose(labels / extent, expected / extent, atol=TOLERANCE, rtol=TOLERANCE)
    # What the artefact keeps of the training stars are the same networks' labels.
    kept = read_training(folder)
    training = np.isin(sky.source_id, kept["source_id"])
    np.testing.assert_allclose(kept["predictions"].mean(axis=0), combine(expected)[0][training], rtol=1e-4, atol=1e-4)

    # The run's own labels come back with its own ensemble.
    assert predict_labels(connection, run, settings).counts["ensemble_id"] == whole.counts["ensemble_id"]


def test_training_processes_know_the_variant(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    store_sky(connection, run, make_sky(40, 20))
    result = train_ensemble(connection, of_variant(run, "rvs"), settings)
    assert result.counts["members_trained"] == 2
    manifest = verify_artefact(settings.ensembles / result.counts["ensemble"])
    assert [record.epochs for record in manifest.members] == [2, 2]


@pytest.mark.parametrize("name", ["rvs", "no-parallax"])
def test_keras_on_jax_computes_variants(name: str) -> None:
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    program = f"""
from catalog.ensemble.backend import quiet, start_keras
start_keras(1)
from catalog.ensemble.network import build_network
from tests.ensemble.runtimes.test_runtimes import some_stars, two_members
from tests.ensemble.test_variants import VARIANTS, small
with quiet():
    settings = small(**VARIANTS[{name!r}])
    members = two_members(build_network(96, len(settings.scalars), 20, 5, settings))
    predictor = members.choose("jax", some_stars(members.network))
assert predictor.runtime.name == "jax", predictor.notes
assert predictor.max_difference < 1e-5
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

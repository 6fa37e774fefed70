import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.ensemble.backend import quiet
from catalog.ensemble.network import build_network
from catalog.profiles.model import NetworkSettings


def test_layers_and_parameters_are_the_papers() -> None:
    network = build_network(2401, 4, 110, 5, NetworkSettings())
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in network.layers}
    assert shapes["conv_1"] == (2394, 32)
    assert shapes["conv_2"] == (2387, 16)
    assert shapes["pool_2"] == (1193, 16)
    assert shapes["conv_3"] == (1186, 8)
    assert shapes["pool_3"] == (593, 8)
    assert "pool_1" not in shapes
    assert [shapes[f"{branch}_dense"] for branch in ("spectrum", "scalar", "xp")] == [(128,), (32,), (64,)]
    assert shapes["joined"] == (224,)
    assert [shapes[name] for name in ("dense_1", "dense_2", "labels")] == [(128,), (32,), (5,)]
    parameters = {
        "conv_1": 8 * 1 * 32 + 32,
        "conv_2": 8 * 32 * 16 + 16,
        "conv_3": 8 * 16 * 8 + 8,
        "spectrum_dense": 593 * 8 * 128 + 128,
        "scalar_dense": 4 * 32 + 32,
        "xp_dense": 110 * 64 + 64,
        "dense_1": 224 * 128 + 128,
        "dense_2": 128 * 32 + 32,
        "labels": 32 * 5 + 5,
    }
    assert {layer.name: layer.count_params() for layer in network.layers if layer.weights} == parameters
    assert network.count_params() == 653_149
    assert [tuple(tensor.shape[1:]) for tensor in network.inputs] == [(2401,), (4,), (110,)]


def test_what_the_paper_leaves_open_follows_the_settings() -> None:
    network = build_network(2401, 4, 110, 5, NetworkSettings())
    layers = {layer.name: layer for layer in network.layers}
    assert all(float(layers[f"conv_{i}"].kernel_regularizer.l2) == pytest.approx(0.005) for i in (1, 2, 3))
    # After the last convolution block and each dense layer but the last hidden one and the output.
    assert {name for name in layers if name.endswith("_dropout")} == {
        f"{name}_dropout" for name in ("conv", "spectrum_dense", "scalar_dense", "xp_dense", "dense_1")
    }
    assert {layers[name].rate for name in layers if name.endswith("_dropout")} == {0.2}
    assert {layers[name].negative_slope for name in layers if name.endswith("_activation")} == {0.3}
    assert layers["labels"].activation.__name__ == "linear"


def test_other_grids_and_settings_give_other_networks() -> None:
    settings = NetworkSettings(filters=(4, 2), pool_after=(1,), padding="same", kernel_l2=0.0, dense_units=(7,))
    network = build_network(961, 3, 8, 2, settings)
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in network.layers}
    assert shapes["pool_1"] == (480, 4)
    assert shapes["conv_2"] == (480, 2)
    assert network.output_shape == (None, 2)
    assert not network.losses


@quiet()
def test_pooling_before_the_activation_is_the_same_function() -> None:
    from keras import Model, layers

    settings = NetworkSettings(filters=(4, 3, 2), spectrum_units=5)
    network = build_network(64, 4, 6, 5, settings)
    x = layers.Reshape((64, 1))(network.inputs[0])
    for i, filters in enumerate(settings.filters, start=1):
        x = layers.LeakyReLU(negative_slope=0.3)(layers.Conv1D(filters, 8)(x))
        if i in (2, 3):
            x = layers.MaxPooling1D(2)(x)
    reference = Model(network.inputs[0], x)
    convolutions = [layer for layer in reference.layers if isinstance(layer, layers.Conv1D)]
    for i, layer in enumerate(convolutions, start=1):
        layer.set_weights(network.get_layer(f"conv_{i}").get_weights())
    branch = Model(network.inputs[0], network.get_layer("conv_3_activation").output)
    spectra = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    for model in (reference, branch):
        model.jit_compile = False
    np.testing.assert_allclose(branch.predict_on_batch(spectra), reference.predict_on_batch(spectra), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8))
def test_the_maximum_commutes_with_leaky_relu(values: list[float]) -> None:
    def leaky(x: float) -> float:
        return x if x > 0 else 0.3 * x

    assert max(map(leaky, values)) == leaky(max(values))

import json

import numpy as np
import pytest

from catalog.ensemble.uncertainty import DispersionFit, fit_dispersions, overall_sigma, running_dispersion
from catalog.errors import SampleError
from catalog.profiles.model import UncertaintySettings


def test_dispersion_of_each_bin_is_that_of_its_stars() -> None:
    rng = np.random.default_rng(0)
    label = rng.uniform(4000, 6000, 5000)
    residual = rng.normal(30.0, 50.0, 5000)
    running = running_dispersion(label, residual, 4, 20)
    np.testing.assert_allclose(
        running.edges, [label.min(), *np.linspace(label.min(), label.max(), 5)[1:4], label.max()]
    )
    for i in range(4):
        inside = (label >= running.edges[i]) & (label < running.edges[i + 1] + (1e-9 if i == 3 else 0))
        assert running.n[i] == inside.sum()
        assert running.centres[i] == pytest.approx(label[inside].mean())
        assert running.bias[i] == pytest.approx(residual[inside].mean())
        assert running.dispersion[i] == pytest.approx(residual[inside].std())


def test_sparse_bins_are_joined_and_no_star_is_lost() -> None:
    label = np.concatenate([[-2.3, -2.0, -1.8], np.linspace(-1, 0, 100), [0.4, 0.5]])
    running = running_dispersion(label, np.ones_like(label), 10, 10)
    assert (running.n >= 10).all()
    assert running.n.sum() == len(label)
    assert running.edges[0] == -2.3
    assert running.edges[-1] == 0.5
    assert (np.diff(running.edges) > 0).all()
    assert len(running.edges) == len(running.n) + 1


def test_fewer_stars_than_a_bin_needs_make_one_bin() -> None:
    running = running_dispersion(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, -1.0]), 5, 20)
    assert running.n.tolist() == [3]
    fit = DispersionFit.fit("logg", running, UncertaintySettings())
    assert fit.degree == 0
    np.testing.assert_allclose(fit(np.array([-5.0, 2.0, 9.0])), np.std([0, 1, -1]))
    with pytest.raises(SampleError, match="without stars"):
        running_dispersion(np.empty(0), np.empty(0), 5, 20)


def test_one_value_of_the_label_makes_one_bin() -> None:
    running = running_dispersion(np.full(50, 4.4), np.linspace(-1, 1, 50), 5, 10)
    assert running.n.tolist() == [50]
    assert np.isfinite(DispersionFit.fit("logg", running, UncertaintySettings())(np.array([4.4, 4.0]))).all()


def test_fit_follows_a_known_dispersion() -> None:
    rng = np.random.default_rng(1)
    label = rng.uniform(-2.0, 0.5, 200_000)
    truth = 0.05 + 0.03 * (label - 0.5) ** 2 / 6.25 * 3
    running = running_dispersion(label, rng.normal(0, truth), 30, 20)
    fit = DispersionFit.fit("mh", running, UncertaintySettings(degree=4))
    assert fit.degree == 4
    np.testing.assert_allclose(fit(label[:1000]), truth[:1000], rtol=0.05)


def test_fit_is_never_negative_nor_extrapolated() -> None:
    label = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 40)
    scale = np.repeat([5.0, 0.01, 0.01, 0.01, 0.01, 5.0], 40)
    residual = scale * np.tile([-1.0, 1.0], 120)
    running = running_dispersion(label, residual, 6, 20)
    fit = DispersionFit.fit("teff", running, UncertaintySettings(degree=3))
    values = fit(np.linspace(-100, 100, 1001))
    assert values.min() == pytest.approx(0.01)
    assert values.max() < 5.01
    assert fit(np.array([-100.0]))[0] == fit(np.array([0.0]))[0]
    assert fit(np.array([100.0]))[0] == fit(np.array([5.0]))[0]


def test_fit_survives_json() -> None:
    rng = np.random.default_rng(2)
    label = rng.normal(5000, 500, 400)
    running = running_dispersion(label, rng.normal(0, 60, 400), 10, 20)
    fit = DispersionFit.fit("teff", running, UncertaintySettings())
    again = DispersionFit.model_validate(json.loads(json.dumps(fit.model_dump(mode="json"))))
    assert again == fit
    np.testing.assert_array_equal(again(label), fit(label))


def test_sigma_adds_in_quadrature() -> None:
    rng = np.random.default_rng(3)
    labels = rng.normal(0, 1, (300, 5))
    predicted = labels + rng.normal(0, [3.0, 4.0, 5.0, 6.0, 7.0], (300, 5))
    fits = fit_dispersions(labels, predicted, UncertaintySettings(n_bins=1))
    assert [fit.label for fit in fits] == ["teff", "logg", "mh", "alpham", "feh"]
    spread = (predicted - labels).std(axis=0)
    deviation = np.full((300, 5), 4.0)
    np.testing.assert_allclose(overall_sigma(fits, predicted, deviation), np.tile(np.hypot(4.0, spread), (300, 1)))
    np.testing.assert_allclose(overall_sigma(fits, predicted, 0 * deviation), np.tile(spread, (300, 1)))


def test_width_of_the_bins_is_recorded_and_known_of_ensembles_that_do_not_state_it() -> None:
    label = np.linspace(4000.0, 6000.0, 500)
    fit = DispersionFit.fit("teff", running_dispersion(label, np.ones(500), 8, 20), UncertaintySettings(n_bins=8))
    assert fit.bin_width == pytest.approx(250.0)
    old = fit.model_dump(mode="json", exclude={"bin_width"})
    assert DispersionFit.model_validate(old) == fit

"""Figures: what they show agrees with the queries, for few stars and for many."""

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.checks import load_checks
from catalog.validation.comparisons import query_parameters, run_comparisons
from catalog.validation.figures import FIGURES, style
from catalog.validation.figures.data import FigureData, fetch_figure_data
from catalog.validation.figures.external import seismic
from catalog.validation.figures.panels import MANY, coloured, crowd, moments_text, residual_panel
from catalog.validation.moments import moments
from catalog.validation.results import find
from catalog.validation.stars import Stars, fetch_map, fetch_stars

CHECKS = load_checks()


@pytest.fixture
def data(catalogue: Any) -> FigureData:
    results = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
    return fetch_figure_data(catalogue.connection, catalogue.run, CHECKS, results)


def test_one_fetch_holds_what_was_seeded(catalogue: Any) -> None:
    stars = fetch_stars(catalogue.connection, query_parameters(catalogue.run, CHECKS))
    sky = catalogue.sky
    kept = sky.role != "rejected"
    order = np.argsort(stars["source_id"])
    np.testing.assert_array_equal(stars["source_id"][order], sky.source_id[kept])
    np.testing.assert_array_equal(stars.training[order], (sky.role == "training")[kept])
    np.testing.assert_array_equal(stars.outside[order], (sky.flag_bits != 0)[kept])
    for label in LABELS:
        np.testing.assert_allclose(stars[label.name][order], sky.labels[label.name][kept], rtol=1e-6)
        np.testing.assert_allclose(stars[f"{label.name}_truth"][order], sky.truth[label.name][kept], rtol=1e-6)
        apogee = np.where(sky.has_apogee, sky.apogee[label.name], np.nan)[kept]
        np.testing.assert_allclose(stars[f"{label.name}_apogee"][order], apogee, rtol=1e-6)


def test_a_map_of_another_perplexity_is_empty(catalogue: Any) -> None:
    found = fetch_map(catalogue.connection, catalogue.run.run_id, 50)
    assert found["x"].size == np.count_nonzero(catalogue.sky.role != "rejected")
    assert fetch_map(catalogue.connection, catalogue.run.run_id, 51)["alike"].size == 0


@pytest.mark.parametrize(
    ("comparison", "subset", "label", "first", "second"),
    [
        ("apogee", "observed", "mh", "mh", "mh_apogee"),
        ("gspspec", "GSP-Spec - APOGEE, observed", "alpham", "alpham_gspspec", "alpham_apogee"),
        ("closure", "observed", "teff", "teff", "teff_truth"),
        ("gspphot", "GSP-Phot - APOGEE", "logg", "logg_gspphot", "logg_apogee"),
    ],
)
def test_columns_of_figures_give_the_figures_of_the_queries(
    data: FigureData, comparison: str, subset: str, label: str, first: str, second: str
) -> None:
    stars = data.stars
    mask = stars.observed.copy()
    if comparison == "gspphot":
        mask &= np.isfinite(stars["mh_gspphot"])
    found = moments((stars[first].astype(float) - stars[second])[mask])
    row = find(data.results, comparison, subset, label)
    assert row is not None
    assert found.n == row.n
    assert row.bias == pytest.approx(found.bias, rel=1e-3, abs=1e-5)
    assert row.dispersion == pytest.approx(found.dispersion, rel=1e-3)
    assert row.robust_dispersion == pytest.approx(found.robust_dispersion, rel=1e-3)


def test_panels_write_number_bias_and_dispersion_of_all_stars() -> None:
    rng = np.random.default_rng(3)
    difference = np.append(rng.normal(0.02, 0.1, 999), 5.0)  # one star beyond the frame
    axes = style.figure(4, 3).subplots()
    found = residual_panel(axes, "logg", rng.uniform(1, 4, 1000), difference, x_limits=(1, 4), y_limit=0.5)
    assert found == moments(difference)
    assert moments_text("logg", found) in [text.get_text() for text in axes.texts]
    assert axes.get_ylim() == (-0.5, 0.5)


def test_few_stars_are_points_and_many_a_map() -> None:
    rng = np.random.default_rng(4)
    for n, kind in ((MANY - 1, PathCollection), (MANY, QuadMesh)):
        axes = style.figure(4, 3).subplots()
        axes.set(xlim=(-5, 5), ylim=(-5, 5))
        drawn = crowd(axes, rng.normal(size=n), rng.normal(size=n))
        assert [type(item) for item in axes.collections] == [kind]
        if drawn is not None:
            assert np.ma.sum(drawn.get_array()) == n, "every star inside the frame is counted"


def test_a_map_of_means_shows_the_mean_of_each_cell() -> None:
    n = 40_000
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 1, n), rng.uniform(0, 1, n)
    axes = style.figure(4, 3).subplots()
    axes.set(xlim=(1, 0), ylim=(1, 0))
    drawn = coloured(axes, x, y, 2 * x, (0, 2), cmap=style.METALLICITY, bins=10)
    assert isinstance(drawn, QuadMesh)
    np.testing.assert_allclose(drawn.get_array().reshape(10, 10).mean(axis=0), np.arange(0.1, 2.0, 0.2), atol=0.02)


def test_kiel_diagrams_run_hot_to_cool_and_giants_up() -> None:
    axes = style.figure(4, 3).subplots()
    style.kiel_axes(axes)
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_windows_hold_the_data_but_not_wild_outliers() -> None:
    values = np.append(np.random.default_rng(6).uniform(4000, 6000, 5000), [1e7, -1e7])
    low, high = style.window("teff", values)
    assert low < 4010
    assert 5990 < high < 6700
    assert style.window("teff", np.array([np.nan])) == style.LIMITS["teff"]


def test_seismic_stars_are_counted_once_in_the_figure(data: FigureData) -> None:
    made = seismic(data)
    written = [text.get_text() for axes in made.axes for text in axes.texts if text.get_text().startswith("N = ")]
    numbers = [int(text.split()[2].replace(",", "")) for text in written]
    rows = [row for row in data.results if row.comparison == "seismic"]
    assert sorted(numbers) == sorted(row.n for row in rows if row.n > 1)


@pytest.mark.parametrize("spec", [spec for spec in FIGURES if spec.name != "training"], ids=lambda spec: spec.name)
def test_a_figure_without_stars_gives_a_reason(data: FigureData, spec: Any) -> None:
    nothing = Stars({name: values[:0] for name, values in data.stars.columns.items()})
    empty = FigureData(nothing, (), data.wavelength, data.paper)
    with style.look(), pytest.raises(SampleError):
        spec.draw(empty)


def test_every_figure_has_its_own_name_and_a_section_of_the_report() -> None:
    assert len({spec.name for spec in FIGURES}) == len(FIGURES)
    assert {spec.section for spec in FIGURES} <= set(CHECKS.comparisons) | {"catalogue", "training", "summary"}

"""Figures: what they show agrees with the queries, for few stars and for many."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.validation.checks import load_checks
from catalog.validation.comparisons import query_parameters, run_comparisons
from catalog.validation.figures import FIGURES, style
from catalog.validation.figures.coverage import coverage, pulls
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
    np.testing.assert_array_equal(stars.outside[order], ((sky.flag_bits != 0) & (sky.role == "observed"))[kept])
    for label in LABELS:
        np.testing.assert_allclose(stars[label.name][order], sky.labels[label.name][kept], rtol=1e-6)
        np.testing.assert_allclose(stars[f"{label.name}_truth"][order], sky.truth[label.name][kept], rtol=1e-6)
        apogee = np.where(sky.has_apogee, sky.apogee[label.name], np.nan)[kept]
        np.testing.assert_allclose(stars[f"{label.name}_apogee"][order], apogee, rtol=1e-6)


def test_out_of_fold_pulls_are_those_of_the_query(catalogue: Any, data: FigureData) -> None:
    unseen = data.out_of_fold
    rows = catalogue.connection.execute("SELECT count(*) FROM production.training_residual").fetchone()
    assert (unseen["source_id"].size,) == rows
    for label in LABELS:
        row = find(data.results, "coverage", "training, out of fold", label.name)
        assert row is not None
        residual = np.abs(unseen[f"residual_{label.name}"].astype(float))
        for suffix, quantity in (("", "within"), ("_oof", "calibrated")):
            for k in (1, 2):
                share = np.mean(residual <= k * unseen[f"sigma_{label.name}{suffix}"])
                assert row.extra[f"{quantity}_{k}"] == pytest.approx(share, abs=1.1 / row.n)
    made = pulls(data)
    written = " ".join(text.get_text() for axes in made.axes for text in axes.texts)
    assert written.count("out of fold: ") == written.count("observed: ") == 2 * len(LABELS)


def test_coverage_is_shown_for_every_part_with_enough_stars(data: FigureData) -> None:
    rows = [row for row in data.results if row.comparison == "coverage" and row.status != "not run"]
    made = coverage(data)
    ticks = [tick.get_text().split("   ")[0] for tick in made.axes[0].get_yticklabels()]
    assert (ticks[0], ticks[-1]) == ("all", "S/N above 75")
    assert {tick.replace("–", "-") for tick in ticks} == {row.extra["part"] for row in rows}
    for axes, label in zip(made.axes, LABELS * 2, strict=True):
        k = 1 if axes.get_subplotspec().rowspan.start == 0 else 2
        shown = sorted(x for line in axes.lines if line.get_marker() in ("D", "o", "s") for x in line.get_xdata())
        expected = [
            100 * row.extra[f"{quantity}_{k}"]
            for row in rows
            if row.label == label.name
            for quantity in ("within", "calibrated")
            if not (quantity == "calibrated" and row.extra["sample"] == "training, all members")
        ]
        np.testing.assert_allclose(shown, sorted(expected))


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


def likeness_figure(data: FigureData, name: str) -> Any:
    (spec,) = (spec for spec in FIGURES if spec.name == name)
    with style.look():
        return spec.draw(data)


def test_kinds_of_unlike_stars_are_those_of_the_query(data: FigureData) -> None:
    made = likeness_figure(data, "likeness_kinds")
    bars = sorted(round(bar.get_width(), 6) for bar in made.axes[1].patches)
    rows = [r for r in data.results if r.comparison == "likeness" and r.subset not in ("completeness", "purity")]
    assert bars == sorted(round(100 * row.extra["fraction"], 6) for row in rows)
    title = made.axes[1].get_title(loc="left")
    for method, words in (("tsne", "digit 8 (t-SNE)"), ("pca", "distance")):
        values = [find(data.results, "likeness", subset, method) for subset in ("completeness", "purity")]
        assert f"{words}: " + ", ".join(f"{v.subset} {v.extra['fraction']:.0%}" for v in values if v) in title
    with pytest.raises(SampleError, match="only known on a synthetic sky"):
        likeness_figure(replace(data, kinds={}), "likeness_kinds")


def test_labels_on_the_map_split_every_star_once(data: FigureData) -> None:
    made = likeness_figure(data, "likeness_labels")
    titles = [axes.get_title(loc="left") for axes in made.axes[:3]]
    found = data.likeness
    numbers = [
        found["training"].sum(),
        (~found["training"] & found["alike"]).sum(),
        (~found["training"] & ~found["alike"]).sum(),
    ]
    assert [int(title.split("(")[1].rstrip(")").replace(",", "")) for title in titles] == numbers
    assert sum(numbers) == found["x"].size


def test_threshold_curves_are_those_of_the_query(data: FigureData) -> None:
    made = likeness_figure(data, "likeness_threshold")
    lines = {line.get_label(): line for line in made.axes[0].lines}
    for method, label in (("tsne", "digit 8 (t-SNE)"), ("pca", "distance"), ("placed", "placed")):
        rows = [row for row in data.thresholds if row["method"] == method and row["quantile"] < 1]
        np.testing.assert_allclose(lines[label].get_xdata(), [1 - row["quantile"] for row in rows])
        np.testing.assert_allclose(lines[label].get_ydata(), [100 * row["flagged"] for row in rows])
    # A real sky has no truth.
    real = [{**row, "completeness": None, "purity": None} for row in data.thresholds]
    assert len(likeness_figure(replace(data, thresholds=real), "likeness_threshold").axes) == 1
    with pytest.raises(SampleError, match="has not been computed"):
        likeness_figure(replace(data, thresholds=()), "likeness_threshold")


def test_agreement_of_modes_adds_up(data: FigureData) -> None:
    left, right = likeness_figure(data, "likeness_modes").axes
    row = find(data.results, "incremental", "observed", "tsne")
    assert row is not None
    assert left.patches[0].get_width() == pytest.approx(100 * row.extra["fraction"])
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    assert ends[3::4] == pytest.approx([100.0] * 7)
    with pytest.raises(SampleError, match="has not been computed"):
        likeness_figure(replace(data, results=()), "likeness_modes")

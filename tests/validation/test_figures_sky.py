"""Figures by place in the Kiel diagram: what they write and draw is what the queries say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from catalog.errors import SampleError
from catalog.metadata import FLAG_DIGITS
from catalog.validation.comparisons import run_comparisons
from catalog.validation.figures import style
from catalog.validation.figures.correlations import correlations
from catalog.validation.figures.data import FigureData, fetch_figure_data
from catalog.validation.figures.examples import spectra
from catalog.validation.figures.external import clusters
from catalog.validation.figures.kiel import alpha_cells, kiel_snr
from catalog.validation.figures.outside import outside, outside_residuals, outside_shares
from catalog.validation.figures.panels import moments_text
from catalog.validation.figures.sequences import sequences
from catalog.validation.figures.velocity import velocity
from catalog.validation.moments import moments
from catalog.validation.results import find, format_value
from catalog.validation.sequences import MeanSpectrum
from tests.validation.comparing import CHECKS


@pytest.fixture
def data(catalogue: Any) -> FigureData:
    catalogue.connection.execute(
        "UPDATE survey.gaia_source SET radial_velocity_error = 0.2 + 0.01 * (source_id % 400), "
        "phot_bp_mean_mag = phot_g_mean_mag + 0.3 * bp_rp, phot_rp_mean_mag = phot_g_mean_mag - 0.6 * bp_rp"
    )
    results = run_comparisons(catalogue.connection, catalogue.run, CHECKS)
    return fetch_figure_data(catalogue.connection, catalogue.run, CHECKS, results)


def words(made: Any) -> list[str]:
    return [text.get_text() for axes in made.axes for text in axes.texts]


def test_shares_outside_are_those_of_the_query(data: FigureData) -> None:
    made = outside_shares(data)
    values = made.axes[0].images[0].get_array()
    rows = [row for row in data.results if row.comparison == "outside"]
    parts = sorted({(row.extra["part_number"], row.subset) for row in rows})
    assert values.shape == (len(parts), 1 + len(FLAG_DIGITS))
    for i, (_, part) in enumerate(parts):
        for j, digit in enumerate(["any", *(digit.name for digit in FLAG_DIGITS)]):
            row = find(data.results, "outside", part, digit)
            assert row is not None
            assert values[i, j] == pytest.approx(100 * row.extra["fraction"])


def test_regions_outside_write_the_moments_of_the_query(data: FigureData) -> None:
    made = outside_residuals(data)
    written = " ".join(words(made)).replace("\N{MINUS SIGN}", "-")
    for region in ("hot dwarfs", "cool giants"):
        for label in ("teff", "logg", "mh", "alpham"):
            row = find(data.results, "outside_apogee", region, label)
            assert row is not None
            bias = format_value(label, row.bias, signed=True).replace("\N{MINUS SIGN}", "-")
            assert f"{region}:  N = {row.n:,}   b = {bias}" in written


def test_kiel_diagrams_outside_hold_every_star_once(data: FigureData) -> None:
    made = outside(data)
    numbers = [int(text.split("\n")[0].removeprefix("N = ").replace(",", "")) for text in words(made) if "N = " in text]
    assert len(numbers) == 4
    assert sum(numbers) == data.stars.outside.sum()


def test_matrix_of_correlations_has_both_coefficients(data: FigureData) -> None:
    made = correlations(data)
    for axes, sample in zip(made.axes[:3], ("training", "observed", "outside"), strict=True):
        matrix = axes.images[0].get_array()
        row = find(data.results, "correlations", f"{sample}, with logg", "teff")
        assert row is not None
        assert matrix[1, 0] == pytest.approx(row.extra["pearson"])
        assert matrix[0, 1] == pytest.approx(row.extra["spearman"])
        assert np.ma.getmaskarray(matrix)[0, 0], "a quantity with itself says nothing"


def test_velocity_panels_write_the_moments_of_their_stars(data: FigureData) -> None:
    made = velocity(data)
    stars = data.stars
    for mask in (stars.training, stars.observed):
        difference = np.where(mask, stars["mh"] - stars["mh_apogee"], np.nan)
        assert moments_text("mh", moments(difference)) in words(made)
    with pytest.raises(SampleError, match="radial-velocity error"):
        velocity(replace(data, velocity_error=np.full(len(stars), np.nan)))


def test_cells_write_mean_and_spread_of_the_query(data: FigureData) -> None:
    written = words(alpha_cells(data))
    judged = [row for row in data.results if row.comparison == "alpha_cells" and row.status != "not run"]
    shown = [row for row in judged if 3500 <= row.extra["teff_low"] < 6500 and 0 <= row.extra["logg_low"] < 5]
    assert len(shown) > 5
    for row in shown:
        text = f"{row.n:,}\n{row.extra['mean']:+.2f} ± {row.dispersion:.2f}".replace("-", "\N{MINUS SIGN}")
        assert text in written


def test_bins_of_snr_are_the_papers_and_part_the_sample(data: FigureData) -> None:
    with style.look():
        made = kiel_snr(data)
    titles = [axes.get_title(loc="left") for axes in made.axes[:4]]
    assert titles == ["15 ≤ S/N < 25", "25 ≤ S/N < 35", "35 ≤ S/N < 75", "S/N ≥ 75"]
    numbers = [int(text.removeprefix("N = ").replace(",", "")) for text in words(made) if text.startswith("N = ")]
    assert sum(numbers) == (data.stars.observed & (data.stars["snr"] >= 15)).sum()


def test_spectra_span_the_grid_of_the_release(data: FigureData) -> None:
    shifted = replace(
        data,
        wavelength=np.linspace(840.0, 880.0, data.wavelength.size),
        mean_spectra=[MeanSpectrum(1, step, 40, 20, 5000.0 + step, np.ones(data.wavelength.size)) for step in (1, 2)],
    )
    assert spectra(shifted).axes[0].get_xlim() == (840.0, 880.0)
    made = sequences(shifted)
    assert made.axes[0].get_xlim() == (840.0, 880.0)
    assert [len([line for line in axes.lines if line.get_linestyle() == "-"]) for axes in made.axes[:4]] == [2, 2, 2, 0]
    # Known features beyond a grid are not named.
    narrow = spectra(replace(data, wavelength=np.linspace(853.0, 856.0, data.wavelength.size)))
    assert [text for text in words(narrow) if text in ("Ca II", "Fe I + Ti I")] == ["Ca II"]


def test_a_mean_of_a_handful_of_spectra_is_not_drawn(data: FigureData) -> None:
    few = [MeanSpectrum(1, 1, 40, 4, 5000.0, np.ones(data.wavelength.size))]
    with pytest.raises(SampleError, match="on the sequences"):
        sequences(replace(data, mean_spectra=few))


def test_clusters_are_named_with_their_bias(data: FigureData) -> None:
    made = clusters(data)
    ticks = [tick.get_text() for tick in made.axes[0].get_yticklabels()]
    rows = [row for row in data.results if row.comparison == "clusters" and row.extra.get("mean") is not None]
    assert len(ticks) == len(rows) > 2
    for row in rows:
        if row.bias is not None:
            assert any(
                tick.startswith(row.subset.replace("_", " "))
                and tick.endswith(format_value("feh", row.bias, signed=True))
                for tick in ticks
            )

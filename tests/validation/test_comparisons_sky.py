"""Comparisons by place in the Kiel diagram: each query against numbers computed from what was seeded."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.validation.comparisons import query_parameters
from catalog.validation.figures.data import fetch_figure_data
from catalog.validation.moments import moments
from catalog.validation.sequences import fetch_mean_spectra
from tests.validation.comparing import CHECKS, assert_same, compare, subsets

N_PIXELS = 2401


@pytest.fixture
def measured(catalogue: Any) -> SimpleNamespace:
    """Give the seeded stars velocity errors and magnitudes: some missing, some equal."""
    rng = np.random.default_rng(11)
    known = catalogue.sky
    n = known.source_id.size
    error = 0.15 * np.exp(rng.gamma(1.2, 0.9, n))
    error[::37] = np.nan
    bp = np.round(12.0 + rng.normal(0, 1.0, n), 1)  # equal ones share a rank
    bp[::29] = np.nan
    rp = 11.0 + 0.4 * (bp - 12.0) + rng.normal(0, 0.5, n)
    with catalogue.connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE survey.gaia_source SET radial_velocity_error = NULLIF(%s::real, 'NaN'), "
            "phot_bp_mean_mag = NULLIF(%s::real, 'NaN'), phot_rp_mean_mag = NULLIF(%s::real, 'NaN') "
            "WHERE release = %s AND source_id = %s",
            [
                (*values, catalogue.run.release, int(star))
                for *values, star in zip(error.tolist(), bp.tolist(), rp.tolist(), known.source_id, strict=True)
            ],
        )
    return SimpleNamespace(error=error.astype(np.float32), bp=bp.astype(np.float32), rp=rp.astype(np.float32))


def region(labels: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return the stars of a region of Sect. 5.3."""
    teff, logg = labels["teff"].astype(np.float32), labels["logg"].astype(np.float32)
    bounds = {"hot dwarfs": (5700, 7000, 2, 4.5), "cool dwarfs": (4000, 5000, 4.5, np.inf)}
    low, high, below, above = bounds.get(name, (2000, 4800, -2, 2))
    return (teff >= low) & (teff <= high) & (logg >= below) & (logg <= above)


def test_shares_outside_by_region_and_metallicity(catalogue: Any) -> None:
    rows = compare(catalogue, "outside")
    seeded = catalogue.sky
    observed = seeded.role == "observed"
    mh = seeded.labels["mh"].astype(np.float32)
    parts = {name: observed & region(seeded.labels, name) for name in ("hot dwarfs", "cool dwarfs", "cool giants")}
    parts["[M/H] < -2"] = observed & (mh < -2)
    parts["-0.5 <= [M/H] < 0"] = observed & (mh >= -0.5) & (mh < 0)
    for name, mask in parts.items():
        for digit, mask_bits in (("any", 255), *((d.name, 1 << (d.position - 1)) for d in FLAG_DIGITS)):
            row = rows[name, digit]
            flagged = int((seeded.flag_bits[mask] & mask_bits != 0).sum())
            assert (row.n, row.extra["outside"]) == (int(mask.sum()), flagged)
            assert row.extra["fraction"] == pytest.approx(flagged / mask.sum())
    for kind in ("region", "[M/H]", "colour"):
        total = sum(row.n for (_, digit), row in rows.items() if digit == "any" and row.extra["part_kind"] == kind)
        assert total == observed.sum(), "every star lies in one part of a kind"


def test_stars_without_colour_are_in_no_part_of_that_kind(catalogue: Any) -> None:
    catalogue.connection.execute("UPDATE survey.gaia_source SET bp_rp = NULL")
    rows = compare(catalogue, "outside")
    assert {row.extra["part_kind"] for row in rows.values()} == {"region", "[M/H]"}


def test_differences_outside_the_limits(catalogue: Any) -> None:
    rows = compare(catalogue, "outside_apogee")
    seeded = catalogue.sky
    outside = subsets(catalogue)["outside limits"] & seeded.has_apogee
    found = 0
    for name in ("hot dwarfs", "cool dwarfs", "cool giants"):
        mask = outside & region(seeded.labels, name)
        for label in LABELS:
            if mask.sum() < 2:
                continue
            found += 1
            expected = moments((seeded.labels[label.name] - seeded.apogee[label.name])[mask])
            assert_same(rows[name, label.name], expected)
    assert found >= 2 * len(LABELS)


def correlation_of(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return Pearson's coefficients of the values, or of their ranks among the stars that have one."""
    return (frame if method == "pearson" else frame.rank()).corr()


def test_correlations_are_those_of_numpy(catalogue: Any, measured: SimpleNamespace) -> None:
    rows = compare(catalogue, "correlations")
    seeded = catalogue.sky
    gaia = pd.DataFrame(
        catalogue.connection.execute(
            "SELECT source_id, phot_g_mean_mag, parallax FROM survey.gaia_source ORDER BY source_id"
        ).fetchall(),
        columns=["source_id", "G", "parallax"],
    )
    values = {name: seeded.labels[name].astype(np.float32) for name in ("teff", "logg", "mh", "alpham", "feh")}
    values |= {"G": gaia["G"], "BP": measured.bp, "RP": measured.rp, "parallax": gaia["parallax"], "S/N": seeded.snr}
    frame = pd.DataFrame(values).astype(float)
    masks = subsets(catalogue)
    for sample, subset in (("training", "training"), ("observed", "observed"), ("outside", "outside limits")):
        own = frame[masks[subset]]
        for method in ("pearson", "spearman"):
            expected = correlation_of(own, method)
            for first, second in (("teff", "logg"), ("mh", "alpham"), ("teff", "BP"), ("BP", "RP"), ("G", "S/N")):
                row = rows[f"{sample}, with {second}", first]
                assert row.n == own[[first, second]].notna().all(axis=1).sum()
                assert row.extra[method] == pytest.approx(expected.loc[first, second], abs=2e-5)
    assert len(rows) == 3 * 45


def test_correlations_of_part_of_a_sample_are_those_of_the_same_stars_each_time(catalogue: Any) -> None:
    part = compare(catalogue, "correlations", correlation_most=100)
    again = compare(catalogue, "correlations", correlation_most=100)
    row = part["training, with logg", "teff"]
    assert row.n == 100
    assert row.extra["pearson"] == again["training, with logg", "teff"].extra["pearson"]
    assert row.extra["pearson"] == pytest.approx(
        compare(catalogue, "correlations")["training, with logg", "teff"].extra["pearson"], abs=0.3
    )
    # Without magnitudes there is nothing to correlate them with, and the rest stays.
    assert not any("BP" in (row.extra["first"], row.extra["second"]) for row in part.values())


def test_differences_in_bins_of_the_velocity_error(catalogue: Any, measured: SimpleNamespace) -> None:
    rows = compare(catalogue, "radial_velocity")
    seeded = catalogue.sky
    for role in ("training", "observed"):
        for name, low, high in (("below 0.25 km/s", 0, 0.25), ("0.5-1 km/s", 0.5, 1), ("above 4 km/s", 4, np.inf)):
            mask = subsets(catalogue)[role] & seeded.has_apogee & (measured.error >= low) & (measured.error < high)
            if mask.sum() < 2:
                continue
            for label in LABELS:
                row = rows[f"CNN, {role}, {name}", label.name]
                assert_same(row, moments((seeded.labels[label.name] - seeded.apogee[label.name])[mask]))
                assert row.extra["velocity_error"] == pytest.approx(np.median(measured.error[mask]), rel=1e-5)
    sources = {row.extra["source"] for row in rows.values()}
    assert sources == {"CNN", "GSP-Spec"}
    assert ("GSP-Spec, training, 0.5-1 km/s", "feh") not in rows


def test_no_velocity_errors_are_not_run(catalogue: Any) -> None:
    rows = compare(catalogue, "radial_velocity")
    assert {row.status for row in rows.values()} == {"not run"}


def test_alpha_in_cells_of_the_kiel_diagram(catalogue: Any) -> None:
    rows = compare(catalogue, "alpha_cells")
    seeded = catalogue.sky
    observed = subsets(catalogue)["observed"]
    labels = {name: seeded.labels[name].astype(np.float32).astype(float) for name in ("teff", "logg", "mh", "alpham")}
    assert sum(row.n for row in rows.values()) == observed.sum()
    judged = [row for row in rows.values() if row.n >= 20]
    assert len(judged) > 5
    for row in judged:
        teff, logg = row.extra["teff_low"], row.extra["logg_low"]
        mask = observed & (labels["teff"] // 500 * 500 == teff) & (labels["logg"] // 1 == logg)
        alpha = labels["alpham"][mask]
        assert row.subset == f"{teff}-{teff + 500} K, log g {logg}-{logg + 1}"
        assert row.n == alpha.size
        assert row.extra["mean"] == pytest.approx(alpha.mean(), abs=1e-6)
        assert row.dispersion == pytest.approx(alpha.std(ddof=1), rel=1e-5)
        assert row.extra["mean_mh"] == pytest.approx(labels["mh"][mask].mean(), abs=1e-6)
        assert row.extra["correlation"] == pytest.approx(np.corrcoef(alpha, labels["mh"][mask])[0, 1], abs=1e-5)
        assert row.extra["high_alpha"] == pytest.approx(np.mean(alpha > np.float32(0.15)))


def test_mean_spectra_are_those_of_the_stars_of_a_step(catalogue: Any) -> None:
    parameters = query_parameters(catalogue.run, CHECKS)
    means = fetch_mean_spectra(catalogue.connection, parameters, N_PIXELS)
    seeded = catalogue.sky
    labels = {name: values.astype(np.float32) for name, values in seeded.labels.items()}
    spectra = dict(catalogue.connection.execute("SELECT source_id, flux FROM survey.rvs_spectrum").fetchall())
    giants = (labels["teff"] >= 4300) & (labels["teff"] < 4800) & (labels["logg"] >= 1) & (labels["logg"] < 2.2)
    checked = 0
    for mean in means:
        if mean.sequence != 3:
            continue
        low, high = ((-1.6, -1.4), (-1.1, -0.9), (-0.8, -0.6), (-0.4, -0.2), (-0.1, 0.1))[mean.step - 1]
        mask = subsets(catalogue)["observed"] & giants & (labels["mh"] >= low) & (labels["mh"] < high)
        stars = [star for star in seeded.source_id[mask].tolist() if star in spectra]
        flux = np.array([np.frombuffer(spectra[star], "<f4") for star in stars], dtype=float)
        assert (mean.n_stars, mean.n_spectra) == (mask.sum(), len(stars))
        with_value = np.isfinite(flux).any(axis=0)
        np.testing.assert_allclose(mean.flux[with_value], np.nanmean(flux[:, with_value], axis=0), rtol=1e-6)
        assert np.isnan(mean.flux[:3]).all(), "no spectrum has a value there"
        kept = np.isin(seeded.source_id, stars)
        assert mean.value == pytest.approx(labels["mh"][kept].mean(), abs=1e-5)
        checked += 1
    assert checked >= 2


def test_mean_spectra_hold_a_bounded_number_of_spectra(catalogue: Any) -> None:
    parameters = query_parameters(catalogue.run, CHECKS)
    means = fetch_mean_spectra(catalogue.connection, parameters, N_PIXELS, most=4)
    again = fetch_mean_spectra(catalogue.connection, parameters, N_PIXELS, most=4)
    assert max(mean.n_spectra for mean in means) <= 4
    assert any(mean.n_stars > 4 for mean in means)
    for one, other in zip(means, again, strict=True):
        np.testing.assert_array_equal(one.flux, other.flux)


def test_velocity_errors_belong_to_their_stars(catalogue: Any, measured: SimpleNamespace) -> None:
    data = fetch_figure_data(catalogue.connection, catalogue.run, CHECKS, ())
    assert data.velocity_error is not None
    place = np.searchsorted(catalogue.sky.source_id, data.stars["source_id"])
    expected = np.where(catalogue.sky.has_apogee, measured.error, np.nan)[place]
    np.testing.assert_array_equal(data.velocity_error, expected)

from pathlib import Path

import numpy as np
import pytest

from catalog.features import continuum_pixels, repair_flux
from catalog.releases import load_release

GRID = load_release("dr3").rvs
CONTINUUM = continuum_pixels(GRID)


def test_continuum_regions_are_the_papers() -> None:
    wavelength = GRID.wavelength
    assert CONTINUUM.sum() == 201 + 211 + 211
    first = wavelength[np.flatnonzero(np.diff(CONTINUUM.astype(int)) == 1) + 1]
    last = wavelength[np.flatnonzero(np.diff(CONTINUUM.astype(int)) == -1)]
    assert first == pytest.approx([847.5, 856.1, 862.7])
    assert last == pytest.approx([849.5, 858.2, 864.8])


def test_missing_pixels_take_the_third_quartile_of_the_continuum() -> None:
    rng = np.random.default_rng(0)
    flux = rng.normal(1.0, 0.1, (3, GRID.n_pixels)).astype(np.float32)
    flux[:, ~CONTINUUM] -= 0.5
    flux[1, [0, 1, 2400]] = np.nan
    flux[2, 5] = np.inf
    original = flux.copy()
    repaired, n_missing, fallback = repair_flux(flux, CONTINUUM)
    assert n_missing.tolist() == [0, 3, 1]
    assert not fallback.any()
    np.testing.assert_array_equal(flux, original)
    np.testing.assert_array_equal(repaired[0], original[0])
    for star, pixels in ((1, [0, 1, 2400]), (2, [5])):
        level = np.quantile(original[star, CONTINUUM], 0.75)
        assert repaired[star, pixels] == pytest.approx(level)
        rest = np.delete(np.arange(GRID.n_pixels), pixels)
        np.testing.assert_array_equal(repaired[star, rest], original[star, rest])


def test_gaps_inside_the_continuum_do_not_count() -> None:
    flux = np.full((1, GRID.n_pixels), 0.9, dtype=np.float32)
    inside = np.flatnonzero(CONTINUUM)
    flux[0, inside[:300]] = np.nan
    flux[0, inside[300:]] = np.linspace(0.0, 1.0, len(inside) - 300)
    repaired, n_missing, fallback = repair_flux(flux, CONTINUUM)
    assert (n_missing[0], fallback[0]) == (300, False)
    assert repaired[0, inside[0]] == pytest.approx(0.75, abs=1e-6)


def test_without_any_continuum_pixel_all_valid_ones_give_the_level() -> None:
    flux = np.linspace(0.0, 1.0, GRID.n_pixels, dtype=np.float32)[np.newaxis].copy()
    flux[0, CONTINUUM] = np.nan
    repaired, n_missing, fallback = repair_flux(flux, CONTINUUM)
    assert fallback.tolist() == [True]
    assert n_missing[0] == CONTINUUM.sum()
    assert repaired[0, CONTINUUM] == pytest.approx(np.quantile(flux[0, ~CONTINUUM], 0.75))


def test_a_spectrum_without_a_valid_pixel_is_told_apart() -> None:
    flux = np.full((2, GRID.n_pixels), np.nan, dtype=np.float32)
    flux[1, 7] = 1.0
    repaired, n_missing, _ = repair_flux(flux, CONTINUUM)
    assert n_missing.tolist() == [GRID.n_pixels, GRID.n_pixels - 1]
    assert np.isnan(repaired[0]).all()
    assert (repaired[1] == 1.0).all()


def test_real_gaps_are_filled_near_the_continuum(real_data: Path) -> None:
    from astropy.io import fits

    file = real_data / "rvs" / "rvs_863983115982280448.fits"
    with fits.open(file) as hdus:
        flux = np.asarray(hdus[1].data["flux"], dtype=np.float32).reshape(1, -1)
    repaired, n_missing, fallback = repair_flux(flux, CONTINUUM)
    assert n_missing[0] == 83
    assert not fallback[0]
    assert np.isfinite(repaired).all()
    assert 0.95 < repaired[0, 0] < 1.1

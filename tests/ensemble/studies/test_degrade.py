"""Each change of a spectrum against what it must do to a line or to noise that is known."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from catalog.ensemble.studies import degrade
from catalog.ensemble.studies.degrade import LIGHT_SPEED
from catalog.profiles.model import RobustnessSettings
from catalog.releases import PixelGrid, load_release

GRID = load_release("dr3").rvs
# Of the spectrograph's width, about 7.5 pixels.
CENTRE, WIDTH, DEPTH = 856.6231, 0.0317, 0.6


def line(centre: float = CENTRE, width: float = WIDTH, grid: PixelGrid = GRID) -> np.ndarray:
    return (1.0 - DEPTH * np.exp(-0.5 * ((grid.wavelength - centre) / width) ** 2))[np.newaxis]


def moments(flux: np.ndarray) -> tuple[float, float, float]:
    """Equivalent width (nm), centre (nm) and variance (nm²) of the one line of a spectrum."""
    deficit = 1.0 - np.nan_to_num(flux[0].astype(np.float64), nan=1.0)
    total = deficit.sum()
    centre = (deficit * GRID.wavelength).sum() / total
    return total * GRID.step, centre, (deficit * (GRID.wavelength - centre) ** 2).sum() / total


@pytest.mark.parametrize("velocity", [-20.0, -3.5, -0.4, 0.25, 1.75, 10.0])
def test_a_shift_moves_a_line_by_its_velocity_and_back(velocity: float) -> None:
    shifted = degrade.shift(line(), GRID, velocity)
    width, centre, variance = moments(shifted)
    expected = CENTRE * (1.0 + velocity / LIGHT_SPEED)
    assert abs(centre - expected) < 0.01 * GRID.step
    assert width == pytest.approx(moments(line())[0], rel=1e-4)
    assert variance == pytest.approx(WIDTH**2, rel=1e-3)
    back = degrade.shift(shifted, GRID, -velocity)
    assert abs(moments(back)[1] - CENTRE) < 0.01 * GRID.step
    known = np.isfinite(back)
    np.testing.assert_allclose(back[known], line()[known], atol=2e-4)
    # What is shifted in is missing: as many pixels as the line has moved, at the end that it moves away from.
    lost = np.flatnonzero(np.isnan(shifted[0]))
    assert abs(len(lost) - abs(expected - CENTRE) / GRID.step) <= 1.1
    assert (lost < 20).all() if velocity > 0 else (lost > GRID.n_pixels - 20).all()


def test_no_shift_changes_nothing() -> None:
    np.testing.assert_allclose(degrade.shift(line(), GRID, 0.0), line(), atol=1e-6)


def test_gaps_are_shifted_with_the_spectrum() -> None:
    flux = np.full((2, GRID.n_pixels), 0.9)
    flux[0, 1000:1010] = np.nan
    flux[1, 1:6] = np.nan
    pixel = GRID.step / GRID.wavelength[1005] * LIGHT_SPEED
    shifted = degrade.shift(flux, GRID, 4.0 * pixel)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(shifted[0])), [0, 1, 2, 3, *range(1004, 1014)])
    np.testing.assert_allclose(shifted[np.isfinite(shifted)], 0.9, rtol=1e-6)
    # The one valid pixel before the gap of the other spectrum goes with it.
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(shifted[1])), [0, 1, 2, 3, 5, 6, 7, 8, 9])


@pytest.mark.parametrize("limb_darkening", [0.0, 0.6])
@pytest.mark.parametrize("vsini", [1.0, 5.0, 20.0, 80.0])
def test_rotation_keeps_the_equivalent_width_and_broadens_as_its_profile(vsini: float, limb_darkening: float) -> None:
    broad = degrade.broaden(line(), GRID, vsini, limb_darkening)
    width, centre, variance = moments(broad)
    half_width = CENTRE * vsini / LIGHT_SPEED
    assert width == pytest.approx(moments(line())[0], rel=1e-5)
    assert abs(centre - CENTRE) < 0.01 * GRID.step
    # Second moment of the profile, integrated by hand.
    second = (0.25 - limb_darkening * (0.25 - 2.0 / 15.0)) / (1.0 - limb_darkening / 3.0)
    assert variance == pytest.approx(WIDTH**2 + second * half_width**2, rel=1e-4)


def test_rotation_has_the_shape_of_the_analytic_profile() -> None:
    # A line much narrower than the profile takes its shape: an ellipse without limb darkening.
    vsini, narrow = 100.0, 0.015
    broad = 1.0 - degrade.broaden(line(width=narrow), GRID, vsini, 0.0)[0]
    half_width = CENTRE * vsini / LIGHT_SPEED
    area = DEPTH * narrow * np.sqrt(2.0 * np.pi)
    for x in (0.0, 0.3, -0.6):
        expected = area * 2.0 / (np.pi * half_width) * np.sqrt(1.0 - x**2)
        assert np.interp(CENTRE + x * half_width, GRID.wavelength, broad) == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(broad[np.abs(GRID.wavelength - CENTRE) > half_width + 5.0 * narrow], 0.0, atol=1e-6)


def test_rotation_leaves_gaps_and_continuum_where_they_are() -> None:
    flux = np.full((1, GRID.n_pixels), 1.02)
    flux[0, [0, 1, 2, 700, 701, GRID.n_pixels - 1]] = np.nan
    broad = degrade.broaden(flux, GRID, 30.0)
    np.testing.assert_array_equal(np.isnan(broad), np.isnan(flux))
    np.testing.assert_allclose(broad[np.isfinite(broad)], 1.02, rtol=1e-6)
    np.testing.assert_array_equal(degrade.broaden(line(), GRID, 0.0), line().astype(np.float32))


def test_a_star_without_any_pixel_stays_so() -> None:
    flux = np.full((1, GRID.n_pixels), np.nan)
    for changed in (degrade.shift(flux, GRID, 1.0), degrade.broaden(flux, GRID, 10.0), degrade.tilt(flux, 0.1)):
        assert np.isnan(changed).all()


@pytest.mark.parametrize("width", [0.0, 0.98])
def test_noise_gives_the_asked_snr(width: float) -> None:
    rng = np.random.default_rng(5)
    n, own, wanted = 200, 120.0, 20.0
    flux = np.ones((n, 600))
    shape = np.linspace(0.5, 1.5, 600)
    error = np.tile(shape / own, (n, 1))
    observed = flux + error * degrade.correlated_noise(rng.standard_normal(flux.shape), width)
    noise = degrade.correlated_noise(rng.standard_normal(flux.shape), width)
    noisy = degrade.add_noise(observed, error, degrade.noise_factor(np.full(n, own), wanted), noise)
    # In units of the error that a spectrum of that S/N has: one everywhere.
    assert ((noisy - 1.0) / (shape / wanted)).std() == pytest.approx(1.0, rel=0.01)
    middle = (noisy / (shape / wanted)).std(axis=0)
    np.testing.assert_allclose(middle[[0, 300, -1]], 1.0, atol=0.17)
    residual = (noisy - 1.0) / shape
    neighbours = np.corrcoef(residual[:, :-1].ravel(), residual[:, 1:].ravel())[0, 1]
    # Gaussian noise smoothed by a Gaussian: exp(-1 / 4 width²).
    assert neighbours == pytest.approx(np.exp(-0.25 / width**2) if width else 0.0, abs=0.02)


def test_noise_is_like_that_of_published_spectra(real_data: Path) -> None:
    # Between 0.15 and 0.25 cycles a pixel the spectrograph leaves no lines: all power there is noise.
    correlation = RobustnessSettings().noise_correlation
    ratios = []
    for path in sorted((real_data / "rvs").glob("rvs_*.fits")):
        table = fits.getdata(path)
        flux, error = (np.asarray(table[name], dtype=np.float64).ravel() for name in ("flux", "flux_error"))
        good = np.isfinite(flux) & np.isfinite(error)
        flux, error = flux[good], error[good]
        n = flux.size
        noise = degrade.correlated_noise(np.random.default_rng(1).standard_normal((20, n)), correlation)
        added = degrade.add_noise(np.zeros((20, n)), np.tile(error, (20, 1)), np.ones(20), noise)
        power = np.abs(np.fft.rfft(np.vstack([flux - 1.0, added]) * np.hanning(n), axis=1)) ** 2
        frequency = np.fft.rfftfreq(n)
        bands = [power[:, (frequency >= low) & (frequency < low + 0.05)].mean(axis=1) for low in (0.15, 0.20)]
        ratios.append([band[1:].mean() / band[0] for band in bands])
    assert len(ratios) == 5
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1.0, atol=0.35)


def test_noise_beyond_the_own_is_refused() -> None:
    factor = degrade.noise_factor(np.array([50.0, 10.0, 9.0]), 10.0)
    assert factor[0] == pytest.approx(np.sqrt(24.0))
    assert np.isnan(factor[1:]).all()


def test_errors_that_are_missing_count_as_the_others() -> None:
    error = np.array([[0.02, np.nan, 0.0, 0.02, 0.02]])
    flux = np.array([[1.0, 1.0, 1.0, np.nan, 1.0]])
    noisy = degrade.add_noise(flux, error, np.array([3.0]), np.ones((1, 5)))
    np.testing.assert_allclose(noisy[0], [1.06, 1.06, 1.06, np.nan, 1.06], rtol=1e-6)
    with pytest.raises(ValueError, match="without any flux error"):
        degrade.add_noise(flux, np.full((1, 5), np.nan), np.array([3.0]), np.ones((1, 5)))


def test_a_tilt_turns_about_the_middle() -> None:
    tilted = degrade.tilt(np.full((2, 2401), 0.8), 0.05)
    np.testing.assert_allclose(tilted[:, [0, 600, 1200, -1]], 0.8 * np.array([[0.95, 0.975, 1.0, 1.05]] * 2), rtol=1e-6)
    assert tilted.dtype == np.float32


@pytest.mark.parametrize("length", [1, 7, 99, 100, 250])
def test_a_run_of_missing_pixels_has_its_length_and_place(length: int) -> None:
    masked = degrade.mask_run(np.ones((4, 100)), length, np.array([0.0, 0.5, 0.999999, 1.0]))
    missing = np.isnan(masked)
    np.testing.assert_array_equal(missing.sum(axis=1), min(length, 100))
    # One run each: it begins once.
    np.testing.assert_array_equal((np.diff(missing.astype(int), axis=1, prepend=0) == 1).sum(axis=1), 1)
    assert missing[0, 0]
    assert missing[2, -1]
    assert missing[3, -1]
    assert (masked[~missing] == 1.0).all()


def test_each_star_has_random_numbers_of_its_own() -> None:
    def first(*key: int) -> float:
        return degrade.star_stream(*key).random()

    source_id = 6_917_528_443_525_529_728
    assert first(1, 2, source_id, 0) == first(1, 2, source_id, 0)
    others = [first(2, 2, source_id, 0), first(1, 3, source_id, 0), first(1, 2, source_id + 1, 0)]
    others.append(first(1, 2, source_id, 1))
    assert len({first(1, 2, source_id, 0), *others}) == 5

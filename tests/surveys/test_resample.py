"""Resampling: the library's values, the flux's integral, errors against noise, missing pixels, velocities."""

import builtins
from typing import Any

import numpy as np
import pytest

from catalog.errors import ConfigurationError
from catalog.releases import PixelGrid, load_release
from catalog.surveys.resample import LIGHT_SPEED, Resampler, check_grids, library_version, pixel_edges

DR3 = load_release("dr3").rvs
EPOCH = load_release("dr4-draft").grid("rvs_epoch_spectrum")
UNEVEN = 846.0 + 24.0 * np.linspace(0.0, 1.0, 700) ** 1.3


def spectra(n: int, wavelength: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lines = sum(0.4 * np.exp(-0.5 * ((wavelength - centre) / 0.12) ** 2) for centre in (850.0, 854.4, 866.5))
    flux = 1.0 - lines + rng.normal(0.0, 0.03, (n, len(wavelength)))
    return flux, rng.uniform(0.01, 0.06, (n, len(wavelength)))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (EPOCH.wavelength, DR3.wavelength),
        (DR3.wavelength, EPOCH.wavelength),
        (DR3.wavelength, DR3.wavelength),
        (UNEVEN, DR3.wavelength),
        (DR3.wavelength, np.arange(847.0, 853.0, 0.033)),
    ],
)
@pytest.mark.parametrize("velocity", [0.0, -137.4, 281.0])
def test_values_are_the_librarys(source: np.ndarray, target: np.ndarray, velocity: float) -> None:
    flux, error = spectra(1, source)
    flux[0, 200:204] = error[0, 200:204] = np.nan
    resampler = Resampler(source, target)
    ours = resampler(flux, error, np.array([velocity]) if velocity else None)
    theirs = resampler.by_library(flux[0], error[0], velocity)
    valid = np.isfinite(ours[0][0])
    assert valid.sum() > 0.97 * np.isfinite(theirs[0]).sum() > 100
    np.testing.assert_allclose(ours[0][0][valid], theirs[0][valid], rtol=1e-6)
    np.testing.assert_allclose(ours[1][0][valid], theirs[1][valid], rtol=1e-6)
    # The library keeps a first pixel that the source covers in part; nothing else is missing here and not there.
    assert np.flatnonzero(np.isfinite(theirs[0]) & ~valid).size <= 1


@pytest.mark.parametrize(
    ("source", "target"), [(EPOCH, DR3), (DR3, EPOCH), (DR3, DR3.model_copy(update={"step": 0.0137, "n_pixels": 1750}))]
)
def test_the_integral_of_the_flux_is_kept(source: PixelGrid, target: PixelGrid) -> None:
    flux, error = spectra(3, source.wavelength)
    resampled, _ = Resampler(source.wavelength, target.wavelength)(flux, error)
    covered = np.flatnonzero(np.isfinite(resampled).all(axis=0))
    assert covered.size >= target.n_pixels - 2
    borders = pixel_edges(target.wavelength)[[covered[0], covered[-1] + 1]]
    # The integral of a spectrum that is constant in each pixel, up to any wavelength.
    edges = pixel_edges(source.wavelength)
    cumulated = np.concatenate([np.zeros((3, 1)), np.cumsum(flux * np.diff(edges), axis=1)], axis=1)
    integral = [np.diff(np.interp(borders, edges, row))[0] for row in cumulated]
    found = (resampled[:, covered[0] : covered[-1] + 1].astype(float) * target.step).sum(axis=1)
    np.testing.assert_allclose(found, integral, rtol=1e-6)


@pytest.mark.parametrize(("source", "target"), [(EPOCH, DR3), (DR3, EPOCH)])
def test_errors_are_those_of_resampled_noise(source: PixelGrid, target: PixelGrid) -> None:
    n = 4000
    sigma = spectra(1, source.wavelength)[1]
    noise = np.random.default_rng(2).normal(0.0, sigma, (n, source.n_pixels))
    resampled, error = Resampler(source.wavelength, target.wavelength)(noise, np.broadcast_to(sigma, noise.shape))
    valid = np.isfinite(error[0])
    ratio = resampled[:, valid].std(axis=0) / error[0][valid]
    # One standard deviation of a scatter from 4000 values is 1.1 %.
    assert np.abs(ratio - 1.0).max() < 0.06
    assert ratio.mean() == pytest.approx(1.0, abs=0.003)


def test_missing_pixels_stay_missing_and_nothing_else() -> None:
    flux, error = spectra(2, EPOCH.wavelength)
    flux[0, [400, 960]] = np.nan
    error[0, 500] = np.nan
    resampled, resampled_error = Resampler(EPOCH.wavelength, DR3.wavelength)(flux, error)
    source, target = pixel_edges(EPOCH.wavelength), pixel_edges(DR3.wavelength)

    def touching(pixel: int) -> np.ndarray:
        return (target[1:] > source[pixel] + 1e-9) & (target[:-1] < source[pixel + 1] - 1e-9)

    missing = touching(400) | touching(960)
    np.testing.assert_array_equal(np.isnan(resampled[0]), missing)
    np.testing.assert_array_equal(np.isnan(resampled_error[0]), missing | touching(500))
    assert np.isfinite(resampled[1]).all()


def test_pixels_that_are_not_covered_wholly_are_missing() -> None:
    short = EPOCH.wavelength[100:-200]
    resampled, error = Resampler(short, DR3.wavelength)(*spectra(1, short))
    edges, target = pixel_edges(short), pixel_edges(DR3.wavelength)
    inside = (target[:-1] >= edges[0] - 1e-9) & (target[1:] <= edges[-1] + 1e-9)
    np.testing.assert_array_equal(np.isfinite(resampled[0]), inside)
    np.testing.assert_array_equal(np.isfinite(error[0]), inside)
    nothing, _ = Resampler(short, DR3.wavelength + 50.0)(*spectra(1, short))
    assert np.isnan(nothing).all()


def test_the_same_grid_changes_nothing() -> None:
    flux, error = spectra(2, DR3.wavelength)
    flux[0, [0, 7, 8]] = np.nan
    resampled, resampled_error = Resampler(DR3.wavelength, DR3.wavelength)(flux, error)
    np.testing.assert_allclose(resampled, flux, rtol=1e-6)
    np.testing.assert_allclose(resampled_error, np.where(np.isnan(flux), np.nan, error), rtol=1e-6)


def test_a_velocity_brings_a_line_to_its_rest_wavelength() -> None:
    rest, velocity = 854.4438, np.array([0.0, 120.0, -250.0, np.nan])
    seen = rest * (1.0 + velocity / LIGHT_SPEED)
    flux = 1.0 - 0.5 * np.exp(-0.5 * ((EPOCH.wavelength - np.nan_to_num(seen)[:, None]) / 0.1) ** 2)
    resampled, error = Resampler(EPOCH.wavelength, DR3.wavelength)(flux, np.full(flux.shape, 0.01), velocity)
    depth = np.nan_to_num(1.0 - resampled[:3])
    np.testing.assert_allclose((depth * DR3.wavelength).sum(axis=1) / depth.sum(axis=1), rest, atol=2e-4)
    assert np.isnan(resampled[3]).all()
    assert np.isnan(error[3]).all()
    # Receding stars lose pixels at the red end: at 120 km/s these are 870 nm * v/c wide.
    assert np.isnan(resampled[1, -30:]).all()
    assert np.isfinite(resampled[1, :-40]).all()


def test_frames_and_media_must_fit() -> None:
    check_grids(EPOCH, DR3, has_velocity=True)
    check_grids(DR3, DR3, has_velocity=False)
    with pytest.raises(ConfigurationError, match=r"barycentric frame.*stellar rest frame.*radial velocities"):
        check_grids(EPOCH, DR3, has_velocity=False)
    with pytest.raises(ConfigurationError, match="lead to the stellar rest frame"):
        check_grids(DR3, DR3, has_velocity=True)
    with pytest.raises(ConfigurationError, match=r"Change the pixels only"):
        check_grids(DR3, EPOCH, has_velocity=False)
    with pytest.raises(ConfigurationError, match="air wavelengths"):
        check_grids(DR3.model_copy(update={"medium": "air"}), DR3, has_velocity=False)


def test_wavelengths_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Resampler(DR3.wavelength[::-1], DR3.wavelength)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def no_specutils(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("specutils"):
            raise ImportError("No module named 'specutils'")
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", no_specutils)
    with pytest.raises(ConfigurationError, match=r'pip install "rvscat\[resample\]"'):
        library_version()

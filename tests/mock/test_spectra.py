"""How the spectra respond to labels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from catalog.mock.noise import observe_spectra
from catalog.mock.spectra import SpectrumModel
from catalog.mock.strong_lines import CALCIUM, PASCHEN
from catalog.releases import Release


@pytest.fixture(scope="module")
def model(release: Release) -> SpectrumModel:
    return SpectrumModel(release.rvs)


def star(teff: float, logg: float, mh: float = 0.0, alpham: float = 0.0, **other: float) -> dict[str, float]:
    values = {
        "vbroad": 5.0, "emission": 0.0, "a_v": 0.0, "companion_teff": 0.0, "companion_logg": 0.0, "nitrogen": 0.0,
        "companion_fraction": 0.0, "companion_velocity": 0.0, "wavelength_shift": 0.0,
    }  # fmt: skip
    return {"teff": teff, "logg": logg, "mh": mh, "alpham": alpham, "feh": mh, **values, **other}


def spectra(model: SpectrumModel, *stars: dict[str, float]) -> np.ndarray:
    return model.flux(pd.DataFrame(stars))


def width(model: SpectrumModel, flux: np.ndarray, low: float, high: float) -> np.ndarray:
    """Equivalent width between two wavelengths, nm."""
    inside = (model.grid.wavelength >= low) & (model.grid.wavelength <= high)
    return (1.0 - flux[..., inside]).sum(axis=-1) * model.grid.step


def test_calcium_lies_at_its_vacuum_wavelengths(model: SpectrumModel) -> None:
    flux = spectra(model, star(4800, 2.5), star(5800, 4.4))
    for centre, _, _ in CALCIUM:
        near = np.abs(model.grid.wavelength - centre) < 0.5
        lowest = model.grid.wavelength[near][flux[:, near].argmin(axis=1)]
        np.testing.assert_allclose(lowest, centre, atol=0.016)
    assert [round(centre, 2) for centre, _, _ in CALCIUM] == [850.04, 854.44, 866.45]


def test_metals_deepen_all_lines(model: SpectrumModel) -> None:
    flux = spectra(model, *(star(4800, 2.5, mh) for mh in (-2.0, -1.0, -0.5, 0.0, 0.4)))
    for low, high in ((851.5, 851.9), (868.9, 869.3), (861.3, 861.55), (854.0, 854.9)):
        assert (np.diff(width(model, flux, low, high)) > 0).all()
    assert (flux > 0.05).all()
    assert (flux < 1.02).all()


def test_alpha_elements_respond_to_alpha_and_iron_does_not(model: SpectrumModel) -> None:
    flux = spectra(model, star(4600, 2.2, -0.4, 0.0), star(4600, 2.2, -0.4, 0.3))
    silicon = width(model, flux, 865.0, 865.2)
    iron = width(model, flux, 862.3, 862.5)
    calcium = width(model, flux, 853.5, 855.3)
    assert silicon[1] > 1.05 * silicon[0]
    assert calcium[1] > 1.05 * calcium[0]
    assert iron[1] == pytest.approx(iron[0], rel=0.06)


def test_calcium_wings_grow_in_giants(model: SpectrumModel) -> None:
    flux = spectra(model, *(star(5000, logg) for logg in (1.5, 2.5, 3.5, 4.5)))
    assert (np.diff(width(model, flux, 853.4, 855.4)) < 0).all()


def test_paschen_lines_belong_to_hot_stars(model: SpectrumModel) -> None:
    p14 = PASCHEN[14]
    assert p14 == pytest.approx(860.075, abs=0.01)
    flux = spectra(model, *(star(teff, 4.1) for teff in (5000, 6500, 8000, 9500)))
    # Beside the core, where cool stars have no line of their own.
    wing = (model.grid.wavelength > p14 + 0.40) & (model.grid.wavelength < p14 + 0.50)
    depth = 1.0 - flux[:, wing].mean(axis=1)
    assert depth[3] > 0.10
    assert depth[3] > depth[2] > depth[1]
    assert (depth[:2] < 0.02).all()


def test_titanium_oxide_belongs_to_m_stars(model: SpectrumModel) -> None:
    flux = spectra(model, star(4400, 1.5), star(3500, 0.5), star(3400, 4.9))
    wavelength = model.grid.wavelength
    before = flux[:, (wavelength > 858.7) & (wavelength < 859.0)].mean(axis=1)
    behind = flux[:, (wavelength > 859.3) & (wavelength < 859.5)].mean(axis=1)
    jump = before - behind
    assert abs(jump[0]) < 0.05
    assert (jump[1:] > 0.15).all()


def test_dust_shows_in_the_diffuse_band(model: SpectrumModel) -> None:
    flux = spectra(model, star(9000, 4.0), star(9000, 4.0, a_v=3.0))
    # E(B-V) of 0.97 gives 0.036 nm (Munari et al. 2008); only the band differs.
    assert width(model, flux[1] - flux[0] + 1.0, 861.4, 863.2) == pytest.approx(0.0356, rel=0.05)
    assert np.abs(flux[1] - flux[0])[model.grid.wavelength < 861.0].max() < 1e-6


def test_shift_and_rotation(model: SpectrumModel) -> None:
    still, moved, turning = spectra(
        model, star(5000, 3.0), star(5000, 3.0, wavelength_shift=35.0), star(5000, 3.0, vbroad=80.0)
    )
    shift = 35.0 / 299_792.458 * 858.0 / model.grid.step
    moved_back = np.interp(np.arange(still.size) + shift, np.arange(still.size), moved)
    inside = slice(50, -50)
    np.testing.assert_allclose(moved_back[inside], still[inside], atol=0.012)
    assert turning.min() > still.min() + 0.1
    assert width(model, turning, 847.0, 869.0) == pytest.approx(width(model, still, 847.0, 869.0), rel=0.02)


def test_binaries_blend(model: SpectrumModel) -> None:
    pair = star(5800, 4.4, companion_teff=5600.0, companion_logg=4.5, companion_fraction=0.45, companion_velocity=80.0)
    single, double = spectra(model, star(5800, 4.4), pair)
    line = np.abs(model.grid.wavelength - 869.101) < 0.03
    assert double[line].min() > single[line].min() + 0.05


def test_resolution(model: SpectrumModel) -> None:
    # The narrowest features have the width of the spectrograph's profile.
    flux = 1.0 - spectra(model, star(5200, 3.0, -1.0, vbroad=1.0))[0]
    near = np.abs(model.grid.wavelength - 862.397) < 0.15
    profile = flux[near] - flux[near].min()
    measured = profile.sum() * model.grid.step / profile.max() / 1.0645
    assert measured == pytest.approx(862.4 / 11_500, rel=0.12)


def test_noise_has_the_stated_level_and_correlation() -> None:
    n, n_pixels = 12, 2401
    table = pd.DataFrame({"source_id": np.arange(1, n + 1) * 128, "snr": np.full(n, 20.0)})
    flux, error = observe_spectra(5, table, np.ones((n, n_pixels)))
    assert flux.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(flux), np.isnan(error))
    inner = slice(150, -150)
    residual = flux[:, inner] - np.median(flux[:, inner], axis=1, keepdims=True)
    assert np.nanstd(residual) == pytest.approx(1 / 20.0, rel=0.1)
    assert np.nanmedian(error) == pytest.approx(1 / 20.0, rel=0.1)
    lagged = [np.nanmean(residual[:, :-k] * residual[:, k:]) / np.nanmean(residual**2) for k in (1, 2, 5)]
    assert lagged[0] == pytest.approx(0.78, abs=0.06)
    assert lagged[1] == pytest.approx(0.36, abs=0.09)
    assert lagged[2] < 0.15
    alone, _ = observe_spectra(5, table.iloc[[7]], np.ones((1, n_pixels)))
    np.testing.assert_array_equal(alone[0], flux[7])


def test_gaps_lie_at_the_ends_and_may_spare_the_first_pixel() -> None:
    n = 400
    table = pd.DataFrame({"source_id": np.arange(1, n + 1) * 128, "snr": np.full(n, 50.0)})
    flux, _ = observe_spectra(9, table, np.ones((n, 2401)))
    missing = np.isnan(flux)
    assert 0.1 < (~missing.any(axis=1)).mean() < 0.5
    assert missing.sum(axis=1).max() < 200
    assert (missing[:, 1] & ~missing[:, 0]).sum() > 20
    assert missing[:, -1].sum() > 40


def test_looks_like_real_spectra(model: SpectrumModel, real_data: Path) -> None:
    """Not a fit: a giant and a dwarf of plausible labels resemble published spectra."""
    for name, labels in (
        ("rvs_4268620287278693120_HD176650.csv", (5050, 2.6, 0.0)),
        ("rvs_2128215909315876352_Kepler-409.csv", (5460, 4.5, 0.05)),
    ):
        table = Table.read(real_data / "rvs" / name, format="ascii.csv")
        real = np.ma.filled(np.ma.asarray(table["flux"]).astype(float), np.nan)
        synthetic = spectra(model, star(*labels))[0]
        good = np.isfinite(real)
        assert np.corrcoef(real[good], synthetic[good])[0, 1] > 0.95
        assert np.std((real - synthetic)[good]) < 0.035

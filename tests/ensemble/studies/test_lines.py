"""Peaks of a curve and the lines they fall on."""

import numpy as np
import pytest

from catalog.ensemble.studies.lines import Line, agreement, known_lines, smooth, strongest_peaks
from catalog.metadata import LABELS
from catalog.releases import PixelGrid, load_release

GRID = load_release("dr3").rvs
LINES = (
    Line("Fe I", 850.0, 0.0, "Fe I", True, ()),
    Line("Ti I", 850.03, 0.0, "Ti I", True, ()),
    Line("Ca II", 860.0, 0.3, "Ca II", True, ()),
)


def curve(*bumps: tuple[float, float]) -> np.ndarray:
    """Narrow bumps, wavelength and height each."""
    wavelength = GRID.wavelength
    return sum(
        (height * np.exp(-0.5 * ((wavelength - centre) / 0.02) ** 2) for centre, height in bumps),
        start=np.zeros(GRID.n_pixels),
    )


def test_known_lines_lie_in_the_rvs_range_and_name_labels() -> None:
    lines = known_lines()
    wavelengths = [line.wavelength for line in lines]
    assert wavelengths == sorted(wavelengths)
    assert wavelengths[0] >= 846.0
    assert wavelengths[-1] <= 870.0
    assert {label for line in lines for label in line.labels} == {label.name for label in LABELS}
    assert all(line.labels for line in lines if line.named)
    # The triplet in vacuum, and not in air.
    assert [line.wavelength for line in lines if line.species == "Ca II"] == [850.036, 854.444, 866.452]


def test_the_strongest_peaks_are_found_in_order_up_and_down() -> None:
    found = strongest_peaks(curve((850.0, 1.0), (855.0, -3.0), (860.2, 2.0), (865.0, 0.5)), GRID, 3, LINES, 0.04)
    assert [round(peak.wavelength, 2) for peak in found] == [855.0, 860.2, 850.0]
    assert [np.sign(peak.value) for peak in found] == [-1, 1, 1]
    assert [peak.line and peak.line.species for peak in found] == [None, "Ca II", "Fe I"]


def test_the_nearest_line_within_the_tolerance_is_named() -> None:
    def species(centre: float, tolerance: float) -> str | None:
        (peak,) = strongest_peaks(curve((centre, 1.0)), GRID, 1, LINES, tolerance)
        return peak.line.species if peak.line else None

    assert species(850.02, 0.04) == "Ti I"
    assert species(850.01, 0.04) == "Fe I"
    assert species(850.07, 0.04) == "Ti I"
    assert species(850.08, 0.04) is None
    assert species(849.96, 0.04) == "Fe I"
    assert species(860.3, 0.04) == "Ca II"
    assert species(860.31, 0.04) is None


def test_chance_is_the_part_of_the_spectrum_near_lines() -> None:
    peaks = strongest_peaks(curve((850.0, 1.0), (855.0, 1.0)), GRID, 20, LINES, 0.04)
    found = agreement(peaks, GRID, LINES, 0.04)
    assert (found.n, found.n_on_lines) == (2, 1)
    assert found.fraction == 0.5
    # 849.96 to 850.07 and 859.7 to 860.3, ends included; blended lines count once.
    assert found.expected == pytest.approx((12 + 61) / 2401)
    assert found.probability == pytest.approx(1 - (1 - found.expected) ** 2)


def test_a_flat_curve_has_no_peaks() -> None:
    peaks = strongest_peaks(np.zeros(GRID.n_pixels), GRID, 20, LINES, 0.04)
    assert peaks == []
    assert agreement(peaks, GRID, LINES, 0.04).probability == 1.0


def test_smoothing_keeps_sums_and_fits_any_grid() -> None:
    coarse = PixelGrid(start=846.0, step=0.025, n_pixels=961, medium="vacuum", frame="rest")
    for grid in (GRID, coarse):
        values = np.zeros((2, grid.n_pixels))
        values[1, 400] = 1.0
        smoothed = smooth(values, grid)
        assert not smoothed[0].any()
        assert smoothed[1].sum() == pytest.approx(1.0)
        # Full width at half maximum of a resolution element: 0.0746 nm.
        assert (smoothed[1] > 0.5 * smoothed[1].max()).sum() * grid.step == pytest.approx(0.0746, abs=grid.step)

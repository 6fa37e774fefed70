"""Releases: the pixel grid against the published one, cuts and limits against the paper's tables."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from catalog.errors import NotFoundError
from catalog.releases import load_release


def test_the_dr3_grid_is_the_published_one(real_data: Path) -> None:
    published = fits.getdata(real_data / "rvs" / "gaia_rvs_wavelength_2401.fits")
    grid = load_release("dr3").rvs
    assert grid.wavelength.shape == published.shape == (2401,)
    np.testing.assert_allclose(grid.wavelength, published, atol=1e-6)


def test_continuum_regions_are_those_of_section_2_1() -> None:
    assert load_release("dr3").rvs.continuum == ((847.5, 849.5), (856.1, 858.2), (862.7, 864.8))


def test_table_1() -> None:
    limits = load_release("dr3").paper_limits
    assert limits.teff == (3705.0, 6395.0)
    assert limits.g == (9.01, 14.21)
    assert limits.parallax == (0.05, 7.0)


def test_paper_counts_close() -> None:
    expected = load_release("dr3").expected
    assert expected.training is not None
    assert expected.observed is not None
    assert expected.training + expected.observed == expected.catalogue == 886_080


def test_every_count_of_the_paper_says_where_it_stands_and_why_it_may_differ() -> None:
    expected = load_release("dr3").expected
    assert expected.counts == {
        "spectra": 999_670,
        "apogee": 733_901,
        "crossmatched": 207_953,
        "catalogue": 886_080,
        "training": 44_780,
        "observed": 841_300,
        "training_metal_poor": 1578,
    }
    assert set(expected.counts) <= set(expected.sections)
    assert set(expected.counts) <= set(expected.explanations)


def test_unknown_release() -> None:
    with pytest.raises(NotFoundError, match="dr3"):
        load_release("dr9")

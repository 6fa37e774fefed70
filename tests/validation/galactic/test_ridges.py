"""Mixtures and lines: two where there are two, one where there is one."""

import numpy as np
import pytest

from catalog.validation.galactic import Ridges, fit_mixture, fit_ridges
from catalog.validation.galactic.mixture import upper_share

RNG_SEED = 11


def sequences(
    n: int = 1500, share: float = 0.3, gap: float = 0.15, slope: float = -0.15, noise: float = 0.035
) -> tuple[np.ndarray, np.ndarray]:
    """[M/H] from the middle of its range, and [α/M]: exactly the share of stars is on the upper line."""
    rng = np.random.default_rng(RNG_SEED)
    mh = rng.uniform(-0.2, 0.2, n)
    upper = np.arange(n) < share * n
    return mh, 0.06 + np.where(upper, gap, 0.0) + slope * mh + rng.normal(0, noise, n)


def fitted(mh: np.ndarray, alpham: np.ndarray, slope: float | None = None) -> Ridges:
    found = fit_ridges(mh, alpham, slope)
    assert found is not None
    return found


def test_two_gaussians_are_measured() -> None:
    rng = np.random.default_rng(RNG_SEED)
    values = np.concatenate([rng.normal(0.05, 0.03, 1400), rng.normal(0.22, 0.03, 600)])
    found = fit_mixture(values, 2)
    assert found.n == 2000
    assert found.means == pytest.approx((0.05, 0.22), abs=0.004)
    assert found.weights == pytest.approx((0.7, 0.3), abs=0.01)
    assert found.width == pytest.approx(0.03, abs=0.002)
    share, error = upper_share(values, found)
    assert share == pytest.approx(0.3, abs=0.01)
    assert error == pytest.approx(np.sqrt(0.3 * 0.7 / 2000), rel=0.1)
    assert upper_share(values[:1400], found)[0] == pytest.approx(0.0, abs=0.005)


def test_one_gaussian_is_its_moments() -> None:
    values = np.random.default_rng(RNG_SEED).normal(0.1, 0.04, 3000)
    found = fit_mixture(values, 1)
    assert found.means[0] == pytest.approx(values.mean(), abs=0.002)
    assert found.width == pytest.approx(values.std(), abs=0.002)


def test_two_sequences_are_seen_and_one_is_not() -> None:
    two = fitted(*sequences())
    assert two.dbic > 100
    assert two.separation == pytest.approx(0.15 / 0.035, abs=0.3)
    assert two.gap == pytest.approx(0.15, abs=0.01)
    assert two.slope == pytest.approx(-0.15, abs=0.05)
    assert two.two.weights[1] == pytest.approx(0.3, abs=0.03)
    one = fitted(*sequences(share=0.0))
    assert one.dbic < 0


def test_abundances_that_follow_metallicity_are_one_sequence_however_steep() -> None:
    rng = np.random.default_rng(RNG_SEED)
    # Metal-poor and metal-rich stars along one ridge: two peaks in [α/M].
    mh = np.concatenate([rng.normal(-0.15, 0.03, 800), rng.normal(0.15, 0.03, 800)])
    alpham = 0.12 - 0.5 * mh + rng.normal(0, 0.02, mh.size)
    assert fit_mixture(alpham, 2).likelihood > fit_mixture(alpham, 1).likelihood + 100
    assert fitted(mh, alpham).dbic < 0


def test_wild_abundances_change_nothing() -> None:
    mh, alpham = sequences()
    clean = fitted(mh, alpham)
    wild = alpham.copy()
    wild[::100] = np.random.default_rng(1).uniform(-0.5, 0.8, wild[::100].size)
    spoilt = fitted(mh, wild)
    assert spoilt.two.means == pytest.approx(clean.two.means, abs=0.005)
    assert spoilt.two.width == pytest.approx(clean.two.width, abs=0.003)
    single = fitted(*sequences(share=0.0, n=1480), slope=0.0)
    assert single.dbic < 10


def test_a_known_slope_leaves_one_line_free() -> None:
    mh, alpham = sequences(share=0.5)
    found = fitted(mh, alpham, slope=-0.15)
    assert found.slope == -0.15
    assert found.dbic == pytest.approx(fitted(mh, alpham).dbic, abs=15)


def test_the_same_stars_in_any_order_give_the_same_numbers() -> None:
    mh, alpham = sequences(n=300)
    order = np.random.default_rng(2).permutation(mh.size)
    first, second = fitted(mh, alpham), fitted(mh[order], alpham[order])
    assert (first.dbic, *first.two.means) == pytest.approx((second.dbic, *second.two.means))


@pytest.mark.parametrize("n", [0, 9])
def test_too_few_stars_are_not_fitted(n: int) -> None:
    assert fit_ridges(np.zeros(n), np.zeros(n)) is None


def test_stars_that_are_all_alike_are_one_sequence() -> None:
    found = fitted(np.zeros(50), np.full(50, 0.1))
    assert np.isfinite(found.dbic)
    assert found.dbic < 0

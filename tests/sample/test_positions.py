"""Positions moved by proper motions, and the nearest source of each star."""

import numpy as np
import pytest

from catalog.sample.positions import directions, moved, nearest_sources

MAS = np.pi / 180 / 3600e3


def separation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between unit vectors, arcsec."""
    return np.degrees(2 * np.arcsin(np.linalg.norm(one - other, axis=1) / 2)) * 3600


def moved_directly(ra: np.ndarray, dec: np.ndarray, pmra: np.ndarray, pmdec: np.ndarray, years: float) -> np.ndarray:
    """Unit vectors after uniform motion along the local east and north: what the proper motions mean."""
    a, d = np.radians(ra), np.radians(dec)
    east = np.column_stack([-np.sin(a), np.cos(a), np.zeros_like(a)])
    north = np.column_stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    there = directions(ra, dec) + years * MAS * (east * pmra[:, None] + north * pmdec[:, None])
    return there / np.linalg.norm(there, axis=1)[:, None]


def test_motion_is_uniform_along_east_and_north() -> None:
    generator = np.random.default_rng(5)
    n = 500
    ra, dec = generator.uniform(0, 360, n), np.degrees(np.arcsin(generator.uniform(-0.99999, 0.99999, n)))
    ra[:3], dec[:3] = [0.0, 359.9999999, 10.0], [0.0, 45.0, 89.99]
    pmra, pmdec = generator.normal(0, 3000, n), generator.normal(0, 3000, n)
    there = directions(*moved(ra, dec, pmra, pmdec, 2016.0, 2000.0))
    assert separation(there, moved_directly(ra, dec, pmra, pmdec, -16.0)).max() < 1e-4
    # A sign or a cos(dec) that is wrong would be seen.
    assert np.median(separation(there, directions(ra, dec))) > 30


def test_a_known_star_of_high_proper_motion() -> None:
    # Barnard's star in Gaia DR3, and where SIMBAD has it at J2000.
    ra, dec = moved(
        np.array([269.44850252543836]), np.array([4.739420051112412]),
        np.array([-801.551]), np.array([10362.394]), 2016.0, 2000.0,
    )  # fmt: skip
    assert (ra[0], dec[0]) == (pytest.approx(269.452076958, abs=5e-6), pytest.approx(4.693364966, abs=5e-6))


def test_stars_without_proper_motion_stay() -> None:
    ra, dec = np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0])
    pmra, pmdec = np.array([np.nan, 100.0, 5000.0]), np.array([5000.0, np.nan, 0.0])
    there = moved(ra, dec, pmra, pmdec, 2016.0, 2000.0)
    assert (there[0][:2].tolist(), there[1][:2].tolist()) == ([10.0, 20.0], [1.0, 2.0])
    assert there[0][2] < 29.98
    nowhere = moved(ra, dec, pmra, pmdec, 2000.0, 2000.0)
    np.testing.assert_array_equal(nowhere, (ra, dec))


def test_nearest_is_what_comparing_all_pairs_gives() -> None:
    generator = np.random.default_rng(6)
    stars = directions(*crowded(generator, 300))
    sources = directions(*crowded(generator, 4000))
    ids = generator.permutation(4000) + 1
    radius = 3.0
    blocks = [(ids[i : i + 700], sources[i : i + 700]) for i in range(0, 4000, 700)]
    found = nearest_sources(stars, blocks, radius)
    apart = np.degrees(2 * np.arcsin(np.linalg.norm(stars[:, None] - sources[None], axis=2) / 2)) * 3600
    within = apart < radius
    assert 0 < within.any(axis=1).sum() < len(stars)
    np.testing.assert_array_equal(found.n_candidates, within.sum(axis=1))
    expected = np.where(within.any(axis=1), ids[apart.argmin(axis=1)], 0)
    np.testing.assert_array_equal(found.source_id, expected)
    matched = expected > 0
    np.testing.assert_allclose(found.separation[matched], apart.min(axis=1)[matched], rtol=1e-6)
    assert np.isinf(found.separation[~matched]).all()


def crowded(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in a field around the pole and across 0 h."""
    return generator.uniform(-0.5, 0.5, n) % 360, 89.5 + generator.uniform(-0.4, 0.4, n)


def test_coincident_and_equally_near_sources() -> None:
    stars = directions(np.array([0.0, 180.0]), np.array([0.0, 0.0]))
    sources = directions(np.array([0.0, 0.0, 180.0, 180.0]), np.array([0.0, 0.0, 1 / 3600, -1 / 3600]))
    ids = np.array([9, 4, 7, 3])
    for blocks in ([(ids, sources)], [(ids[:1], sources[:1]), (ids[1:], sources[1:])], [(ids[::-1], sources[::-1])]):
        found = nearest_sources(stars, blocks, 3.0)
        assert found.source_id.tolist() == [4, 3]
        assert found.separation.tolist() == pytest.approx([0.0, 1.0], abs=1e-9)
        assert found.n_candidates.tolist() == [2, 2]


def test_no_source_at_all() -> None:
    found = nearest_sources(directions(np.array([1.0]), np.array([1.0])), [], 3.0)
    assert (found.source_id.tolist(), found.n_candidates.tolist()) == ([0], [0])

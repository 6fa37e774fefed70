"""Nearest neighbours against comparing all with all."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from catalog.boundary.neighbours import build_index


@pytest.fixture
def points():
    rng = np.random.default_rng(4)
    return (rng.normal(size=(900, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(900, 12))).astype("f4")


def truth(points, queries, k):
    distances = cdist(queries, points)
    order = np.argsort(distances, axis=1)[:, :k]
    return order, np.take_along_axis(distances, order, 1)


def test_exact_search(points):
    index = build_index(points, 20)
    assert index.words == "exact"
    found = index.search(20)
    indices, distances = truth(points, points, 21)
    np.testing.assert_array_equal(found.indices, indices[:, 1:])
    np.testing.assert_allclose(found.distances, distances[:, 1:], rtol=1e-4)


def test_queries_that_are_no_points(points):
    found = build_index(points[:800], 5).search(5, points[800:])
    indices, distances = truth(points[:800], points[800:], 5)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-4)


@pytest.mark.parametrize("recall", [0.9, 0.99])
def test_lists_find_what_they_promise(points, recall):
    index = build_index(points, 20, seed=1, exact_below=0, recall=recall)
    assert 1 < index.n_probed < len(index.centres)
    assert index.recall >= recall
    found, exact = index.search(20), build_index(points, 20).search(20)
    shared = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found.indices, exact.indices, strict=True)])
    assert shared == pytest.approx(index.recall, abs=0.02)
    # Nearest first, never the point itself, never the same twice.
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.indices != np.arange(900)[:, np.newaxis]).all()
    assert all(len(set(row)) == 20 for row in found.indices.tolist())


@pytest.mark.parametrize("exact_below", [0, 10_000])
def test_threads_change_nothing_and_the_seed_is_heeded(points, exact_below, monkeypatch):
    monkeypatch.setattr("catalog.boundary.neighbours._BLOCK_BYTES", 100_000)
    one, two = (
        build_index(points, 20, seed=3, exact_below=exact_below).search(20, workers=workers) for workers in (1, 3)
    )
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.distances, two.distances)
    if exact_below == 0:
        first, second = (build_index(points, 20, seed=seed, exact_below=0).centres for seed in (3, 4))
        assert first.shape != second.shape or not np.array_equal(first, second)


@pytest.mark.parametrize("exact_below", [0, 10_000])
def test_twins_are_each_others_neighbours_at_distance_zero(points, exact_below):
    points = points + 100.0  # far from the origin, where products lose digits
    points[700:] = points[5]
    found = build_index(points, 30, exact_below=exact_below).search(30)
    twins = np.r_[5, 700:900]
    assert np.isin(found.indices[twins], twins).all()
    assert (found.distances[twins] == 0).all()
    assert (found.indices[twins] != twins[:, np.newaxis]).all()


def test_a_star_among_few_gets_all_the_others():
    points = np.eye(6, dtype="f4")
    found = build_index(points, 5).search(5)
    assert [sorted(row) for row in found.indices.tolist()] == [[j for j in range(6) if j != i] for i in range(6)]


def test_lists_with_fewer_stars_than_neighbours_are_joined():
    rng = np.random.default_rng(0)
    # Thirty groups of ten stars, far apart; 25 neighbours are never in one list.
    centres = np.repeat(100.0 * rng.normal(size=(30, 4)), 10, axis=0)
    points = (centres + rng.normal(size=(300, 4))).astype("f4")
    found = build_index(points, 25, exact_below=0, recall=0.3).search(25)
    assert (found.indices >= 0).all()
    assert (found.indices < 300).all()
    assert all(len(set(row)) == 25 for row in found.indices.tolist())


def test_progress_reaches_the_end(points):
    heard = []
    build_index(points, 5).search(5, progress=lambda done, total, what="": heard.append((done, total)))
    assert heard[-1] == (900, 900)

"""Streamed principal components against scikit-learn's."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from catalog.boundary.components import principal_components
from catalog.errors import SampleError


def blocks_of(spectra, size=13, order=None):
    ids = np.arange(len(spectra)) if order is None else order
    return lambda: ((ids[i : i + size], spectra[ids][i : i + size]) for i in range(0, len(ids), size))


@pytest.fixture
def spectra():
    rng = np.random.default_rng(3)
    return (1.0 + rng.normal(size=(60, 5)) @ rng.normal(size=(5, 40)) + 0.01 * rng.normal(size=(60, 40))).astype("f4")


def test_same_as_scikit_learn(spectra):
    ours = principal_components(blocks_of(spectra), 5)
    reference = PCA(5, svd_solver="full").fit(spectra.astype("f8"))
    theirs = reference.transform(spectra.astype("f8"))
    signs = np.sign((ours.scores * theirs).sum(axis=0))
    np.testing.assert_allclose(ours.scores * signs, theirs, atol=1e-4)
    np.testing.assert_allclose(ours.basis.explained, reference.explained_variance_ratio_, rtol=1e-6)


def test_size_of_blocks_changes_nothing_but_rounding(spectra):
    one, many = principal_components(blocks_of(spectra, 60), 4), principal_components(blocks_of(spectra, 7), 4)
    np.testing.assert_allclose(one.scores, many.scores, atol=1e-5)


def test_rows_come_back_in_the_order_of_source_id(spectra):
    shuffled = np.random.default_rng(1).permutation(60)
    result = principal_components(blocks_of(spectra, order=shuffled), 3)
    np.testing.assert_array_equal(result.source_id, np.arange(60))
    np.testing.assert_allclose(result.scores, principal_components(blocks_of(spectra), 3).scores, atol=1e-5)


def test_never_more_components_than_spectra_allow(spectra):
    assert principal_components(blocks_of(spectra[:4]), 50).scores.shape == (4, 3)


def test_no_spectra():
    with pytest.raises(SampleError, match="no spectra"):
        principal_components(lambda: iter(()), 5)


def test_identical_spectra(spectra):
    with pytest.raises(SampleError, match="All 30 spectra are identical"):
        principal_components(blocks_of(np.repeat(spectra[:1], 30, axis=0)), 5)


def test_value_that_is_not_finite_is_named(spectra):
    spectra[17, 3] = np.nan
    with pytest.raises(SampleError, match="source_id 17 "):
        principal_components(blocks_of(spectra), 5)

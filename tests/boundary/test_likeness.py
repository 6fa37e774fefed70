"""t-SNE likeness on small samples whose answer is known."""

import numpy as np
import pytest

from catalog.boundary.likeness import likeness_maps, map_settings, n_neighbours, usable_perplexities
from catalog.boundary.neighbours import build_index
from catalog.boundary.placement import training_distances
from catalog.errors import SampleError
from catalog.profiles.model import LikenessSettings

QUICK = LikenessSettings(perplexities=(5, 8, 10, 12), early_exaggeration_iter=100, n_iter=150, quantile=0.95, seed=11)


def clouds(n_training=60, n_alike=60, n_odd=40, seed=5):
    """Training stars, observed stars from the same cloud, and a cloud of others far away."""
    rng = np.random.default_rng(seed)
    odd = rng.normal(size=(n_odd, 6))
    odd[:, 0] += 30.0
    scores = np.vstack([rng.normal(size=(n_training + n_alike, 6)), odd]).astype(np.float32)
    return scores, np.arange(len(scores)) < n_training


def neighbours_of(scores, settings=QUICK):
    k = n_neighbours(settings.perplexities)
    return build_index(scores, k).search(k)


def maps_of(scores, training, settings=QUICK, perplexities=None, **options):
    perplexities = settings.perplexities if perplexities is None else perplexities
    found = likeness_maps(scores, training, neighbours_of(scores, settings), settings, perplexities, **options)
    return {each.perplexity: each for each in found}


def test_a_cloud_without_training_stars_is_unlike_in_every_map():
    scores, training = clouds()
    maps = maps_of(scores, training)
    assert sorted(maps) == [5, 8, 10, 12]
    odd = np.arange(len(scores)) >= 120
    for each in maps.values():
        assert not each.like[odd].any()
        assert each.like[~odd & ~training].mean() > 0.8
        # The threshold is the quantile of the training stars' own distances.
        assert each.like[training].mean() == pytest.approx(QUICK.quantile, abs=1.5 / training.sum())
        assert (each.like == (each.distance <= np.float32(each.threshold))).all()


def test_same_seed_same_maps_whatever_the_number_of_workers():
    scores, training = clouds()
    one, two = maps_of(scores, training, workers=1), maps_of(scores, training, workers=2)
    for perplexity, each in one.items():
        np.testing.assert_array_equal(each.positions, two[perplexity].positions)
        np.testing.assert_array_equal(each.like, two[perplexity].like)
    other = maps_of(scores, training, QUICK.model_copy(update={"seed": 12}))
    assert not np.array_equal(one[5].positions, other[5].positions)


def test_one_map_does_not_depend_on_which_others_are_computed():
    scores, training = clouds()
    alone = maps_of(scores, training, perplexities=(8,))
    assert list(alone) == [8]
    np.testing.assert_array_equal(alone[8].positions, maps_of(scores, training)[8].positions)


def test_duplicated_spectra():
    scores, training = clouds(n_odd=0)
    # Thirty copies of one spectrum are more than the neighbours of perplexity 8.
    scores[50:80] = scores[50]
    for each in maps_of(scores, training).values():
        assert np.isfinite(each.positions).all()
        assert np.isfinite(each.distance).all()
        assert each.like[training].any()


def test_interpolated_gradient_of_large_samples(monkeypatch):
    scores, training = clouds()
    monkeypatch.setattr("catalog.boundary.likeness.BARNES_HUT_BELOW", 100)
    settings = QUICK.model_copy(update={"early_exaggeration_iter": 30, "n_iter": 30})
    (fft,) = maps_of(scores, training, settings, perplexities=(12,)).values()
    assert not fft.like[120:].any()
    assert np.isfinite(fft.kl)


def test_progress_reaches_the_end():
    scores, training = clouds()
    heard = []
    maps_of(scores, training, progress=lambda done, total, what="": heard.append((done, total)))
    assert heard[-1] == (4 * 250, 4 * 250)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_interruption_ends_all_maps():
    scores, training = clouds()

    def interrupt(done, total, what=""):
        if done:
            raise KeyboardInterrupt

    # Ten million iterations: only maps that are told to stop let this end.
    endless = QUICK.model_copy(update={"n_iter": 10**7})
    found = likeness_maps(
        scores, training, neighbours_of(scores), endless, endless.perplexities, workers=2, progress=interrupt
    )
    with pytest.raises(KeyboardInterrupt):
        list(found)


@pytest.mark.parametrize(
    ("n_stars", "n_training", "message"),
    [(7, 5, "at least 8 stars; the sample has 7"), (301, 1, "at least 2 training stars; there are 1")],
)
def test_too_small_a_sample(n_stars, n_training, message):
    with pytest.raises(SampleError, match=message) as error:
        usable_perplexities(n_stars, n_training, (30, 50, 75, 100))
    assert "cuts" in error.value.remedy


@pytest.mark.parametrize(
    ("n_stars", "perplexities"),
    [(301, (30, 50, 75, 100)), (300, (30, 50, 75, 99)), (200, (30, 50, 66)), (91, (30,)), (8, (2,))],
)
def test_perplexities_that_a_small_sample_allows(n_stars, perplexities):
    assert usable_perplexities(n_stars, 2, (30, 50, 75, 100)) == perplexities


def test_smallest_sample_has_a_map():
    scores, training = clouds(n_training=3, n_alike=5, n_odd=0)
    (only,) = maps_of(scores, training, QUICK.model_copy(update={"perplexities": (2,)})).values()
    assert np.isfinite(only.positions).all()
    assert np.isfinite(only.placed_distance).all()


def test_placed_stars_tell_the_same_of_a_cloud_far_away():
    scores, training = clouds()
    for each in maps_of(scores, training).values():
        like = each.placed_distance <= np.float32(each.placed_threshold)
        assert not like[120:].any()
        assert like[60:120].mean() > 0.8
        assert like[training].mean() == pytest.approx(QUICK.quantile, abs=1.5 / training.sum())


def test_distance_to_the_nearest_other_training_star():
    positions = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 0.0], [0.0, 1.0], [10.0, 0.0]])
    training = np.array([True, True, True, False, False])
    np.testing.assert_allclose(training_distances(positions, training), [3.0, 0.0, 0.0, 1.0, 7.0])


def test_settings_tell_all_that_determines_the_maps():
    recorded = map_settings(QUICK, 500, np.array([0.5, 0.25]), "exact")
    assert recorded["seed"] == 11
    assert recorded["n_iter"] == 150
    assert recorded["early_exaggeration_iter"] == 100
    assert recorded["explained_variance"] == 0.75
    assert (recorded["neighbours"], recorded["perplexities"]) == ("exact", [5, 8, 10, 12])
    assert recorded["gradient"] == "barnes-hut"
    assert map_settings(QUICK, 10_000, np.array([1.0]), "exact")["gradient"] == "fft"
    assert {"openTSNE", "numpy", "scikit-learn", "scipy"} <= recorded.keys()

"""Variants judged side by side: parts of the sample, dispersions, confused stars."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.registry.artefact import read_training
from catalog.ensemble.registry.comparing import compare_ensembles
from catalog.ensemble.registry.listing import ListedEnsemble
from catalog.ensemble.variants import SUBSETS, VARIANTS, Subset, study_variants, title_of, variant_run
from catalog.errors import ArtefactError
from catalog.metadata import LABELS
from catalog.profiles.model import NetworkSettings


def test_parts_of_the_sample_share_it_out() -> None:
    rng = np.random.default_rng(2)
    low, high = np.array([3500, 0, -2.5, -0.2, -2.5]), np.array([7000, 5, 0.6, 0.5, 0.6])
    labels = np.vstack([rng.uniform(low, high, (3000, 5)), [[6200, 4, 0, 0, 0], [5000, 3.5, -1, 0, -1]]])
    for kind in ("kiel", "metallicity"):
        assert (sum(subset.holds(labels).astype(int) for subset in SUBSETS if subset.kind == kind) == 1).all()
    assert SUBSETS[0].holds(labels).all()
    assert len({subset.name for subset in SUBSETS}) == len(SUBSETS)
    # A limit belongs to what is above it.
    held = {subset.name for subset in SUBSETS if subset.holds(labels)[-2]}
    assert held == {"all", "hot stars, Teff ≥ 6200 K", "[M/H] ≥ 0"}


def test_variants_are_named_as_their_networks(run: Run) -> None:
    for variant in VARIANTS:
        other = variant_run(run, variant)
        assert other.profile.network.variant == variant.name
        assert other.run_id == run.run_id
        assert title_of(other.profile.network) == variant.title
        # All else is the run's, also where a variant of a variant is asked for.
        whole = NetworkSettings.model_validate(other.profile.network.model_dump(exclude={"inputs", "scalars"}))
        assert whole == run.profile.network
        assert variant_run(other, VARIANTS[0]) == variant_run(run, VARIANTS[0])
    assert title_of(run.profile.network) == "All inputs"


def test_ensembles_are_judged_on_the_same_stars(pair: list[ListedEnsemble]) -> None:
    study = study_variants(3, "dr3", [("All inputs", pair[0]), ("RVS", pair[1])])
    assert len(study.source_id) == 40
    counts = {subset.name: n for subset, n in study.subsets}
    assert counts["all"] == 40
    for kind in ("kiel", "metallicity"):
        assert sum(n for subset, n in study.subsets if subset.kind == kind) == 40
    comparison = compare_ensembles(*pair)
    for each, listed in zip(study.variants, pair, strict=True):
        # The whole sample has the figures that the registry knows.
        for kind, metrics in listed.metrics.items():
            for label in LABELS:
                found = each.metrics["all"][kind][label.name]
                for name in ("n", "bias", "dispersion", "coverage_1", "coverage_2"):
                    assert found[name] == pytest.approx(metrics[label.name][name], rel=1e-4, abs=1e-4)
    for label in LABELS:
        expected = comparison.ratio("out_of_fold", label.name)
        assert study.ratio(study.variants[1], label.name) == pytest.approx(expected, rel=1e-4)
    # A part of the sample, by hand.
    subset = next(subset for subset, n in study.subsets if 5 < n < 35)
    kept, unseen = read_training(pair[1].path), study.variants[1].unseen
    inside = subset.holds(kept["labels"]) & np.isfinite(unseen[:, 2])
    found = study.variants[1].metrics[subset.name]["out_of_fold"]["mh"]
    assert found["n"] == inside.sum() > 0
    assert found["dispersion"] == pytest.approx((unseen - kept["labels"])[inside, 2].std())
    facts = json.loads(json.dumps(study.as_dict(), allow_nan=False))
    assert [each["inputs"] for each in facts["variants"]] == [["spectrum", "scalars", "xp"], ["spectrum"]]


def test_cool_stars_of_the_wrong_kind_are_counted(pair: list[ListedEnsemble], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = read_training(pair[0].path)
    kept["labels"][:, 0] = np.where(np.arange(40) < 30, 4500.0, 5500.0)
    kept["validation"][:] = False
    kept["validation"][0, :20] = True
    kept["predictions"] = np.repeat(kept["labels"][np.newaxis], 2, axis=0)
    # Three dwarfs become giants, one of them not seen to be so; a warm star does not count, nor does a member that has
    # seen the star.
    kept["predictions"][0, :2, 1] += 1.5
    kept["predictions"][0, 2, 1] += 0.9
    kept["predictions"][0, 35, 1] += 1.5
    kept["predictions"][1, 5, 1] += 1.5
    monkeypatch.setattr("catalog.ensemble.variants.study.read_training", lambda _: kept)
    study = study_variants(1, "dr3", [("", pair[0])], [Subset("all", "sample")])
    assert (study.variants[0].confusion.n, study.variants[0].confusion.n_confused) == (20, 2)


def test_ensembles_of_other_stars_cannot_be_compared(
    pair: list[ListedEnsemble], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = read_training(pair[0].path)

    def read(path: Path) -> dict[str, np.ndarray]:
        return kept if path == pair[0].path else {**kept, "source_id": kept["source_id"] + 1}

    monkeypatch.setattr("catalog.ensemble.variants.study.read_training", read)
    with pytest.raises(ArtefactError, match="trained on other stars than the first"):
        study_variants(1, "dr3", [("", pair[0]), ("", pair[1])])
    monkeypatch.undo()
    with pytest.raises(ArtefactError, match="not the one that was recorded"):
        study_variants(1, "dr3", [("", pair[0]), ("", replace(pair[1], folder="altered"))])

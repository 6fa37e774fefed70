import json

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.registry.artefact import read_training
from catalog.ensemble.registry.comparing import compare_ensembles, read_known_stars
from catalog.ensemble.registry.listing import ListedEnsemble, list_ensembles, read_manifest
from catalog.ensemble.stage import train_ensemble
from catalog.errors import ArtefactError
from catalog.metadata import LABELS
from catalog.settings import Settings


def test_two_ensembles_stand_side_by_side(pair: list[ListedEnsemble]) -> None:
    first, second = pair
    found = compare_ensembles(first, second)
    assert found.settings == {"network.inputs": (["spectrum", "scalars", "xp"], ["spectrum"])}
    assert (found.first.variant, found.second.variant) == ("full", "rvs")
    for kind, metrics in found.metrics.items():
        for label, figures in metrics.items():
            assert figures["dispersion"] == tuple(each.metrics[kind][label]["dispersion"] for each in pair)
            assert found.ratio(kind, label) == pytest.approx(figures["dispersion"][1] / figures["dispersion"][0])
    # Both have the same splits of the same 40 stars, so the same stars are out of fold.
    common = found.common
    assert (common.n, common.n_compared) == (40, second.metrics["out_of_fold"]["teff"]["n"])
    for label in LABELS:
        expected = tuple(each.metrics["out_of_fold"][label.name]["dispersion"] for each in pair)
        assert common.dispersion[label.name] == pytest.approx(expected, rel=1e-5)
    stars = [read_known_stars(each, read_manifest(each)) for each in pair]
    difference = (stars[1].predicted - stars[0].predicted)[:, 1]
    mean, spread = np.nanmean(difference), np.nanstd(difference)
    assert common.difference["logg"] == pytest.approx((mean, spread))
    # As JSON holds it, without numbers that are none.
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["ratio"]["out_of_fold"]["feh"] > 0


def test_only_stars_of_both_are_compared(
    connection: psycopg.Connection, run: Run, settings: Settings, pair: list[ListedEnsemble]
) -> None:
    # A quarter of the sample goes, and one star has another label now.
    connection.execute(
        "UPDATE production.sample_star SET role = 'observed' WHERE (run_id, source_id) IN (SELECT run_id, source_id "
        "FROM production.sample_star WHERE role = 'training' ORDER BY source_id LIMIT 10)"
    )
    star = connection.execute(
        "UPDATE survey.apogee_star SET teff = teff + 1 WHERE (file_id, row_number) = (SELECT apogee_file_id, "
        "apogee_row FROM production.sample_star WHERE role = 'training' ORDER BY source_id DESC LIMIT 1) RETURNING 1"
    ).fetchone()
    assert star == (1,)
    connection.commit()
    train_ensemble(connection, run, settings)
    smaller = list_ensembles(connection, settings)[-1]
    assert smaller.n_training == 30
    common = compare_ensembles(pair[0], smaller).common
    assert common.n == 30
    before, after = read_known_stars(pair[0], read_manifest(pair[0])), read_known_stars(smaller, read_manifest(smaller))
    unseen = [set(each.source_id[np.isfinite(each.predicted[:, 0])]) for each in (before, after)]
    assert common.n_compared == len((unseen[0] & unseen[1]) - {int(after.source_id[-1])}) > 0
    assert compare_ensembles(smaller, pair[0]).common.n_compared == common.n_compared


def test_no_star_in_common_is_no_failure(pair: list[ListedEnsemble], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = read_training(pair[1].path)
    monkeypatch.setattr(
        "catalog.ensemble.registry.comparing.read_training",
        lambda path: {**kept, "source_id": kept["source_id"] + (10**6 if path == pair[1].path else 0)},
    )
    common = compare_ensembles(*pair).common
    assert (common.n, common.n_compared, common.dispersion) == (0, 0, {})


def test_a_damaged_ensemble_is_not_compared(pair: list[ListedEnsemble]) -> None:
    (pair[1].path / "training.npz").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"training\.npz has been altered"):
        compare_ensembles(*pair)

"""The study of sensitivity on untrained networks: regions, rows, skipping and resuming."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run, StageResult
from catalog.ensemble.backend import quiet
from catalog.ensemble.network import INPUTS
from catalog.ensemble.prediction.loading import load_ensemble, scaled_inputs
from catalog.ensemble.runtimes.keras import KerasRuntime
from catalog.ensemble.stage import train_ensemble
from catalog.ensemble.studies import every_member
from catalog.ensemble.studies.averaging import mean_gradients
from catalog.ensemble.studies.gradients import jacobian
from catalog.ensemble.studies.regions import draw_regions, rule_of
from catalog.ensemble.studies.stage import study_ensemble
from catalog.errors import DatabaseError, NotFoundError
from catalog.features import FeatureBlock, load_training_set
from catalog.metadata import LABELS
from catalog.profiles.model import RegionSettings, SensitivitySettings, StudySettings
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.features.sky import Sky, make_sky, store_sky

REGIONS = {
    "cool giants": RegionSettings(teff=(3000, 5000), logg=(0, 3)),
    "everything": RegionSettings(),
    "hot": RegionSettings(teff=(20_000, 30_000)),
}


def with_settings(run: Run, **changes: Any) -> Run:
    sensitivity = SensitivitySettings(**{"regions": REGIONS, "stars": 30, **changes})
    studies = StudySettings(names=("sensitivity",), sensitivity=sensitivity)
    return replace(run, profile=run.profile.model_copy(update={"studies": studies}))


@dataclass
class Ground:
    """A run with a sky and an ensemble."""

    connection: psycopg.Connection
    run: Run
    settings: Settings
    sky: Sky

    def study(self, run: Run | None = None) -> StageResult:
        return study_ensemble(self.connection, run or self.run, self.settings)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


@pytest.fixture
def ground(connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess) -> Ground:
    sky = make_sky(60, 20)
    store_sky(connection, run, sky)
    train_ensemble(connection, run, settings)
    return Ground(connection, with_settings(run), settings, sky)


def test_regions_hold_the_training_stars_within_their_limits(ground: Ground) -> None:
    training = ground.sky.role == "training"
    teff, logg = ground.sky.labels[:, 0], ground.sky.labels[:, 1]
    cool = training & (teff <= 5000) & (logg <= 3)
    found = draw_regions(ground.connection, ground.run, REGIONS, 30, 1)
    assert [region.n_found for region in found] == [cool.sum(), 40, 0]
    assert [len(region.source_id) for region in found] == [cool.sum(), 30, 0]
    assert set(found[0].source_id) == set(ground.sky.source_id[cool])
    assert set(found[1].source_id) < set(ground.sky.source_id[training])
    again = draw_regions(ground.connection, ground.run, REGIONS, 10, 1)
    np.testing.assert_array_equal(again[1].source_id, found[1].source_id[:10])
    other = draw_regions(ground.connection, ground.run, REGIONS, 30, 2)
    assert set(other[1].source_id) != set(found[1].source_id)
    assert rule_of(REGIONS["cool giants"]) == "3000 <= teff <= 5000, 0 <= logg <= 3"
    assert rule_of(REGIONS["everything"]) == "every training star"


def test_gradients_are_means_over_stars_and_members(ground: Ground) -> None:
    result = ground.study()
    assert result.counts["done"] == 1
    assert result.counts["sensitivity/regions"] == 2
    assert result.counts["sensitivity/members"] == 2
    assert any("'hot' (20000 <= teff <= 30000)" in note for note in result.notes)
    assert any("With the mean spectrum" in note for note in result.notes)
    assert not list(ground.settings.ensembles.glob(".*"))
    regions = ground.rows(
        "SELECT region, n_found, n_stars, labels, flux FROM production.sensitivity_region ORDER BY position"
    )
    assert [row[0] for row in regions] == list(REGIONS)
    assert regions[2][1:] == (0, 0, None, None)
    assert regions[1][1:3] == (40, 30)

    folder = next(ground.settings.ensembles.iterdir())
    ensemble = load_ensemble(folder, threads=1)
    stars = load_training_set(ground.connection, ground.run)
    chosen = np.isin(stars.source_id, draw_regions(ground.connection, ground.run, REGIONS, 30, 2024)[0].source_id)
    block = FeatureBlock(stars.source_id[chosen], stars.flux[chosen], stars.scalars[chosen], stars.xp[chosen])
    np.testing.assert_allclose(regions[0][3], stars.labels[chosen].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(regions[0][4], block.flux.mean(axis=0), rtol=1e-5)

    # The same by hand: member by member and star by star.
    runtime = cast(KerasRuntime, ensemble.predictor.runtime)
    inputs = scaled_inputs(block, ensemble.scalers, INPUTS)
    by_hand = []
    for weights in runtime.members:
        runtime.network.set_weights(weights)
        by_hand.append(quiet()(jacobian(runtime.network))(inputs))
    extent = ensemble.scalers.labels.maximum - ensemble.scalers.labels.minimum
    for which, name in enumerate(INPUTS):
        members = np.array([parts[which].mean(axis=0) for parts in by_hand]) * extent[:, None]
        if name == "xp":
            members[:, :, [0, 55]] = 0.0
        for i, label in enumerate(LABELS):
            n_stars, n_members, gradient, scatter = ground.rows(
                f"SELECT n_stars, n_members, gradient, scatter FROM production.sensitivity "
                f"WHERE region = 'cool giants' AND label = '{label.name}' AND input = '{name}'"
            )[0]
            assert (n_stars, n_members) == (chosen.sum(), 2)
            tolerance = 1e-5 * np.abs(members[:, i]).max()
            np.testing.assert_allclose(gradient, members[:, i].mean(axis=0), rtol=1e-4, atol=tolerance)
            np.testing.assert_allclose(scatter, members[:, i].std(axis=0), rtol=1e-4, atol=tolerance)

    # And in units that are told: parallaxes that rise by a thousandth of their range.
    parallax = ensemble.scalers.scalars.maximum[3] - ensemble.scalers.scalars.minimum[3]
    moved = replace(block, scalars=block.scalars + np.array([0.0, 0.0, 0.0, 1e-3 * parallax]))
    change = (ensemble.predict(moved) - ensemble.predict(block)).mean(axis=(0, 1)) / 1e-3
    ((found,),) = ground.rows(
        "SELECT gradient[4] FROM production.sensitivity WHERE region = 'cool giants' AND label = 'teff' "
        "AND input = 'scalars'"
    )
    assert found == pytest.approx(change[0], rel=0.02)

    # What is the same for every star, the networks cannot have learnt from.
    constant = ground.rows("SELECT gradient[1], gradient[56] FROM production.sensitivity WHERE input = 'xp'")
    assert set(constant) == {(0.0, 0.0)}


def test_influence_is_what_labels_change_by(ground: Ground) -> None:
    ground.study()
    folder = next(ground.settings.ensembles.iterdir())
    ensemble = load_ensemble(folder, threads=1)
    stars = load_training_set(ground.connection, ground.run)
    chosen = np.isin(stars.source_id, draw_regions(ground.connection, ground.run, REGIONS, 30, 2024)[1].source_id)
    block = FeatureBlock(stars.source_id[chosen], stars.flux[chosen], stars.scalars[chosen], stars.xp[chosen])
    flat = replace(block, flux=np.tile(stars.flux.mean(axis=0), (len(block), 1)))
    change = (ensemble.predict(flat) - ensemble.predict(block)).mean(axis=0)
    expected = np.sqrt((change**2).mean(axis=0))
    for label, value in zip(LABELS, expected, strict=True):
        ((found,),) = ground.rows(
            f"SELECT influence FROM production.sensitivity WHERE region = 'everything' AND label = '{label.name}' "
            "AND input = 'spectrum'"
        )
        assert found == pytest.approx(value, rel=1e-3)


def test_correlations_and_peaks_are_written(ground: Ground) -> None:
    result = ground.study()
    rows = ground.rows("SELECT label, n_stars, names, pearson, spearman FROM production.xp_correlation ORDER BY label")
    assert [row[0] for row in rows] == sorted(label.name for label in LABELS)
    assert {(row[1], len(row[3]), row[2][0], row[2][-1]) for row in rows} == {(40, 110, "bp_1", "rp_55")}
    assert all(row[3][0] is None and row[4][55] is None for row in rows)
    teff = dict(zip(rows[-1][2], rows[-1][3], strict=True))
    stars = load_training_set(ground.connection, ground.run)
    assert teff["bp_2"] == pytest.approx(np.corrcoef(stars.xp[:, 1], stars.labels[:, 0])[0, 1], abs=1e-5)
    peaks = ground.rows("SELECT count(*), count(line), max(rank) FROM production.sensitivity_peak")
    assert peaks == [(result.counts["sensitivity/peaks"], result.counts["sensitivity/peaks_on_lines"], 20)]


def test_a_study_is_made_once_for_an_ensemble_and_its_settings(ground: Ground) -> None:
    first = ground.study()
    assert (first.counts["done"], first.counts["known"]) == (1, 0)
    written = ground.rows("SELECT created_at, settings_key FROM production.study")
    again = ground.study()
    assert (again.counts["done"], again.counts["known"]) == (0, 1)
    assert again.counts["sensitivity/peaks"] == first.counts["sensitivity/peaks"]
    assert ground.rows("SELECT created_at, settings_key FROM production.study") == written
    other = ground.study(with_settings(ground.run, regions={"everything": RegionSettings()}, stars=5))
    assert other.counts["done"] == 1
    assert ground.rows("SELECT count(*), min(region) FROM production.sensitivity_region") == [(1, "everything")]
    assert ground.rows("SELECT count(*) FROM production.sensitivity") == [(15,)]
    assert ground.rows("SELECT count(*) FROM production.study") == [(1,)]
    # Neither the run nor the ensemble is another one for that.
    assert with_settings(ground.run, stars=5).profile.key == ground.run.profile.key


def test_a_stopped_study_goes_on_with_the_missing_members(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.study()
    gradients = "SELECT region, label, input, gradient, scatter FROM production.sensitivity ORDER BY 1, 2, 3"
    expected = ground.rows(gradients)
    ground.connection.execute("DELETE FROM production.study")
    ground.connection.execute("DELETE FROM production.sensitivity_region")
    ground.connection.commit()

    calls: list[int] = []

    def stops_at_the_second(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return mean_gradients(*arguments)

    monkeypatch.setattr(every_member, "mean_gradients", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        ground.study()
    ground.connection.rollback()
    assert ground.rows("SELECT count(*) FROM production.study") == [(0,)]
    result = ground.study()
    assert len(calls) == 3
    assert any("1 members had been done before" in note for note in result.notes)
    assert ground.rows(gradients) == expected
    assert not list(ground.settings.ensembles.glob(".*"))


def test_regions_without_any_star_are_reported(ground: Ground) -> None:
    result = ground.study(with_settings(ground.run, regions={"hot": REGIONS["hot"]}))
    assert result.counts["sensitivity/regions"] == 0
    assert result.counts["sensitivity/peaks"] == 0
    assert any("No training star lies in the region 'hot'" in note for note in result.notes)
    assert ground.rows("SELECT count(*) FROM production.xp_correlation") == [(5,)]


def test_gradients_next_to_zero_can_be_written(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"scalars": 1e-60, "xp": 1.0, "spectrum": 1e-42}
    monkeypatch.setattr(
        every_member,
        "mean_gradients",
        lambda *arguments: {name: tiny[name] * part for name, part in mean_gradients(*arguments).items()},
    )
    ground.study()
    assert ground.rows("SELECT count(*) FROM production.sensitivity WHERE input = 'scalars'") == [(10,)]


def test_two_processes_do_not_study_one_ensemble(ground: Ground) -> None:
    ((ensemble_id,),) = ground.rows("SELECT ensemble_id FROM production.ensemble")
    assert ground.settings.database_url is not None
    with psycopg.connect(ground.settings.database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(20240350, %s)", (ensemble_id,))
        with pytest.raises(DatabaseError, match="Another process"):
            ground.study()
    ground.study()


def test_without_an_ensemble_there_is_nothing_to_study(
    connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    store_sky(connection, run, make_sky(60, 20))
    with pytest.raises(NotFoundError, match="rvscat train"):
        study_ensemble(connection, with_settings(run), settings)

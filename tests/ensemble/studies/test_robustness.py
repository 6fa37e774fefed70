"""The study against labels whose answers are known, and against prediction by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.ensemble import load_ensemble
from catalog.ensemble.prediction.loading import combine
from catalog.ensemble.stage import train_ensemble
from catalog.ensemble.studies import degrade
from catalog.ensemble.studies.responses import Response, first_beyond
from catalog.ensemble.studies.robustness import study_robustness
from catalog.ensemble.uncertainty import fit_dispersions
from catalog.features import FeatureBlock, continuum_pixels, normalise_xp, repair_flux
from catalog.metadata import LABELS
from catalog.profiles.model import RegionSettings, RobustnessSettings, UncertaintySettings
from catalog.progress import silent
from catalog.releases import load_release
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.features.sky import Sky, make_sky, store_sky

N_PIXELS = 2401
SNR = 100.0


@pytest.fixture
def sky(connection: psycopg.Connection, run: Run) -> Sky:
    """Forty training stars of S/N 100 with flux errors; the first half of them are giants."""
    sky = make_sky(50, 10)
    training = np.flatnonzero(sky.role == "training")
    sky.labels[training, 1] = np.where(np.arange(len(training)) < 20, 2.0, 4.0)
    n = len(sky.source_id)
    sky.gaia["rvs_spec_sig_to_noise"] = np.full(n, SNR)
    store_sky(connection, run, sky)
    store_errors(connection, run, sky, np.full((n, N_PIXELS), 1.0 / SNR, dtype=np.float32))
    return sky


def store_errors(connection: psycopg.Connection, run: Run, sky: Sky, error: np.ndarray) -> None:
    row = connection.execute("SELECT min(file_id) FROM production.ingest_file").fetchone()
    assert row is not None
    n = len(sky.source_id)
    columns = {"release": [run.release] * n, "source_id": sky.source_id, "flux_error": error}
    copy_in(connection, "survey.rvs_spectrum_error", {**columns, "file_id": np.full(n, row[0])})
    connection.commit()


def with_settings(run: Run, **settings: Any) -> Run:
    classes = {"giants": RegionSettings(logg=(0.0, 3.0)), "dwarfs": RegionSettings(logg=(3.5, 5.0))}
    nothing: dict[str, Any] = dict.fromkeys(("velocities", "snr", "vsini", "tilt", "missing"), ())
    wanted = RobustnessSettings(**{"regions": classes, "realisations": 5, **nothing, **settings})
    studies = run.profile.studies.model_copy(update={"robustness": wanted})
    return Run(run.run_id, run.key, run.release, run.profile.model_copy(update={"studies": studies}), run.status)


@pytest.fixture
def ensemble_id(connection: psycopg.Connection, run: Run) -> int:
    row = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (%s, %s, %s, 'nowhere', 'complete', 2, 40, '{}') RETURNING ensemble_id",
        ("0" * 64, run.run_id, run.release),
    ).fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two members whose labels are read off the spectrum: mean flux, a pixel in the middle, the last one, sizes."""

    def predict(block: FeatureBlock) -> np.ndarray:
        flux = block.flux.astype(np.float64)
        scalars = block.scalars[:, 0] + block.xp[:, 1]
        labels = np.column_stack([1e4 * flux.mean(axis=1), flux[:, 1200], flux[:, -1], flux[:, 0], scalars])
        return np.stack([labels - 0.25, labels + 0.25])

    reference = np.tile(np.linspace(0.0, 1.0, 50)[:, None], (1, 5))
    fits = fit_dispersions(reference, reference + np.tile([[3.0], [-3.0]], (25, 5)), UncertaintySettings(n_bins=4))
    manifest = SimpleNamespace(uncertainty={"fits": {fit.label: fit.model_dump() for fit in fits}})
    ensemble = SimpleNamespace(
        session=lambda: predict, n_members=2, manifest=manifest, predictor=SimpleNamespace(notes=["by hand"])
    )
    monkeypatch.setattr("catalog.ensemble.studies.robustness.load_ensemble", lambda *_, **__: ensemble)
    return ensemble


def study(connection: psycopg.Connection, run: Run, ensemble_id: int, settings: Settings) -> dict[str, Any]:
    return study_robustness(connection, run, ensemble_id, Path("nowhere"), settings, silent)


def rows_of(connection: psycopg.Connection, experiment: str, label: str) -> dict[tuple[str, float], Response]:
    rows = connection.execute(
        f"SELECT {', '.join(Response._fields)} FROM production.response WHERE experiment = %s AND label = %s",
        (experiment, label),
    ).fetchall()
    return {(row[3], row[1]): Response(*row) for row in rows}


def training(sky: Sky) -> np.ndarray:
    return np.flatnonzero(sky.role == "training")


def test_each_star_is_its_own_control(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, ensemble_id: int, plain: Any
) -> None:
    told: list[tuple[float, float, str]] = []
    given = with_settings(run, tilt=(10.0, -10.0, 10.0), missing=(N_PIXELS, 1), velocities=(0.0,))
    found = study_robustness(connection, given, ensemble_id, Path(), settings, lambda *what: told.append(what))
    giants, dwarfs = training(sky)[:20], training(sky)[20:]
    assert (found["stars"], found["stars/giants"], found["stars/dwarfs"]) == (40, 20, 20)
    # The control, no shift, two tilts, and five places of each of two runs.
    assert found["spectra"] == 40 * (1 + 1 + 2 + 5 * 2)
    assert told[-1][:2] == (found["spectra"], found["spectra"])
    tilted = rows_of(connection, "tilt", "mh")
    assert set(tilted) == {("giants", -10.0), ("giants", 10.0), ("dwarfs", -10.0), ("dwarfs", 10.0)}
    for name, stars in (("giants", giants), ("dwarfs", dwarfs)):
        change = 0.1 * sky.flux[stars, -1]
        row = tilted[name, 10.0]
        assert (row.n, row.unit, row.unusable) == (20, "%", 0.0)
        assert row.bias == pytest.approx(change.mean(), rel=1e-4)
        assert row.dispersion == pytest.approx(change.std(ddof=1), rel=1e-2)
        assert row.e == pytest.approx(0.25)
        assert row.sigma == pytest.approx(np.hypot(0.25, 3.0), rel=1e-3)
        assert tilted[name, -10.0].bias == pytest.approx(-row.bias, rel=1e-4)
    # Magnitudes, parallax and coefficients stay as they are.
    assert {row.bias for row in rows_of(connection, "tilt", "feh").values()} == {0.0}
    # Production fills a missing pixel with the continuum level: the first three were, before and after.
    (shifted, *_) = rows_of(connection, "velocity", "alpham").values()
    assert (shifted.bias, shifted.dispersion) == (0.0, 0.0)
    nothing_left = rows_of(connection, "missing", "teff")["giants", float(N_PIXELS)]
    assert (nothing_left.n, nothing_left.unusable, nothing_left.bias) == (0, 1.0, None)
    control = rows_of(connection, "observed", "teff")
    assert set(control) == {("giants", 0.0), ("dwarfs", 0.0)}
    assert "by hand" in found["notes"]
    assert not any("hardly" in note for note in found["notes"])
    deaf = study(connection, with_settings(run, velocities=(0.0,)), ensemble_id, settings)
    assert any("these networks hardly look at the RVS spectrum" in note for note in deaf["notes"])


def test_noise_is_that_of_its_level(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, ensemble_id: int, plain: Any
) -> None:
    stars = training(sky)
    poor = sky.source_id[stars[:5]].tolist()
    connection.execute("UPDATE survey.gaia_source SET rvs_spec_sig_to_noise = 74 WHERE source_id = ANY(%s)", (poor,))
    given = with_settings(run, snr=(50.0, 10.0, 400.0), snr_margin=1.5)
    first = study(connection, given, ensemble_id, settings)
    rows = rows_of(connection, "noise", "logg")
    # Five giants are not good enough for the first level, nobody is for the last.
    assert {key: row.n for key, row in rows.items()} == {
        ("giants", 50.0): 15, ("giants", 10.0): 20, ("dwarfs", 50.0): 20, ("dwarfs", 10.0): 20,
    }  # fmt: skip
    for level in (50.0, 10.0):
        expected = np.sqrt(1.0 / level**2 - 1.0 / SNR**2)
        assert rows["dwarfs", level].dispersion == pytest.approx(expected, rel=0.2)
        assert abs(rows["dwarfs", level].bias) < 4.0 * expected / np.sqrt(100)
    # The same draws at every level, and another time.
    ratio = rows["dwarfs", 10.0].dispersion / rows["dwarfs", 50.0].dispersion
    assert ratio == pytest.approx(np.sqrt((10**2 - 1) / (2**2 - 1)), rel=1e-4)
    assert study(connection, given, ensemble_id, settings) == first
    assert rows_of(connection, "noise", "logg") == rows
    study(connection, with_settings(run, snr=(50.0, 10.0), seed=1), ensemble_id, settings)
    assert rows_of(connection, "noise", "logg")["dwarfs", 10.0].bias != rows["dwarfs", 10.0].bias


def test_stars_that_cannot_be_used(
    connection: psycopg.Connection, run: Run, settings: Settings, ensemble_id: int, plain: Any
) -> None:
    sky = make_sky(50, 10)
    stars = training(sky)
    sky.labels[stars, 1] = 2.0
    n = len(sky.source_id)
    sky.gaia["rvs_spec_sig_to_noise"] = np.full(n, SNR)
    sky.bp[stars[0], 0] = 0.0
    sky.flux[stars[1]] = np.nan
    error = np.full((n, N_PIXELS), 0.01, dtype=np.float32)
    error[stars[2]] = np.nan
    store_sky(connection, run, sky)
    store_errors(connection, run, sky, error)
    connection.execute("DELETE FROM survey.rvs_spectrum_error WHERE source_id = %s", (int(sky.source_id[stars[3]]),))
    found = study(connection, with_settings(run, snr=(20.0,), vsini=(10.0,)), ensemble_id, settings)
    assert (found["stars"], found["stars/dwarfs"]) == (37, 0)
    assert rows_of(connection, "noise", "teff")["giants", 20.0].n == 36
    assert rows_of(connection, "rotation", "teff")["giants", 10.0].n == 37
    assert any("2 stars left out: inputs that the network cannot use" in note for note in found["notes"])
    assert any("class 'dwarfs'" in note for note in found["notes"])


def test_a_class_takes_its_best_stars_and_no_class_takes_none(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, ensemble_id: int, plain: Any
) -> None:
    best = training(sky)[[3, 7, 31]]
    ids = sky.source_id[best].tolist()
    connection.execute("UPDATE survey.gaia_source SET rvs_spec_sig_to_noise = 300 WHERE source_id = ANY(%s)", (ids,))
    both = {"all": RegionSettings(), "giants": RegionSettings(logg=(0.0, 3.0))}
    found = study(connection, with_settings(run, regions=both, stars=3, tilt=(1.0,)), ensemble_id, settings)
    # Two of the three best are giants, and the third giant is one of the others.
    assert (found["stars/all"], found["stars/giants"], found["stars"]) == (3, 3, 4)
    mean = sky.flux[best, -1].mean()
    assert rows_of(connection, "tilt", "mh")["all", 1.0].bias == pytest.approx(0.01 * mean, rel=1e-3)
    nobody = {"nobody": RegionSettings(teff=(10.0, 20.0))}
    found = study(connection, with_settings(run, regions=nobody, tilt=(1.0,)), ensemble_id, settings)
    assert found["stars"] == 0
    assert rows_of(connection, "tilt", "mh") == {}


def test_the_study_gives_what_prediction_by_hand_gives(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    counts = train_ensemble(connection, run, settings).counts
    folder = settings.ensembles / counts["ensemble"]
    given = with_settings(run, vsini=(40.0,), velocities=(7.0,))
    study_robustness(connection, given, counts["ensemble_id"], folder, settings, silent)
    release = load_release(run.profile.release)
    giants = training(sky)[:20]
    ensemble = load_ensemble(folder)
    flux = sky.flux[giants].astype(np.float32)
    scalars = np.column_stack([np.float32(values[giants]) for name, values in sky.gaia.items() if "snr" not in name])
    scalars = scalars[:, :4].astype(np.float64)
    scalars[:, 3] = sky.gaia["parallax"][giants]
    xp = normalise_xp(sky.bp[giants], sky.rp[giants])[0]

    def labels(spectra: np.ndarray) -> np.ndarray:
        repaired = repair_flux(spectra, continuum_pixels(release.rvs))[0]
        return combine(ensemble.predict(FeatureBlock(sky.source_id[giants], repaired, scalars, xp)))[0]

    as_observed = labels(flux)
    for experiment, level, changed in (
        ("rotation", 40.0, degrade.broaden(flux, release.rvs, 40.0)),
        ("velocity", 7.0, degrade.shift(flux, release.rvs, 7.0)),
    ):
        difference = labels(changed) - as_observed
        for i, label in enumerate(LABELS):
            row = rows_of(connection, experiment, label.name)["giants", level]
            scale = 1e-4 * np.ptp(sky.labels[:, i])
            assert row.bias == pytest.approx(difference[:, i].mean(), abs=scale)
            assert row.dispersion == pytest.approx(difference[:, i].std(ddof=1), abs=scale)


def response(experiment: str, level: float, bias: float, sigma: float = 50.0, region: str = "giants") -> Response:
    return Response(experiment, level, "", region, "teff", 10, bias, 1.0, 1.0, 1.0, sigma, 0.0)


def test_the_weakest_change_that_exceeds_sigma() -> None:
    rows = [
        response("observed", 0.0, 0.0),
        *(response("noise", level, bias, 500.0) for level, bias in ((10.0, 90.0), (20.0, -60.0), (50.0, 20.0))),
        *(response("velocity", level, 20.0 * level) for level in (-10.0, -2.0, 2.0, 5.0)),
        response("tilt", 10.0, np.nan),
    ]
    found = {(row.experiment, row.level) for row in first_beyond(rows)}
    assert found == {("noise", 20.0), ("velocity", 5.0)}

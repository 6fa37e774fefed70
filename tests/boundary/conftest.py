"""A run with training and observed stars, spectra and labels, as the stages before would leave it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, open_run
from catalog.metadata import LABELS
from catalog.profiles import Profile
from catalog.profiles.model import LikenessSettings

N_PIXELS = 2401
CENTRES = {"teff": 4800.0, "logg": 2.5, "mh": -0.3, "alpham": 0.1, "feh": -0.3}
WIDTHS = {"teff": 400.0, "logg": 0.8, "mh": 0.4, "alpham": 0.08, "feh": 0.4}


@dataclass
class Sky:
    """What was put into the database; the training stars come first."""

    source_id: np.ndarray
    training: np.ndarray
    spectra: np.ndarray
    g: np.ndarray
    parallax: np.ndarray
    apogee: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    ensemble_id: int


@pytest.fixture
def profile(profile: Profile) -> Profile:
    """Maps of few neighbours and iterations: enough for a few dozen stars."""
    likeness = LikenessSettings(
        perplexities=(5, 8, 10, 12), n_components=10, early_exaggeration_iter=50, n_iter=100, quantile=0.95, seed=7
    )
    return profile.model_copy(update={"likeness": likeness})


@pytest.fixture
def run(connection: psycopg.Connection, profile: Profile) -> Run:
    return open_run(connection, profile)


SeedSky = Callable[..., Sky]


@pytest.fixture
def seed_sky(connection: psycopg.Connection, run: Run) -> SeedSky:
    """Fill the database with `n_training` and `n_observed` stars, the last `n_odd` of them with other spectra."""

    def seed(n_training: int = 30, n_observed: int = 40, n_odd: int = 0, seed: int = 1) -> Sky:
        rng = np.random.default_rng(seed)
        n = n_training + n_observed
        source_id = rng.choice(np.arange(1, 10**6), n, replace=False).astype(np.int64) * 10**12
        training = np.arange(n) < n_training
        spectra = _spectra(rng, n, n_odd)
        sky = Sky(
            source_id,
            training,
            spectra,
            rng.uniform(9.0, 14.0, n).astype(np.float32),
            rng.uniform(0.1, 5.0, n),
            {label.name: rng.normal(CENTRES[label.name], WIDTHS[label.name], n).astype(np.float32) for label in LABELS},
            {label.name: rng.normal(CENTRES[label.name], WIDTHS[label.name], n).astype(np.float32) for label in LABELS},
            0,
        )
        _write(connection, run, sky)
        return sky

    return seed


def _spectra(rng: np.random.Generator, n: int, n_odd: int) -> np.ndarray:
    pixels = np.arange(N_PIXELS)
    depth = rng.uniform(0.2, 0.6, n)[:, np.newaxis]
    lines = sum(np.exp(-(((pixels - centre) / 12.0) ** 2)) for centre in (400, 810, 1220))
    spectra = 1.0 - depth * lines + rng.normal(0.0, 0.01, (n, N_PIXELS))
    if n_odd:
        band = 0.8 * np.exp(-(((pixels - 1800) / 200.0) ** 2))
        spectra[-n_odd:] = 1.0 - band + rng.normal(0.0, 0.01, (n_odd, N_PIXELS))
    return spectra.astype(np.float32)


def _write(connection: psycopg.Connection, run: Run, sky: Sky) -> None:
    n, row = len(sky.source_id), np.arange(1, len(sky.source_id) + 1)
    file_id = _one(
        connection,
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, status) "
        "VALUES (%s, 'all', 'seed', 'seed', repeat('0', 64), 0, %s, 'complete') RETURNING file_id",
        (run.release, n),
    )
    star = {"release": [run.release] * n, "source_id": sky.source_id}
    file = {"file_id": np.full(n, file_id)}
    copy_in(
        connection,
        "survey.gaia_source",
        star
        | file
        | {
            "ra": np.linspace(0, 359, n),
            "dec": np.linspace(-80, 80, n),
            "parallax": sky.parallax,
            "phot_g_mean_mag": sky.g,
            "phot_bp_mean_mag": sky.g + 0.5,
            "phot_rp_mean_mag": sky.g - 0.5,
        },
    )
    copy_in(connection, "survey.rvs_spectrum", star | file | {"flux": sky.spectra})
    coefficients = np.ones((n, 55))
    copy_in(
        connection,
        "survey.xp_coefficients",
        star | file | {"bp_coefficients": coefficients, "rp_coefficients": coefficients},
    )
    copy_in(
        connection,
        "survey.apogee_star",
        file
        | {"row_number": row, "apogee_id": [f"2M{i:08}" for i in row], "gaiaedr3_source_id": sky.source_id}
        | {label.apogee: sky.apogee[label.name] for label in LABELS},
    )
    copy_in(
        connection,
        "production.sample_star",
        star
        | {
            "run_id": np.full(n, run.run_id),
            "role": np.where(sky.training, "training", "observed").tolist(),
            "apogee_file_id": np.ma.array(np.full(n, file_id), mask=~sky.training),
            "apogee_row": np.ma.array(row, mask=~sky.training),
        },
    )
    sky.ensemble_id = _one(
        connection,
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (repeat('e', 64), %s, %s, 'nowhere', 'complete', 2, %s, %s) RETURNING ensemble_id",
        (run.run_id, run.release, int(sky.training.sum()), Jsonb({})),
    )
    labels = {
        name: value
        for label in LABELS
        for name, value in (
            (label.name, sky.labels[label.name]),
            (f"e{label.name}", np.full(n, 0.1)),
            (f"sigma_{label.name}", np.full(n, 0.2)),
        )
    }
    copy_in(
        connection,
        "production.label",
        star
        | labels
        | {
            "run_id": np.full(n, run.run_id),
            "ensemble_id": np.full(n, sky.ensemble_id),
            "n_members": np.full(n, 2),
        },
    )
    connection.commit()


def _one(connection: psycopg.Connection, statement: str, params: tuple) -> int:
    row = connection.execute(statement, params).fetchone()
    assert row is not None
    return row[0]

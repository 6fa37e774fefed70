"""A plausible catalogue of known truth in the database: as if every stage before validation had been run."""

from dataclasses import dataclass

import numpy as np
import psycopg

from catalog.database.ledger import Run
from tests.validation.seeded_production import production_rows
from tests.validation.seeded_surveys import external_rows, survey_rows
from tests.validation.seeded_truth import LABELS, NOISE, truth_of

__all__ = ["Catalogue", "Sky", "ingested_file", "seed_catalogue"]

MODEL = {"teff": 30.0, "logg": 0.04, "mh": 0.03, "alpham": 0.008, "feh": 0.03}
PRODUCTS = (
    "gaia_source",
    "astrophysical_parameters",
    "rvs_mean_spectrum",
    "apogee",
    "galah",
    "k2gap",
    "clusters",
    "mock_truth",
)


@dataclass(frozen=True)
class Sky:
    """What was put into the database."""

    source_id: np.ndarray
    kind: np.ndarray
    role: np.ndarray
    truth: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    apogee: dict[str, np.ndarray]
    has_apogee: np.ndarray
    snr: np.ndarray
    flag_bits: np.ndarray
    files: dict[str, int]


def seed_catalogue(connection: psycopg.Connection, run: Run, n: int = 1500, seed: int = 7) -> Sky:
    """Fill survey and production tables of `run` with `n` stars; a share of `n` in each external survey.

    Labels are truth plus noise of the size that the paper states; GALAH, K2 and the cluster list hold
    repeated ids; hot stars and M giants are absent from the training sample and carry digit 8.
    """
    rng = np.random.default_rng(seed)
    truth, kind, population = truth_of(rng, n)
    source_id = np.sort(rng.choice(2**40, n, replace=False).astype(np.int64)) * 2**22 + 17
    odd = np.isin(kind, ["hot", "m_giant"])
    snr = 15 + rng.lognormal(2.9, 0.9, n)
    distance = np.where(truth["logg"] < 3.5, rng.gamma(3.0, 0.8, n), rng.gamma(2.5, 0.15, n)) + 0.1
    g = np.clip(12.5 - 2.2 * np.log10(snr / 25) + rng.normal(0, 0.3, n), 8.5, 14.5)
    bp_rp = 0.8 + (5900 - truth["teff"]) / 2200 + rng.normal(0, 0.05, n)

    has_apogee = ~odd & (rng.random(n) < 0.6)
    has_apogee[np.flatnonzero(odd)[::7]] = True
    training = has_apogee & ~odd & (snr >= 30) & (rng.random(n) < 0.8)
    role = np.where(training, "training", "observed").astype(object)
    role[rng.choice(np.flatnonzero(~training), n // 30, replace=False)] = "rejected"

    labels = {name: truth[name] + rng.normal(0, NOISE[name], n) for name in LABELS}
    for name, middle in zip(LABELS, (5000, 2.5, -0.3, 0.1, -0.3), strict=True):
        # Far from all training stars the labels are drawn towards the bulk.
        labels[name] = np.where(odd, 0.6 * labels[name] + 0.4 * middle, labels[name])
    e = {name: MODEL[name] * rng.lognormal(0, 0.25, n) * np.where(odd, 3, 1) for name in LABELS}
    sigma = {name: np.hypot(e[name], NOISE[name] * 1.05) for name in LABELS}
    apogee = {name: truth[name] + rng.normal(0, 0.35 * NOISE[name], n) for name in LABELS}

    files = {product: ingested_file(connection, run.release, product, n) for product in PRODUCTS}
    survey_rows(connection, run, rng, files, source_id, truth, snr, g, bp_rp, distance)
    external_rows(connection, rng, files, source_id, truth, apogee, kind, population, has_apogee, snr)

    flag_bits = np.where(odd & (rng.random(n) < 0.9), 128, 0) | np.where(~odd & (rng.random(n) < 0.02), 128, 0)
    limits = (
        labels["teff"] > 6450,
        labels["logg"] < 0.95,
        labels["mh"] < -2.1,
        labels["alpham"] > 0.40,
        labels["feh"] > 0.45,
        g > 13.2,
        distance < 0.13,
    )
    for digit, outside in enumerate(limits):
        flag_bits |= np.where(outside, 1 << digit, 0)
    flag_bits = np.where(training, flag_bits & ~128, flag_bits)
    production_rows(connection, run, rng, files, source_id, role, has_apogee, labels, apogee, e, sigma, flag_bits, odd)
    connection.commit()
    return Sky(source_id, kind, role, truth, labels, apogee, has_apogee, snr, flag_bits, files)


def ingested_file(connection: psycopg.Connection, release: str, product: str, rows: int) -> int:
    row = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, n_quarantined, "
        "status) VALUES (%s, %s, %s, '/surveys/file', %s, 1000, %s, 0, 'complete') RETURNING file_id",
        (release, product, f"{product}.file", "ab" * 32, rows),
    ).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class Catalogue:
    """A seeded database, and what was put into it. Changes are rolled back after each test."""

    connection: psycopg.Connection
    run: Run
    sky: Sky

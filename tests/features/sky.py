"""A few synthetic stars written straight into the survey tables, as ingest and selection would leave them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run

__all__ = ["Sky", "make_sky", "store_sky"]

N_PIXELS = 2401


@dataclass
class Sky:
    """Survey rows of some stars; tests spoil single values before they are stored."""

    source_id: np.ndarray
    role: np.ndarray
    flux: np.ndarray
    bp: np.ndarray
    rp: np.ndarray
    gaia: dict[str, np.ndarray]
    labels: np.ndarray
    """teff, logg, m_h, alpha_m, fe_h."""


def make_sky(n: int = 60, n_observed: int = 20, seed: int = 1, n_pixels: int = N_PIXELS) -> Sky:
    """Stars whose lines, colours and coefficients depend on their labels; `n_observed` of them are not for training."""
    rng = np.random.default_rng(seed)
    unit = rng.random((n, 4))
    labels = np.column_stack(
        [
            4000 + 2000 * unit[:, 0],
            1 + 3.5 * unit[:, 1],
            -1.5 + 2 * unit[:, 2],
            0.3 * unit[:, 3],
            -1.5 + 2 * unit[:, 2] + 0.02 * rng.normal(size=n),
        ]
    )
    pixel = np.arange(n_pixels)
    flux = np.ones((n, n_pixels))
    for i, centre in enumerate(np.linspace(100, n_pixels - 100, 12)):
        depth = 0.2 + 0.5 * unit[:, i % 4, None]
        flux -= depth * np.exp(-0.5 * ((pixel - centre) / 6.0) ** 2)
    flux += rng.normal(0, 0.01, flux.shape)
    flux[:, :3] = np.nan
    bp = rng.normal(0, 0.05, (n, 55)) + np.outer(1 + unit[:, 0], np.linspace(1, 0, 55))
    rp = rng.normal(0, 0.05, (n, 55)) + np.outer(2 - unit[:, 0], np.linspace(1, 0, 55))
    g = 9 + 4 * rng.random(n)
    gaia = {
        "phot_g_mean_mag": g,
        "phot_bp_mean_mag": g + 0.6 - 0.4 * unit[:, 0],
        "phot_rp_mean_mag": g - 0.7 + 0.3 * unit[:, 0],
        "parallax": 0.2 + 3 * rng.random(n),
    }
    role = np.array(["training"] * (n - n_observed) + ["observed"] * n_observed)
    source_id = np.sort(rng.choice(np.arange(1, 10**6), n, replace=False)).astype(np.int64) * 10**12
    return Sky(source_id, rng.permutation(role), flux, 1e3 * bp, 1e3 * rp, gaia, labels)


def store_sky(connection: psycopg.Connection, run: Run, sky: Sky, order: np.ndarray | None = None) -> int:
    """Write the rows of `sky` for `run`, in any order; return the APOGEE file's id. Committed."""
    n = len(sky.source_id)
    order = np.arange(n) if order is None else order
    files = {}
    for product in ("gaia_source", "apogee"):
        row = connection.execute(
            "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
            "VALUES (%s, %s, %s, 'nowhere', %s, 1, 'complete') RETURNING file_id",
            (run.release, product, f"{product}-{run.run_id}", "0" * 64),
        ).fetchone()
        assert row is not None
        files[product] = row[0]
    common: dict[str, Any] = {
        "release": [run.release] * n,
        "source_id": sky.source_id[order],
        "file_id": np.full(n, files["gaia_source"]),
    }
    copy_in(
        connection,
        "survey.gaia_source",
        {**common, "ra": np.full(n, 10.0), "dec": np.full(n, 20.0), **{k: v[order] for k, v in sky.gaia.items()}},
    )
    copy_in(connection, "survey.rvs_spectrum", {**common, "flux": sky.flux[order].astype(np.float32)})
    xp = {
        name: np.ma.masked_array(values[order], np.isnan(values[order]))
        for name, values in (("bp_coefficients", sky.bp), ("rp_coefficients", sky.rp))
    }
    copy_in(connection, "survey.xp_coefficients", {**common, **xp})
    copy_in(
        connection,
        "survey.apogee_star",
        {
            "file_id": np.full(n, files["apogee"]),
            "row_number": np.arange(n)[order],
            "apogee_id": [f"2M{i}" for i in order],
            "gaiaedr3_source_id": sky.source_id[order],
            **{name: sky.labels[order, i] for i, name in enumerate(("teff", "logg", "m_h", "alpha_m", "fe_h"))},
        },
    )
    store_samples(connection, run, sky, files["apogee"])
    return int(files["apogee"])


def store_samples(connection: psycopg.Connection, run: Run, sky: Sky, apogee_file: int) -> None:
    """Write the samples of `sky` for `run`. Committed."""
    n = len(sky.source_id)
    copy_in(
        connection,
        "production.sample_star",
        {
            "run_id": np.full(n, run.run_id),
            "release": [run.release] * n,
            "source_id": sky.source_id,
            "role": list(sky.role),
            "apogee_file_id": np.full(n, apogee_file),
            "apogee_row": np.arange(n),
        },
    )
    connection.commit()

"""A plausible catalogue of known truth in the database: as if every stage before validation had been run."""

import json
from dataclasses import dataclass

import numpy as np
import psycopg

from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run
from catalog.ensemble.calibration import calibrate_out_of_fold
from catalog.ensemble.uncertainty import fit_dispersions
from catalog.profiles.model import UncertaintySettings

LABELS = ("teff", "logg", "mh", "alpham", "feh")
NOISE = {"teff": 50.0, "logg": 0.08, "mh": 0.055, "alpham": 0.025, "feh": 0.055}
# Of the calibrated sigma, beside e: what makes up for the errors of labels and APOGEE together.
CALIBRATED = 0.92
MODEL = {"teff": 30.0, "logg": 0.04, "mh": 0.03, "alpham": 0.008, "feh": 0.03}
GOOD_GSPSPEC = "0" * 41
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


def _truth(rng: np.random.Generator, n: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    population = rng.choice(["thin", "thick", "halo"], n, p=[0.62, 0.32, 0.06])
    mh = np.select(
        [population == "thin", population == "thick"],
        [rng.normal(-0.05, 0.20, n), rng.normal(-0.45, 0.22, n)],
        rng.normal(-1.45, 0.35, n),
    ).clip(-2.25, 0.5)
    alpham = np.select(
        [population == "thin", population == "thick"],
        [0.04 - 0.12 * mh + rng.normal(0, 0.02, n), 0.22 - 0.10 * mh + rng.normal(0, 0.02, n)],
        rng.normal(0.24, 0.06, n),
    ).clip(-0.15, 0.44)
    kind = rng.choice(
        ["red_giant", "clump", "dwarf", "subgiant", "hot", "m_giant"], n, p=[0.40, 0.22, 0.20, 0.08, 0.05, 0.05]
    )
    giant = 0.7 + 2.6 * rng.beta(1.9, 1.2, n)
    dwarf = rng.uniform(4300, 6250, n)
    logg = np.select(
        [kind == "red_giant", kind == "clump", kind == "dwarf", kind == "subgiant", kind == "hot"],
        [
            giant,
            rng.normal(2.45, 0.06, n),
            4.66 - 0.06 * ((dwarf - 4300) / 900) ** 2.6 + rng.normal(0, 0.03, n),
            rng.uniform(3.4, 4.0, n),
            rng.normal(3.9, 0.15, n),
        ],
        rng.uniform(0.0, 0.8, n),
    )
    teff = np.select(
        [kind == "red_giant", kind == "clump", kind == "dwarf", kind == "subgiant", kind == "hot"],
        [
            3680 + 440 * giant - 260 * mh + rng.normal(0, 45, n),
            4730 - 220 * mh + rng.normal(0, 70, n),
            dwarf,
            5000 + 1500 * (logg - 3.4) + rng.normal(0, 80, n),
            rng.uniform(7000, 9500, n),
        ],
        rng.uniform(3200, 3600, n),
    )
    feh = mh + rng.normal(0, 0.01, n)
    return {"teff": teff, "logg": logg, "mh": mh, "alpham": alpham, "feh": feh}, kind, population


def seed_catalogue(connection: psycopg.Connection, run: Run, n: int = 1500, seed: int = 7) -> Sky:
    """Fill survey and production tables of `run` with `n` stars; a share of `n` in each external survey.

    Labels are truth plus noise of the size that the paper states; GALAH, K2 and the cluster list hold
    repeated ids; hot stars and M giants are absent from the training sample and carry digit 8.
    """
    rng = np.random.default_rng(seed)
    truth, kind, population = _truth(rng, n)
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
    _survey_rows(connection, run, rng, files, source_id, truth, snr, g, bp_rp, distance)
    _external_rows(connection, rng, files, source_id, truth, apogee, kind, population, has_apogee, snr)

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
    _production_rows(connection, run, rng, files, source_id, role, has_apogee, labels, apogee, e, sigma, flag_bits, odd)
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


def spectra(truth: dict[str, np.ndarray], snr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crude normalised RVS spectra: the Ca II triplet and a comb of weak lines."""
    wavelength = 846.0 + 0.01 * np.arange(2401)
    flux = np.ones((snr.size, wavelength.size))
    metals = 10 ** (0.35 * truth["mh"])[:, None]
    cool = np.clip((8000 - truth["teff"]) / 3500, 0.05, 1.6)[:, None]
    for centre, depth, width in ((850.036, 0.50, 0.14), (854.444, 0.62, 0.18), (866.452, 0.58, 0.16)):
        flux -= np.clip(depth * metals**0.5, 0, 0.8) / (1 + ((wavelength - centre) / width) ** 2)
    for centre in np.random.default_rng(1).uniform(846.5, 869.5, 60):
        flux -= 0.13 * metals * cool * np.exp(-0.5 * ((wavelength - centre) / 0.045) ** 2)
    flux += rng.normal(0, 1, flux.shape) / snr[:, None]
    flux[:, :3] = np.nan
    return flux.astype(np.float32)


def _survey_rows(connection, run, rng, files, source_id, truth, snr, g, bp_rp, distance) -> None:
    n = source_id.size
    copy_in(
        connection,
        "survey.gaia_source",
        {
            "release": [run.release] * n,
            "source_id": source_id,
            "ra": rng.uniform(0, 359.9, n),
            "dec": rng.uniform(-89, 89, n),
            "parallax": 1 / distance,
            "phot_g_mean_mag": g,
            "bp_rp": bp_rp,
            "rvs_spec_sig_to_noise": snr,
            "file_id": np.full(n, files["gaia_source"]),
        },
    )
    # GSP-Spec as published lies where the published calibration brings it back to the truth, plus noise.
    x = truth["logg"] - 0.35 + rng.normal(0, 0.17, n)
    flags = np.where(rng.random(n) < 0.5, GOOD_GSPSPEC, "0000001" + "0" * 34)
    copy_in(
        connection,
        "survey.astrophysical_parameters",
        {
            "release": [run.release] * n,
            "source_id": source_id,
            "teff_gspphot": truth["teff"] + rng.normal(60, 140, n),
            "logg_gspphot": truth["logg"] + rng.normal(0.05, 0.2, n),
            "mh_gspphot": np.where(rng.random(n) < 0.9, truth["mh"] - 0.2 + rng.normal(0, 0.22, n), np.nan),
            "teff_gspspec": truth["teff"] + rng.normal(20, 130, n),
            "logg_gspspec": x,
            "mh_gspspec": truth["mh"] + rng.normal(0.02, 0.12, n),
            "alphafe_gspspec": truth["alpham"] + rng.normal(0.02, 0.08, n),
            "flags_gspspec": flags.tolist(),
            "file_id": np.full(n, files["astrophysical_parameters"]),
        },
    )
    some = np.sort(rng.choice(n, min(n, 400), replace=False))
    copy_in(
        connection,
        "survey.rvs_spectrum",
        {
            "release": [run.release] * some.size,
            "source_id": source_id[some],
            "flux": spectra({name: values[some] for name, values in truth.items()}, snr[some], rng),
            "file_id": np.full(some.size, files["rvs_mean_spectrum"]),
        },
    )


def _external_rows(connection, rng, files, source_id, truth, apogee, kind, population, has_apogee, snr) -> None:
    n = source_id.size
    rows = np.flatnonzero(has_apogee)
    copy_in(
        connection,
        "survey.apogee_star",
        {
            "file_id": np.full(rows.size, files["apogee"]),
            "row_number": rows + 1,
            "apogee_id": [f"2M{i:08d}" for i in rows],
            "gaiaedr3_source_id": source_id[rows],
            "snr": np.full(rows.size, 150.0),
            "teff": apogee["teff"][rows],
            "logg": apogee["logg"][rows],
            "m_h": apogee["mh"][rows],
            "alpha_m": apogee["alpham"][rows],
            "fe_h": apogee["feh"][rows],
            "aspcapflag": np.zeros(rows.size, dtype=np.int64),
        },
    )
    ordinary = ~np.isin(kind, ["hot", "m_giant"])
    stars = rng.choice(np.flatnonzero(ordinary), n // 3, replace=False)
    stars = np.concatenate([stars, stars[:25]])
    snr_c3 = rng.uniform(25, 120, stars.size)
    copy_in(
        connection,
        "survey.galah_star",
        {
            "file_id": np.full(stars.size, files["galah"]),
            "row_number": np.arange(1, stars.size + 1),
            "sobject_id": np.arange(stars.size) + 131217003101000,
            "dr3_source_id": source_id[stars],
            "flag_sp": np.where(rng.random(stars.size) < 0.1, 16, 0),
            "flag_guess": np.zeros(stars.size, dtype=np.int64),
            "teff": truth["teff"][stars] + rng.normal(20, 70, stars.size),
            "logg": truth["logg"][stars] + rng.normal(0, 0.06, stars.size),
            "fe_h": truth["feh"][stars] + rng.normal(0, 0.05, stars.size),
            "flag_fe_h": np.zeros(stars.size, dtype=np.int64),
            "alpha_fe": truth["alpham"][stars] + rng.normal(0.01, 0.04, stars.size),
            "flag_alpha_fe": np.zeros(stars.size, dtype=np.int64),
            "snr_c3_iraf": snr_c3,
        },
    )
    giants = rng.choice(np.flatnonzero(np.isin(kind, ["red_giant", "clump"])), n // 4, replace=False)
    giants = np.concatenate([giants, giants[:15]])
    teff = truth["teff"][giants] + rng.normal(0, 40, giants.size)
    numax = 3090 * 10 ** (truth["logg"][giants] - 4.44) / np.sqrt(teff / 5777) * rng.normal(1, 0.03, giants.size)
    copy_in(
        connection,
        "survey.k2gap_star",
        {
            "file_id": np.full(giants.size, files["k2gap"]),
            "row_number": np.arange(1, giants.size + 1),
            "epic": np.arange(giants.size) + 211_000_000,
            "gaia_source": source_id[giants],
            "teff": teff,
            "numax": numax,
            "numax_err": 0.02 * numax,
        },
    )
    members, clusters, probabilities = [], [], []
    for i, name in enumerate(("NGC_2682", "NGC_2539", "NGC_2632", "Melotte_22", "Ruprecht_147", "Berkeley_1")):
        mean = -0.3 + 0.11 * i
        near = np.flatnonzero(ordinary & (np.abs(truth["feh"] - mean) < 0.03))
        chosen = rng.choice(near, min(near.size, (14, 9, 8, 6, 4, 2)[i]), replace=False)
        members += list(chosen) + list(chosen[:2])
        clusters += [name] * (chosen.size + min(2, chosen.size))
        probabilities += [0.9] * (chosen.size + min(2, chosen.size))
    copy_in(
        connection,
        "survey.cluster_member",
        {
            "file_id": np.full(len(members), files["clusters"]),
            "row_number": np.arange(1, len(members) + 1),
            "cluster": clusters,
            "gaia_release": ["dr3"] * len(members),
            "source_id": source_id[members],
            "proba": np.array(probabilities),
        },
    )
    copy_in(
        connection,
        "survey.mock_truth",
        {
            "file_id": np.full(n, files["mock_truth"]),
            "row_number": np.arange(1, n + 1),
            "source_id": source_id,
            "kind": kind.tolist(),
            "population": population.tolist(),
            **{name: truth[name] for name in LABELS},
        },
    )


def _uncertainty(labels: np.ndarray, apogee: np.ndarray, e: np.ndarray) -> dict[str, object]:
    """Return what an ensemble with such residuals records of its uncertainties."""
    settings = UncertaintySettings(n_bins=12, min_stars_per_bin=15, degree=3)
    fits = fit_dispersions(apogee, labels, settings)
    predictions = np.stack([labels - e, labels + e])
    validation = np.ones((2, len(labels)), dtype=bool)
    judged = calibrate_out_of_fold(apogee, predictions, validation, np.arange(2), settings)
    return {"fits": {fit.label: fit.model_dump(mode="json") for fit in fits}, "calibrated": judged.description()}


def _production_rows(
    connection, run, rng, files, source_id, role, has_apogee, labels, apogee, e, sigma, flag_bits, odd
) -> None:
    n = source_id.size
    rejected = role == "rejected"
    copy_in(
        connection,
        "production.sample_star",
        {
            "run_id": np.full(n, run.run_id),
            "release": [run.release] * n,
            "source_id": source_id,
            "role": role.tolist(),
            "cut": ["parallax" if is_rejected else None for is_rejected in rejected],
            "apogee_file_id": np.ma.array(np.full(n, files["apogee"]), mask=~has_apogee),
            "apogee_row": np.ma.array(np.arange(1, n + 1), mask=~has_apogee),
        },
    )
    training = role == "training"
    recorded = json.dumps(
        _uncertainty(*(np.column_stack([v[x] for x in LABELS])[training] for v in (labels, apogee, e)))
    )
    row = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, sha256, status, n_members, n_training, "
        "settings, uncertainty) VALUES (%s, %s, %s, '/ensembles/0', %s, 'complete', 4, %s, '{}', %s) "
        "RETURNING ensemble_id",
        (f"{run.run_id:064d}", run.run_id, run.release, "cd" * 32, int((role == "training").sum()), recorded),
    ).fetchone()
    assert row is not None
    for member in range(4):
        epochs = 60 + 7 * member
        loss = 0.02 * np.exp(-np.arange(epochs) / 12) + 0.002 + 0.0002 * rng.random(epochs)
        history = {
            "loss": loss.tolist(),
            "val_loss": (loss * 1.1 + 1e-4 * rng.random(epochs)).tolist(),
            "learning_rate": [1e-3] * epochs,
        }
        connection.execute(
            "INSERT INTO production.ensemble_member (ensemble_id, member, split, initialisation, seed, epochs, "
            "best_epoch, val_loss, history, weights_sha256, wall_s) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 12.5)",
            (
                row[0],
                member,
                member // 2,
                member % 2,
                member,
                epochs,
                epochs - 20,
                0.0023,
                json.dumps(history),
                "ef" * 32,
            ),
        )
    kept = ~rejected
    columns = {
        "run_id": np.full(n, run.run_id),
        "release": np.array([run.release] * n, dtype=object),
        "source_id": source_id,
        "ensemble_id": np.full(n, row[0]),
        "n_members": np.full(n, 4),
    }
    for name in LABELS:
        columns |= {name: labels[name], f"e{name}": e[name], f"sigma_{name}": sigma[name]}
        columns[f"sigma_{name}_oof"] = np.hypot(e[name], CALIBRATED * NOISE[name])
    copy_in(connection, "production.label", {name: values[kept] for name, values in columns.items()})
    # One training star in eight has been seen by every member.
    training = np.flatnonzero(training & (np.arange(n) % 8 != 0))
    unseen = {"ensemble_id": np.full(training.size, row[0]), "source_id": source_id[training]}
    unseen["n_unseen"] = np.full(training.size, 2)
    for name in LABELS:
        residual = (labels[name] - apogee[name] + rng.normal(0, 0.6 * NOISE[name], n))[training]
        unseen |= {name: labels[name][training], f"residual_{name}": residual}
        unseen[f"sigma_{name}_oof"] = np.full(training.size, 1.22 * NOISE[name])
    copy_in(connection, "production.training_residual", unseen)
    flags = np.array(["".join("1" if bits >> i & 1 else "0" for i in range(8)) for bits in flag_bits], dtype=object)
    boundary = {key: columns[key] for key in ("run_id", "release", "source_id")} | {
        "flag_boundary": flags,
        "flag_bits": flag_bits,
    }
    copy_in(connection, "production.boundary", {name: values[kept] for name, values in boundary.items()})
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = np.where(odd, rng.normal(38, 3, n), 25 * np.sqrt(rng.random(n)))
    for perplexity in (30, 50, 75, 100):
        connection.execute(
            "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, kl, n_training, "
            "n_observed, settings, placed_threshold) VALUES (%s, %s, 1.5, 0.99, 1.1, %s, %s, '{}', 1.0)",
            (run.run_id, perplexity, int((role == "training").sum()), int((role == "observed").sum())),
        )
        copy_in(
            connection,
            "production.likeness",
            {
                "run_id": np.full(kept.sum(), run.run_id),
                "perplexity": np.full(kept.sum(), perplexity),
                "source_id": source_id[kept],
                "x": (radius * np.cos(angle))[kept],
                "y": (radius * np.sin(angle))[kept],
                "distance": rng.random(kept.sum()),
                "like": (flag_bits & 128 == 0)[kept],
                "placed_distance": (np.where(odd, 3.0, 0.0) + 1.02 * rng.random(n))[kept],
            },
        )
    for quantity, lower, upper in (
        ("teff", -1e9, 6450), ("logg", 0.95, 1e9), ("mh", -2.1, 1e9), ("alpham", -1e9, 0.40), ("feh", -1e9, 0.45),
        ("g", -1e9, 13.2), ("parallax", -1e9, 1 / 0.13),
    ):  # fmt: skip
        connection.execute(
            "INSERT INTO production.boundary_limit VALUES (%s, %s, %s, %s, 'quantile', 0, %s)",
            (run.run_id, quantity, lower, upper, int(training.size)),
        )
    connection.execute(
        "INSERT INTO production.companion VALUES (%s, 7, 0.99, 0.9, %s)", (run.run_id, int(training.size))
    )
    # Every star but two is compared with its most similar training star.
    there, apart = np.flatnonzero(kept)[2:], np.where(odd, 2.0, 0.0) + rng.random(n)
    copy_in(
        connection,
        "production.training_distance",
        {
            "run_id": np.full(there.size, run.run_id),
            "source_id": source_id[there],
            "nearest": np.full(there.size, source_id[0]),
            "distance": apart[there],
            "quantile": np.clip(apart[there], 0, 1),
            "outside": apart[there] > 0.9,
        },
    )


@dataclass(frozen=True)
class Catalogue:
    """A seeded database, and what was put into it. Changes are rolled back after each test."""

    connection: psycopg.Connection
    run: Run
    sky: Sky

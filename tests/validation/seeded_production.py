"""What stages before validation leave of seeded stars: samples, an ensemble, labels, maps and flags."""

import json

import numpy as np

from catalog.database.copy_in import copy_in
from catalog.ensemble.calibration import calibrate_out_of_fold
from catalog.ensemble.uncertainty import fit_dispersions
from catalog.profiles.model import UncertaintySettings
from tests.validation.seeded_truth import LABELS, NOISE

__all__ = ["production_rows"]

# Of the calibrated sigma, beside e: what makes up for the errors of labels and APOGEE together.
CALIBRATED = 0.92


def _uncertainty(labels: np.ndarray, apogee: np.ndarray, e: np.ndarray) -> dict[str, object]:
    """Return what an ensemble with such residuals records of its uncertainties."""
    settings = UncertaintySettings(n_bins=12, min_stars_per_bin=15, degree=3)
    fits = fit_dispersions(apogee, labels, settings)
    predictions = np.stack([labels - e, labels + e])
    validation = np.ones((2, len(labels)), dtype=bool)
    judged = calibrate_out_of_fold(apogee, predictions, validation, np.arange(2), settings)
    return {"fits": {fit.label: fit.model_dump(mode="json") for fit in fits}, "calibrated": judged.description()}


def production_rows(
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

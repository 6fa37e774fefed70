"""A second run beside the seeded one, with known changes, and validation results for both."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from catalog.database.ledger import Run
from catalog.metadata import LABELS

CUT = "phot_variable_flag"
"""What the second run rejects stars by."""

MOVED_LOGG = 0.05

RESULTS: tuple[tuple[Any, ...], ...] = (
    # comparison, subset, label; then n, bias, dispersion, status of the first run, and of the second one.
    ("apogee", "observed", "teff", (2000, 1.0, 60.0, "pass"), (2000, 1.0, 75.0, "pass")),
    ("apogee", "observed", "logg", (2000, 0.0, 0.10, "warn"), (2000, 0.0, 0.08, "pass")),
    ("apogee", "observed", "mh", (2000, 0.0, 0.070, "pass"), (2000, 0.0, 0.071, "pass")),
    ("apogee", "training", "feh", (2000, 0.0, 0.070, "pass"), (2000, 0.06, 0.070, "fail")),
    ("dispersions", "overall, observed", "mh", (2000, None, 0.08, "pass"), (2000, None, 0.04, "pass")),
    ("galah", "all S/N", "teff", (20, 0.0, 80.0, "info"), (20, 0.0, 100.0, "info")),
    ("seismic", "CNN, observed, log g < 2.3", "logg", (50, 0.0, 0.1, "pass"), (3, 0.0, 0.1, "not run")),
    ("clusters", "all clusters", "feh", (90, None, 0.05, "pass"), None),
    ("closure", "observed", "teff", None, (900, 0.0, 50.0, "pass")),
)


@dataclass(frozen=True)
class Second:
    """The second run, and what was done to which stars of the first (masks over all seeded stars)."""

    run_id: int
    kept: np.ndarray
    """With labels in both."""
    rejected: np.ndarray
    """By `CUT`, without labels in the second run."""
    unknown: np.ndarray
    """Not in the second run at all."""
    demoted: np.ndarray
    """Training stars that the second run counts as observed."""
    jumped: np.ndarray
    """Stars whose Teff is 10 combined sigma lower in the second run."""
    flipped: np.ndarray
    """Stars with the eighth digit set in the second run alone or not in it alone."""


def seed_second_run(connection: psycopg.Connection, run: Run, sky: Any) -> Second:
    """Copy `run` with known changes: log g is `MOVED_LOGG` higher everywhere, see `Second` for the rest."""
    profile = run.profile.model_dump(mode="json")
    profile["training"]["batch_size"] = 2 * profile["training"]["batch_size"]
    profile["expected_seconds"] = {"train": 1.0}
    row = connection.execute(
        "INSERT INTO production.run (key, release, profile, version, status) VALUES (%s, %s, %s, '9.9', 'complete') "
        "RETURNING run_id",
        ("f" * 64, run.release, json.dumps(profile)),
    ).fetchone()
    assert row is not None
    number, ids = np.arange(sky.source_id.size), sky.source_id
    labelled, training = sky.role != "rejected", sky.role == "training"
    rejected = labelled & (number % 50 == 7)
    unknown = labelled & (number % 90 == 11) & ~rejected
    demoted = training & (number % 40 == 3) & ~rejected & ~unknown
    kept = labelled & ~rejected & ~unknown
    jumped, flipped = kept & (number % 70 == 5), kept & (number % 30 == 1)
    second = Second(row[0], kept, rejected, unknown, demoted, jumped, flipped)
    parameters: dict[str, Any] = {"old": run.run_id, "new": second.run_id, "cut": CUT, "moved": MOVED_LOGG}
    for name in ("rejected", "unknown", "demoted", "jumped", "flipped"):
        parameters[name] = ids[getattr(second, name)].tolist()
    for statement in _COPIES:
        connection.execute(statement, parameters)
    for comparison, subset, label, *rows in RESULTS:
        for run_id, found in zip((run.run_id, second.run_id), rows, strict=True):
            if found is not None:
                connection.execute(
                    "INSERT INTO production.validation_result (run_id, comparison, subset, label, n, bias, dispersion, "
                    "status, message, query) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'words', 'validation/x')",
                    (run_id, comparison, subset, label, *found),
                )
    return second


_LABELS = ", ".join(f"{label.name}, e{label.name}, sigma_{label.name}" for label in LABELS)

_COPIES = (
    """
    INSERT INTO production.sample_star
        (run_id, release, source_id, role, cut, training_cut, apogee_file_id, apogee_row)
    SELECT %(new)s, release, source_id,
           CASE WHEN source_id = ANY(%(rejected)s) THEN 'rejected'
                WHEN source_id = ANY(%(demoted)s) THEN 'observed' ELSE role END,
           CASE WHEN source_id = ANY(%(rejected)s) THEN %(cut)s ELSE cut END,
           CASE WHEN source_id = ANY(%(demoted)s) THEN 'apogee_snr' END, apogee_file_id, apogee_row
    FROM production.sample_star WHERE run_id = %(old)s AND source_id <> ALL(%(unknown)s)
    """,
    f"""
    INSERT INTO production.label (run_id, release, source_id, ensemble_id, n_members, {_LABELS})
    SELECT %(new)s, release, source_id, ensemble_id, n_members, {_LABELS}
    FROM production.label
    WHERE run_id = %(old)s AND source_id <> ALL(%(unknown)s) AND source_id <> ALL(%(rejected)s)
    """,
    """
    UPDATE production.label
    SET logg = logg + %(moved)s,
        teff = teff - CASE WHEN source_id = ANY(%(jumped)s) THEN 10 * sqrt(2.0) * sigma_teff ELSE 0 END
    WHERE run_id = %(new)s
    """,
    """
    INSERT INTO production.boundary (run_id, release, source_id, flag_boundary, flag_bits)
    SELECT %(new)s, release, source_id, flag_boundary,
           flag_bits # CASE WHEN source_id = ANY(%(flipped)s) THEN 128 ELSE 0 END
    FROM production.boundary
    WHERE run_id = %(old)s AND source_id <> ALL(%(unknown)s) AND source_id <> ALL(%(rejected)s)
    """,
    """
    UPDATE production.boundary SET flag_boundary = reverse(CAST(CAST(flag_bits AS integer)::bit(8) AS text))
    WHERE run_id = %(new)s
    """,
    """
    INSERT INTO production.boundary_limit (run_id, quantity, lower, upper, rule, quantile, n_training)
    SELECT %(new)s, quantity, lower, CASE quantity WHEN 'g' THEN 13.5 ELSE upper END, rule, quantile, n_training
    FROM production.boundary_limit WHERE run_id = %(old)s
    """,
)

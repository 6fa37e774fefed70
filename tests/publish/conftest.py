"""A run with labels and flags, ready to be published."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psycopg
import pytest

from catalog.database.acting import acting
from catalog.database.copy_in import copy_in
from catalog.database.ledger import Run, StageResult
from catalog.database.roles import PRODUCTION
from catalog.metadata import LABELS, TABLE_LABELS
from catalog.profiles import Profile
from catalog.progress import Progress, silent
from catalog.publish.stage import publish_catalogue
from catalog.settings import Settings


@dataclass
class Labelled:
    """What was put into the database, in the order of source_id."""

    source_id: np.ndarray
    labels: dict[str, np.ndarray]
    flags: list[str]
    ra: np.ndarray
    dec: np.ndarray

    def rows(self) -> list[tuple]:
        """Return the 17 columns of Table 2, star by star."""
        names = [n for label in TABLE_LABELS for n in (label.name, f"e{label.name}", f"sigma_{label.name}")]
        values = [self.labels[name].astype(np.float64).tolist() for name in names]
        return list(zip(map(str, self.source_id.tolist()), *values, self.flags, strict=True))


SeedRun = Callable[..., Labelled]


@pytest.fixture
def seed_run(connection: psycopg.Connection) -> SeedRun:
    """Fill the database for a run; survey rows are shared by runs of the same stars."""

    def seed(run: Run, n: int = 200, seed: int = 1) -> Labelled:
        star = _stars(connection, run, n)
        rng = np.random.default_rng(seed)
        labels = {
            f"{prefix}{label.name}": (rng.normal(scale, 1.0, n) * 1.1).astype(np.float32)
            for label in LABELS
            for prefix, scale in (("", 5000.0 if label.name == "teff" else 1.0), ("e", 0.1), ("sigma_", 0.2))
        }
        # Values that only come back when every bit does.
        labels["mh"][:4] = np.array(
            [-0.0, np.finfo("f4").tiny, np.nextafter(np.float32(1), np.float32(2)), 1e-38], "f4"
        )
        bits = rng.integers(0, 256, n)
        bits[: n // 2] = 0
        flags = ["".join(str(int(b) >> i & 1) for i in range(8)) for b in bits]
        _write(connection, run, star, labels, bits, flags)
        connection.execute(
            "INSERT INTO production.validation_result (run_id, comparison, subset, label, n, status, query) "
            "VALUES (%s, 'apogee', 'training', 'teff', 10, 'pass', 'validation/apogee')",
            (run.run_id,),
        )
        connection.commit()
        return Labelled(star["source_id"], labels, flags, star["ra"], star["dec"])

    return seed


def _stars(connection: psycopg.Connection, run: Run, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(99)
    # From four digits to the full nineteen: text must not be sorted as text.
    source_id = np.sort(np.unique((10 ** rng.uniform(4, 18.96, 2 * n)).astype(np.int64))[::2])[:n]
    star = {"source_id": source_id, "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-90, 90, n)}
    if connection.execute("SELECT 1 FROM survey.gaia_source").fetchone():
        return star
    row = connection.execute(
        "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, n_rows, status) "
        "VALUES (%s, 'all', 'seed', 'seed', repeat('0', 64), 0, %s, 'complete') RETURNING file_id",
        (run.release, n),
    ).fetchone()
    assert row is not None
    copy_in(
        connection,
        "survey.gaia_source",
        star
        | {
            "release": [run.release] * n,
            "file_id": np.full(n, row[0]),
            "parallax": rng.uniform(0.1, 5, n),
            "phot_g_mean_mag": rng.uniform(9, 14, n),
            "ruwe": np.ma.array(rng.uniform(0.9, 1.4, n), mask=np.arange(n) == 0),
        },
    )
    copy_in(
        connection,
        "survey.apogee_star",
        {
            "file_id": np.full(10, row[0]),
            "row_number": np.arange(1, 11),
            "apogee_id": [f"2M{i:08}+{i:07}" for i in range(10)],
            "gaiaedr3_source_id": source_id[:10],
        },
    )
    return star


def _write(connection, run: Run, star, labels, bits: np.ndarray, flags: list[str]) -> None:
    n = len(bits)
    base = {"run_id": np.full(n, run.run_id), "release": [run.release] * n, "source_id": star["source_id"]}
    row = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (lpad(%s::text, 64, 'e'), %s, %s, 'nowhere', 'complete', 4, 10, '{}') RETURNING ensemble_id",
        (run.run_id, run.run_id, run.release),
    ).fetchone()
    (file_id,) = connection.execute("SELECT file_id FROM production.ingest_file").fetchone()
    training = np.arange(n) < 10
    copy_in(
        connection,
        "production.sample_star",
        base
        | {
            "role": np.where(training, "training", "observed").tolist(),
            "apogee_file_id": np.ma.array(np.full(n, file_id), mask=~training),
            "apogee_row": np.ma.array(np.arange(1, n + 1), mask=~training),
        },
    )
    # The last star as an earlier version labelled it.
    calibrated = {
        f"sigma_{label.name}_oof": np.where(np.arange(n) < n - 1, labels[f"sigma_{label.name}"] * 1.25, np.nan)
        for label in LABELS
    }
    copy_in(
        connection,
        "production.label",
        base | labels | calibrated | {"ensemble_id": np.full(n, row[0]), "n_members": np.full(n, 4)},
    )
    copy_in(connection, "production.boundary", base | {"flag_boundary": flags, "flag_bits": bits})
    limits = dict.fromkeys(("teff", "logg", "mh", "alpham", "feh"), (-1.0, 1.0))
    for quantity, (lower, upper) in (limits | {"g": (9.0, 14.0), "parallax": (0.1, 7.0)}).items():
        connection.execute(
            "INSERT INTO production.boundary_limit VALUES (%s, %s, %s, %s, 'quantile', 0.001, 10)",
            (run.run_id, quantity, lower, upper),
        )
    connection.execute("INSERT INTO production.companion VALUES (%s, 7, 0.99, 0.5, 10)", (run.run_id,))
    copy_in(
        connection,
        "production.training_distance",
        {
            "run_id": base["run_id"][1:],
            "source_id": star["source_id"][1:],
            "nearest": np.full(n - 1, star["source_id"][0]),
            "distance": np.arange(1, n) / n,
            "quantile": np.arange(1, n) / n,
            "outside": np.arange(1, n) / n > 0.5,
        },
    )
    # Two of the four published perplexities.
    for perplexity in (30, 100):
        connection.execute(
            "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, n_training, n_observed, "
            "settings) VALUES (%s, %s, 2, 0.99, 10, %s, '{}')",
            (run.run_id, perplexity, n - 10),
        )
        copy_in(
            connection,
            "production.likeness",
            {
                "run_id": base["run_id"],
                "source_id": star["source_id"],
                "perplexity": np.full(n, perplexity),
                "x": np.zeros(n),
                "y": np.zeros(n),
                "distance": np.arange(n) / perplexity,
                "like": np.ones(n, dtype=bool),
            },
        )


@pytest.fixture
def profile(profile: Profile) -> Profile:
    """One form of files: the others have tests of their own."""
    return profile.model_copy(update={"publish": profile.publish.model_copy(update={"exports": ("csv",)})})


def publish_as_role(
    connection: psycopg.Connection, run: Run, settings: Settings, progress: Progress = silent
) -> StageResult:
    """Publish as `run_stage` does, so that the tables belong to the role."""
    with acting(connection, PRODUCTION.name):
        return publish_catalogue(connection, run, settings, progress)


@pytest.fixture
def published(
    connection: psycopg.Connection, run: Run, settings: Settings, seed_run: SeedRun
) -> tuple[Labelled, StageResult]:
    """A run that is published, by the role that does so: its stars, and what the stage said."""
    return seed_run(run), publish_as_role(connection, run, settings)


@pytest.fixture
def two(connection: psycopg.Connection, run: Run, settings: Settings, published: tuple[Labelled, StageResult]) -> None:
    """Publish a second version, in which Teff is 4321 K."""
    connection.execute("UPDATE production.label SET teff = 4321")
    publish_as_role(connection, run, settings)

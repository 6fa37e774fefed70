"""An installation that has seen several runs, without the hours that they take."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from catalog.database.ledger import run_key
from catalog.profiles import load_profile
from catalog.settings import Settings

ROWS = 60
_LABELS = ", ".join(f"{name}, e{name}, sigma_{name}" for name in ("teff", "logg", "mh", "alpham", "feh"))


def key_of(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


@dataclass
class Past:
    """Makes rows and files as stages leave them."""

    connection: psycopg.Connection
    settings: Settings

    def run(
        self, status: str, *, profile: str = "tiny", base: int | None = None, days: float = 0, key: str = ""
    ) -> int:
        settings = load_profile(profile)
        row = self.connection.execute(
            "INSERT INTO production.run (key, release, profile, version, status, base_run_id, started_at) "
            "VALUES (%s, 'dr3', %s, '0', %s, %s, now() - make_interval(secs => %s)) RETURNING run_id",
            (
                key or (run_key(settings) if status == "superseded" else key_of(os.urandom(8).hex())),
                Jsonb(settings.model_dump(mode="json")),
                status,
                base,
                days * 86400,
            ),
        ).fetchone()
        assert row is not None
        run_id: int = row[0]
        self.connection.execute(
            "INSERT INTO production.stage (run_id, name, key, status, started_at, finished_at, peak_mb) "
            "SELECT %s, name, %s, 'complete', started_at, started_at, 800 FROM production.run, "
            "unnest(ARRAY['sample', 'predict']) AS name WHERE run_id = %s",
            (run_id, key_of("stage"), run_id),
        )
        self.connection.execute(
            "INSERT INTO production.sample_star (run_id, release, source_id, role) "
            "SELECT %s, 'dr3', n, 'observed' FROM generate_series(1, %s) AS n",
            (run_id, ROWS),
        )
        report = self.settings.reports / f"run-{run_id}"
        report.mkdir(parents=True)
        (report / "report.html").write_text("report " * 100)
        self.connection.commit()
        return run_id

    def ensemble(self, run_id: int | None, name: str, used_by: tuple[int, ...] = ()) -> Path:
        key = key_of(name)
        folder = self.settings.ensembles / key[:16]
        folder.mkdir(parents=True)
        (folder / "member_00.keras").write_bytes(b"0" * 1000)
        row = self.connection.execute(
            "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
            "VALUES (%s, %s, 'dr3', %s, 'complete', 1, 1, '{}') RETURNING ensemble_id",
            (key, run_id, str(folder)),
        ).fetchone()
        assert row is not None
        for user in used_by:
            self.connection.execute(
                f"INSERT INTO production.label (run_id, release, source_id, ensemble_id, n_members, {_LABELS}) "
                f"SELECT %s, 'dr3', n, %s, 1{', 1' * 15} FROM generate_series(1, %s) AS n",
                (user, row[0], ROWS),
            )
        self.connection.commit()
        return folder

    def maps(self, run_id: int, name: str, used_by: tuple[int, ...] = ()) -> Path:
        key = key_of(name)
        folder = self.settings.home / "likeness" / key[:16]
        folder.mkdir(parents=True)
        (folder / "maps.npy").write_bytes(b"0" * 500)
        self.connection.execute(
            "INSERT INTO production.likeness_reference (key, run_id, release, path, n_stars, n_training, settings) "
            "VALUES (%s, %s, 'dr3', %s, 1, 1, '{}')",
            (key, run_id, str(folder)),
        )
        for user in used_by:
            self.connection.execute(
                "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, n_training, n_observed, "
                "settings, reference) VALUES (%s, 30, 1, 0.99, 1, 1, '{}', %s)",
                (user, key),
            )
        self.connection.commit()
        return folder

    def publish(self, run_id: int, version: int) -> Path:
        self.connection.execute(
            "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) "
            "VALUES (%s, %s, 1, %s, false)",
            (version, run_id, key_of("content")),
        )
        self.connection.commit()
        folder = self.settings.exports / f"v{version}"
        folder.mkdir(parents=True)
        (folder / "rvs_cnn.fits").write_bytes(b"0" * 100)
        return folder

    def runs(self) -> list[int]:
        rows = self.connection.execute("SELECT run_id FROM production.run ORDER BY run_id").fetchall()
        self.connection.rollback()
        return [row[0] for row in rows]

    def count(self, table: str) -> dict[int, int]:
        rows = self.connection.execute(f"SELECT run_id, count(*) FROM production.{table} GROUP BY run_id").fetchall()  # type: ignore[arg-type]
        self.connection.rollback()
        return dict(rows)

    def files(self) -> set[str]:
        home = self.settings.home
        return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


@pytest.fixture
def past(connection: psycopg.Connection, settings: Settings) -> Past:
    return Past(connection, settings)


@pytest.fixture
def make_past() -> Callable[[psycopg.Connection, Settings], Past]:
    return Past

"""An installation with a published catalogue, and what a test does with it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog import stages
from catalog.database import extensions, ledger
from catalog.profiles import Profile, load_profile
from catalog.progress import Listener, silent
from catalog.releases import load_release
from catalog.settings import Settings
from catalog.update import Prepared, prepare_update, without_new_stars
from catalog.validation.figures.catalogue import FIGURES, Drawing

TABLES = {
    "sample_star": "source_id",
    "sample_funnel": "sample, step",
    "label": "source_id",
    "likeness_map": "perplexity",
    "likeness": "perplexity, source_id",
    "companion": "threshold",
    "training_distance": "source_id",
    "boundary_limit": "quantity",
    "boundary": "source_id",
    "validation_result": "comparison, subset, label",
    "changed_star": "source_id, product",
}


class KillAt(Listener):
    """Kills this process in the middle of a stage."""

    def __init__(self, stage: str, times: int) -> None:
        self.stage, self.times, self.at = stage, times, ""

    def begin(self, stage: str) -> None:
        self.at = stage

    def __call__(self, done: float, total: float, what: str = "") -> None:
        if self.at == self.stage:
            self.times -= 1
            if self.times < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def perform_update(
    connection: psycopg.Connection, settings: Settings, profile: Profile, listener: Listener = silent
) -> tuple[Prepared, dict[str, Any]]:
    """Do what the flow does, without Prefect."""
    with ledger.exclusive(connection, extensions.find_base(connection, profile)):
        found = prepare_update(connection, profile, settings, listener)
        results: dict[str, Any] = {}
        if found.run is None:
            return found, results
        for stage in stages.plan(profile, extension=True)[1:]:
            _, results[stage.name] = stages.run_stage(connection, found.run, stage.name, settings, listener)
            if stage.name == "sample" and without_new_stars(connection, found.run, results["sample"].counts):
                return found, results
        ledger.finish_run(connection, found.run)
    return found, results


def leave_out_figures(patch: pytest.MonkeyPatch) -> None:
    """Validate without drawing: what is drawn depends on rows that are compared here."""
    drawings = [Drawing(spec, None, "left out") for spec in FIGURES]
    patch.setattr("catalog.validation.stage.draw_figures", lambda *_: drawings)


class Installation:
    """A home and a database with a published catalogue."""

    def __init__(self, home: Path, url: str, profile: Path, sky: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.url, self.profile_file, self.sky, self.patch = home, url, profile, sky, patch
        self.profile = load_profile(str(profile))
        self.settings = Settings(home=home, database_url=url, workers=2)
        self.surveys = home / "surveys" / self.profile.data_release

    def deliver(self, number: int, *products: str) -> None:
        """Put a file that was held back into the survey folder."""
        for product in products or load_release("dr3").bulk_files:
            path = sorted((self.sky / product).glob("*.csv.gz"))[number]
            shutil.copy(path, self.surveys / product / path.name)

    def update(self, profile: Profile | None = None) -> tuple[Prepared, dict[str, Any]]:
        self.patch.setenv("RVSCAT_HOME", str(self.home))
        self.patch.setenv("RVSCAT_DATABASE_URL", self.url)
        leave_out_figures(self.patch)
        with psycopg.connect(self.url) as connection:
            return perform_update(connection, self.settings, profile or self.profile)

    def killed_update(self, stage: str, times: int) -> None:
        """Update in a process that is killed in the middle of `stage`."""
        process = subprocess.run(
            [sys.executable, "-m", "tests.update.working", str(self.profile_file), stage, str(times)],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "RVSCAT_HOME": str(self.home),
                "RVSCAT_DATABASE_URL": self.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == -signal.SIGKILL, process.stdout + process.stderr

    def rows(self, query: str, *parameters: object) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def content(self, run_id: int) -> dict[str, list[Any]]:
        """Return all rows of a run, but for the run's number."""
        return {
            table: self.rows(
                f"SELECT to_jsonb(t) - 'run_id' FROM production.{table} AS t WHERE run_id = %s ORDER BY {order}", run_id
            )
            for table, order in TABLES.items()
        }


def main() -> None:
    """Update, and be killed."""
    from catalog.database.connection import connect
    from catalog.settings import load_settings

    profile, stage, times = sys.argv[1:]
    settings = load_settings()
    with pytest.MonkeyPatch.context() as patch, connect(settings) as connection:
        leave_out_figures(patch)
        perform_update(connection, settings, load_profile(profile), KillAt(stage, int(times)))


if __name__ == "__main__":
    main()

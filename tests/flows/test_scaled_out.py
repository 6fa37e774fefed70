"""Ingest, prediction and likeness by a Dask cluster: the catalogue of one machine, also when a worker is killed."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.boundary import placed
from catalog.boundary.stage import flag_boundary
from catalog.database.acting import acting
from catalog.database.ledger import Run, open_run
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.features import ranges
from catalog.profiles import load_profile
from catalog.profiles.model import LikenessSettings, Profile
from catalog.settings import Settings
from catalog.stages import find_stage
from catalog.surveys.ingest import ingest_surveys
from flows.distribution import distributed
from tests.boundary.test_incremental import later_run
from tests.ensemble.conftest import SMALL, InProcess
from tests.features.sky import make_sky, store_sky
from tests.flows.clusters import Cluster, start_cluster
from tests.surveys.files import FIRST_ID, spectra, write_bulk

pytest.importorskip("prefect_dask", reason="rvscat[dask] is not installed: no cluster to work on")
pytestmark = pytest.mark.usefixtures("prefect_server")

STARS = 600
"""In parts of 40, so that there is a middle to kill a worker in."""


@dataclass
class Sky:
    """Stars in a database, an ensemble for them, and a cluster that reaches both."""

    settings: Settings
    profile: Profile
    run: Run
    cluster: Cluster

    def rows(self, table: str, run: Run | None = None) -> list[tuple[str]]:
        where = "" if run is None else f" WHERE run_id = {run.run_id}"
        return self.ask(f"SELECT row(star.*)::text FROM {table} AS star{where} ORDER BY 1")

    def ask(self, query: str) -> list[Any]:
        assert self.settings.database_url is not None
        with psycopg.connect(self.settings.database_url) as connection:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def do(self, stage: Callable[..., Any], run: Run, killed: bool = False) -> Any:
        """Do a stage by the cluster; kill a worker when a third is done."""
        settings = self.settings.model_copy(update={"task_runner": "dask", "dask_address": self.cluster.address})
        before = self.cluster.workers()
        killed_one = not killed

        def progress(done: float, total: float, what: str = "") -> None:
            nonlocal killed_one
            if not killed_one and done > total / 3:
                os.kill(before[0], signal.SIGKILL)
                killed_one = True

        assert settings.database_url is not None
        role = find_stage("ingest" if stage is ingest_surveys else "predict").role
        with (
            psycopg.connect(settings.database_url) as connection,
            acting(connection, role),
            distributed(settings),
        ):
            result = stage(connection, run, settings, progress)
        assert killed_one
        if killed:
            assert before[0] not in self.cluster.workers()
        return result


@pytest.fixture(scope="module")
def sky(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sky]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("RVSCAT_HOME", str(home))
        patch.setenv("RVSCAT_DATABASE_URL", module_database_url)
        patch.setattr(ranges, "PART_STARS", 40)
        patch.setattr(placed, "PART_STARS", 40)
        patch.setattr("catalog.ensemble.training.building.train_members", InProcess())
        tiny = load_profile("tiny")
        training = tiny.training.model_copy(
            update={"splits": 2, "initialisations": 1, "max_epochs": 2, "min_training_stars": 20}
        )
        maps = LikenessSettings(
            perplexities=(5, 10), n_components=10, early_exaggeration_iter=25, n_iter=25, quantile=0.95
        )
        profile = tiny.model_copy(update={"network": SMALL, "training": training, "likeness": maps})
        settings = Settings(home=home, database_url=module_database_url, workers=2)
        with psycopg.connect(module_database_url) as connection, start_cluster(2) as cluster:
            run = open_run(connection, profile)
            store_sky(connection, run, make_sky(STARS, STARS - 100))
            train_ensemble(connection, run, settings)
            yield Sky(settings, profile, run, cluster)


def test_a_killed_worker_changes_no_label_and_no_flag(sky: Sky) -> None:
    settings, run = sky.settings, sky.run
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        here = predict_labels(connection, run, settings)
        whole = sky.rows("production.label", run)
        assert len(whole) == STARS
        connection.execute("DELETE FROM production.label")
    result = sky.do(predict_labels, run, killed=True)
    assert sky.rows("production.label", run) == whole
    assert result.counts["labelled"] == STARS
    assert result.counts["runtime_version"] == here.counts["runtime_version"]

    # The joint maps are made on one machine; new spectra are placed in them.
    tables = ("production.likeness", "production.training_distance", "production.boundary")
    with psycopg.connect(settings.database_url) as connection:
        flag_boundary(connection, run, settings)
        # Spectra that have changed are new ones.
        connection.execute(
            "UPDATE survey.rvs_spectrum SET flux = (SELECT other.flux FROM survey.rvs_spectrum AS other "
            "WHERE other.source_id < star.source_id ORDER BY other.source_id DESC LIMIT 1) "
            "FROM survey.rvs_spectrum AS star WHERE star.source_id = rvs_spectrum.source_id "
            "AND star.source_id > (SELECT min(source_id) + 2e17 FROM survey.rvs_spectrum)"
        )
        later = later_run(connection, run, sky.profile)
        here = flag_boundary(connection, later, settings)
        assert here.counts["placed"] > STARS / 2
        before = [sky.rows(table, later) for table in tables]
        for table in (*tables, "production.likeness_map", "production.companion"):
            connection.execute(f"DELETE FROM {table} WHERE run_id = %s", (later.run_id,))
    result = sky.do(flag_boundary, later, killed=True)
    assert [sky.rows(table, later) for table in tables] == before
    assert result.counts == here.counts


def test_files_read_by_a_cluster(sky: Sky) -> None:
    run = sky.run
    folder = sky.settings.surveys / run.release / "rvs_mean_spectrum"
    for number in range(8):
        # Every file has a star of the one before.
        columns = spectra(5, first_id=FIRST_ID + 4 * number, seed=number)
        write_bulk(Path(folder / f"{number}.csv.gz"), "rvs_mean_spectrum", columns)
    queries = (
        f"SELECT source_id, flux FROM survey.rvs_spectrum WHERE source_id < {FIRST_ID + 100} ORDER BY 1",
        """SELECT name, row_number, identifier, rule, reason
        FROM production.quarantine JOIN production.ingest_file USING (file_id) ORDER BY 1, 2""",
        """SELECT name, status, n_rows, n_quarantined, sha256
        FROM production.ingest_file WHERE product = 'rvs_mean_spectrum' ORDER BY 1""",
    )
    assert sky.settings.database_url is not None
    with psycopg.connect(sky.settings.database_url) as connection:
        here = ingest_surveys(connection, run, sky.settings)
    before = [sky.ask(query) for query in queries]
    assert [len(rows) for rows in before] == [33, 7, 8]
    sky.ask("DELETE FROM production.ingest_file WHERE product = 'rvs_mean_spectrum'")
    result = sky.do(ingest_surveys, run)
    assert [sky.ask(query) for query in queries] == before
    assert result.counts == here.counts

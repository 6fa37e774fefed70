"""Disks, files and processes that fail: a clear error, and afterwards the same command gives the same result."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from catalog import stages
from catalog.database import ledger
from catalog.database.ledger import Run, StageResult
from catalog.ensemble import verify_artefact
from catalog.ensemble.prediction import labelling
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.ensemble.studies.stage import study_ensemble
from catalog.errors import ArtefactError, DatabaseError, RvscatError
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.ensemble.outcomes import ensemble_folder, labels_of
from tests.features.sky import make_sky, store_sky

FILES = ("ensemble.json", "scalers.json", "training.npz", "member_00.keras", "member_01.keras", CHECKSUMS)


@pytest.fixture(autouse=True)
def stars(connection: psycopg.Connection, run: Run) -> None:
    store_sky(connection, run, make_sky(60, 20))


def change_one_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def labels_then_none(connection: psycopg.Connection, run: Run, settings: Settings) -> np.ndarray:
    """The labels of an undisturbed prediction, which are gone afterwards, and their pages with them."""
    predict_labels(connection, run, settings)
    labels = labels_of(connection, run)
    connection.execute("TRUNCATE production.label CASCADE")
    connection.commit()
    return labels


def weights_of(connection: psycopg.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT weights_sha256 FROM production.ensemble_member ORDER BY member").fetchall()


def test_one_changed_byte_of_any_file_is_found_and_trained_anew(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    train_ensemble(connection, run, settings)
    predict_labels(connection, run, settings)
    weights, labels = weights_of(connection), labels_of(connection, run)
    folder = ensemble_folder(settings)
    assert {file.name for file in folder.iterdir()} == {*FILES}
    for name in FILES:
        change_one_byte(folder / name)
        with pytest.raises(ArtefactError, match=rf"{name} (has been altered|is not the one that was recorded)") as told:
            predict_labels(connection, run, settings)
        assert "rvscat train" in told.value.remedy
        connection.rollback()
        with pytest.raises(ArtefactError, match=name):
            study_ensemble(connection, run, settings)
        connection.rollback()
        in_process.trained.clear()
        result = train_ensemble(connection, run, settings)
        assert in_process.trained == [0, 1], name
        assert any("altered" in note and "put aside" in note for note in result.notes), name
        verify_artefact(folder)
        assert weights_of(connection) == weights
    predict_labels(connection, run, settings)
    np.testing.assert_array_equal(labels_of(connection, run), labels)


PREDICT = """
import sys
import time
from catalog.database.connection import connect
from catalog.database.ledger import find_run
from catalog.ensemble.prediction import labelling
from catalog.settings import load_settings
labelling.PAGE_SIZE = 10
with connect(load_settings()) as connection:
    run = find_run(connection, int(sys.argv[1]))
    # Slow enough to be met half-way.
    labelling.predict_labels(connection, run, load_settings(), lambda *told: time.sleep(0.2))
"""


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "PAGE_SIZE", 10)


@pytest.mark.usefixtures("in_process", "small_pages")
def test_a_killed_prediction_goes_on_to_the_same_labels(
    connection: psycopg.Connection, run: Run, settings: Settings
) -> None:
    train_ensemble(connection, run, settings)
    whole = labels_then_none(connection, run, settings)

    process = subprocess.Popen(
        [sys.executable, "-c", PREDICT, str(run.run_id)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    deadline = time.monotonic() + 300
    while not (committed := len(labels_of(connection, run))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        connection.rollback()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    left = labels_of(connection, run)
    # Whole pages, and the first ones.
    assert committed <= len(left) < 60
    assert len(left) % 10 == 0
    np.testing.assert_array_equal(left, whole[: len(left)])
    connection.commit()
    result = predict_labels(connection, run, settings)
    assert result.counts["labelled"] == 60
    assert any(f"{len(left)} stars had been labelled before" in note for note in result.notes)
    np.testing.assert_array_equal(labels_of(connection, run), whole)


class SmallDisk:
    """A file system in memory that a test can fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, left: int = 0) -> None:
        """Take all room but `left` bytes."""
        room = shutil.disk_usage(self.folder).free - left
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk() -> Iterator[Callable[[int, int], SmallDisk]]:
    """Maker of small disks: their size in MB and the account that may write there."""
    mounted: list[Path] = []

    def make(size: int, owner: int) -> SmallDisk:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small disk to fill")
        folder = Path(tempfile.mkdtemp(prefix="rvscat-disk-"))
        mounted.append(folder)
        options = f"size={size}m,uid={owner},mode=700"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a small disk to fill cannot be mounted here: {done.stderr.strip()}")
        return SmallDisk(folder)

    yield make
    for folder in mounted:
        # Spectra may still be mapped from it.
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
        folder.rmdir()


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("member 2 of 2, epoch 2", "Member 2 could not be saved"),
        ("member 2 of 2 finished", "The ensemble could not be saved"),
    ],
)
def test_a_disk_that_fills_up_in_training_leaves_nothing_half_written(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    in_process: InProcess,
    small_disk: Callable[[int, int], SmallDisk],
    moment: str,
    words: str,
) -> None:
    disk = small_disk(96, os.geteuid())
    tight = settings.model_copy(update={"home": disk.folder})

    def fill(done: float, total: float, what: str = "") -> None:
        if moment in what:
            disk.fill()

    with pytest.raises(RvscatError, match=rf"{words} in {disk.folder}.*No space left on device") as told:
        train_ensemble(connection, run, tight, fill)
    assert "Make room there" in told.value.remedy
    connection.rollback()
    # The work folder, and no ensemble, neither whole nor half.
    assert [path.name[:6] for path in tight.ensembles.iterdir()] == [".work-"]
    assert connection.execute("SELECT status FROM production.ensemble").fetchall() == [("training",)]
    disk.make_room()
    in_process.trained.clear()
    train_ensemble(connection, run, tight)
    assert in_process.trained == ([1] if words.startswith("Member") else [])
    verify_artefact(ensemble_folder(tight))
    weights = weights_of(connection)
    # The same training on a disk with room.
    connection.execute("DELETE FROM production.ensemble")
    connection.commit()
    train_ensemble(connection, run, settings)
    assert weights_of(connection) == weights


@contextmanager
def tablespace(connection: psycopg.Connection, small_disk: Callable[[int, int], SmallDisk]) -> Iterator[SmallDisk]:
    """Keep ``production.label`` on a small disk of the database server."""
    row = connection.execute(
        "SELECT current_setting('data_directory', true), usesuper FROM pg_user WHERE usename = current_user"
    ).fetchone()
    connection.commit()
    assert row is not None
    if not row[1] or row[0] is None or not Path(row[0]).is_dir():
        pytest.skip("only a superuser of a database server on this machine can keep a table on a small disk")
    disk = small_disk(1, Path(row[0]).stat().st_uid)
    name = sql.Identifier(f"rvscat_{uuid.uuid4().hex[:12]}")
    with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as outside:
        outside.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, str(disk.folder)))
        try:
            outside.execute(sql.SQL("ALTER TABLE production.label SET TABLESPACE {}").format(name))
            yield disk
        finally:
            connection.rollback()
            outside.execute("ALTER TABLE production.label SET TABLESPACE pg_default")
            outside.execute(sql.SQL("DROP TABLESPACE {}").format(name))


def test_a_database_without_room_for_labels(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    in_process: InProcess,
    small_disk: Callable[[int, int], SmallDisk],
) -> None:
    ledger.perform(connection, run, "sample", "key", lambda: StageResult({}))
    stages.run_stage(connection, run, "train", settings)
    whole = labels_then_none(connection, run, settings)
    with tablespace(connection, small_disk) as disk:
        disk.fill()
        with pytest.raises(DatabaseError, match=r"The disk of the database server is full: could not extend") as told:
            stages.run_stage(connection, run, "predict", settings)
        assert "goes on from there" in told.value.remedy
        connection.rollback()
        assert len(labels_of(connection, run)) == 0
        states = connection.execute("SELECT status FROM production.stage WHERE name = 'predict'").fetchall()
        assert states == [("failed",)]
        connection.commit()
        disk.make_room()
        _, result = stages.run_stage(connection, run, "predict", settings)
        assert result.counts["labelled"] == 60
        np.testing.assert_array_equal(labels_of(connection, run), whole)

"""Training and prediction that were stopped, spoilt or ran out of disk: the same result, or none."""

import errno
from types import SimpleNamespace
from typing import Any

import numpy as np
import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble import verify_artefact
from catalog.ensemble.prediction import labelling
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.errors import ArtefactError, NotFoundError, RvscatError
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.ensemble.outcomes import COLUMNS, ensemble_folder, labels_of, stop_labelling, stop_training
from tests.features.sky import Sky


def test_a_stopped_labelling_goes_on_after_the_last_page(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    sky: Sky,
    labelled: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(labelling, "PAGE_SIZE", 25)
    connection.execute("DELETE FROM production.label")
    connection.commit()
    stop_labelling(connection, run, settings, 25)
    assert len(labels_of(connection, run)) == 25
    # Rows beyond the last whole page cannot be trusted.
    connection.execute(
        f"INSERT INTO production.label (run_id, release, source_id, ensemble_id, n_members, {COLUMNS}) "
        f"SELECT run_id, release, %s, ensemble_id, n_members, {COLUMNS} FROM production.label LIMIT 1",
        (int(sky.source_id[30]),),
    )
    result = predict_labels(connection, run, settings)
    np.testing.assert_allclose(labels_of(connection, run), labelled, rtol=1e-5)
    assert any("25 stars had been labelled before" in note for note in result.notes)
    # Pages that an earlier version wrote lack the calibrated sigma: they are done again.
    connection.execute("DELETE FROM production.label WHERE source_id > %s", (int(sky.source_id[24]),))
    connection.execute("UPDATE production.label SET sigma_teff_oof = NULL")
    assert not predict_labels(connection, run, settings).notes
    np.testing.assert_allclose(labels_of(connection, run), labelled, rtol=1e-5)
    # A star that is no longer in the samples: all is done anew.
    gone = int(np.flatnonzero(sky.role == "observed")[0])
    assert gone < 25
    statement = "UPDATE production.sample_star SET role = 'rejected', cut = 'x' WHERE source_id = %s"
    connection.execute(statement, (int(sky.source_id[gone]),))
    connection.execute("DELETE FROM production.label WHERE source_id > %s", (int(sky.source_id[49]),))
    result = predict_labels(connection, run, settings)
    assert result.counts["labelled"] == 59
    assert not result.notes
    np.testing.assert_array_equal(labels_of(connection, run)[:, 0], np.delete(sky.source_id, gone))


def test_a_stopped_training_goes_on_with_the_missing_member(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    stop_training(connection, run, settings)
    assert in_process.trained == [0]
    assert connection.execute("SELECT status, sha256 FROM production.ensemble").fetchall() == [("training", None)]
    with pytest.raises(NotFoundError, match="rvscat train"):
        predict_labels(connection, run, settings)
    told: list[str] = []
    train_ensemble(connection, run, settings, lambda done, total, what="": told.append(what))
    assert in_process.trained == [0, 1]
    assert "1 members were finished before" in told
    interrupted = connection.execute("SELECT weights_sha256 FROM production.ensemble_member ORDER BY member").fetchall()

    # The same training without interruption.
    ensemble_folder(settings).rename(settings.home / "elsewhere")
    train_ensemble(connection, run, settings)
    assert in_process.trained == [0, 1, 0, 1]
    straight = connection.execute("SELECT weights_sha256 FROM production.ensemble_member ORDER BY member").fetchall()
    assert straight == interrupted


def test_a_spoilt_member_of_a_stopped_training_is_trained_again(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    stop_training(connection, run, settings)
    network = next(settings.ensembles.glob(".work-*/members/member_00.keras"))
    network.write_bytes(network.read_bytes()[:-1])
    train_ensemble(connection, run, settings)
    assert in_process.trained == [0, 0, 1]


def test_a_damaged_ensemble_is_put_aside_and_its_labels_go(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    first = train_ensemble(connection, run, settings)
    predict_labels(connection, run, settings)
    folder = ensemble_folder(settings)
    file = folder / "scalers.json"
    file.write_text(file.read_text().replace("0", "1", 1))
    with pytest.raises(ArtefactError, match=r"scalers\.json has been altered"):
        predict_labels(connection, run, settings)
    result = train_ensemble(connection, run, settings)
    assert in_process.trained == [0, 1, 0, 1]
    assert result.counts["ensemble_id"] == first.counts["ensemble_id"]
    assert any("altered" in note and f"{folder.name}.damaged" in note for note in result.notes)
    assert (settings.ensembles / f"{folder.name}.damaged" / "scalers.json").is_file()
    assert len(labels_of(connection, run)) == 0
    assert predict_labels(connection, run, settings).counts["labelled"] == 60


def test_another_ensemble_in_its_place_is_refused(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: Sky, in_process: InProcess
) -> None:
    train_ensemble(connection, run, settings)
    folder = ensemble_folder(settings)
    connection.execute("UPDATE production.ensemble SET sha256 = %s", ("0" * 64,))
    with pytest.raises(ArtefactError, match="not the one that was recorded"):
        predict_labels(connection, run, settings)
    (folder / CHECKSUMS).unlink()
    with pytest.raises(ArtefactError, match="is gone"):
        predict_labels(connection, run, settings)


def test_a_full_disk_leaves_no_half_of_an_ensemble(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    sky: Sky,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000))
        with pytest.raises(RvscatError, match=r"The training needs about \d+ MB in .*; 5 MB are free"):
            train_ensemble(connection, run, settings)
    connection.rollback()
    assert in_process.trained == []

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("numpy.savez", full)
        with pytest.raises(RvscatError, match=r"The ensemble could not be saved in .*No space left on device"):
            train_ensemble(connection, run, settings)
    connection.rollback()
    assert [path.name[:6] for path in settings.ensembles.iterdir()] == [".work-"]
    train_ensemble(connection, run, settings)
    assert in_process.trained == [0, 1]
    assert verify_artefact(ensemble_folder(settings))

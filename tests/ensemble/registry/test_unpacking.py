from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from catalog.database.ledger import Run, open_run
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.registry.files import sha256_file
from catalog.ensemble.registry.listing import ListedEnsemble, list_ensembles, verify_listed
from catalog.ensemble.registry.portable import pack_ensemble
from catalog.ensemble.registry.unpacking import unpack_ensemble
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.ensemble.training.work import work_folder
from catalog.errors import ArtefactError, RvscatError
from catalog.settings import Settings
from tests.ensemble.conftest import InProcess
from tests.features.sky import make_sky, store_sky


@dataclass
class Elsewhere:
    """Another installation: a database and a data folder of its own."""

    connection: psycopg.Connection
    settings: Settings

    def ensembles(self) -> list[ListedEnsemble]:
        return list_ensembles(self.connection, self.settings)


@pytest.fixture
def elsewhere(fresh_database: Callable[[], AbstractContextManager[str]], tmp_path: Path) -> Iterator[Elsewhere]:
    home = tmp_path / "elsewhere"
    home.mkdir()
    with fresh_database() as url, psycopg.connect(url) as connection:
        yield Elsewhere(connection, Settings(home=home, database_url=url, workers=2))


@pytest.fixture
def packed(pair: list[ListedEnsemble], tmp_path: Path) -> Path:
    return pack_ensemble(pair[0].path, tmp_path / "first.tar").file


def test_an_ensemble_goes_elsewhere_and_is_used_there(
    run: Run, pair: list[ListedEnsemble], packed: Path, elsewhere: Elsewhere, in_process: InProcess
) -> None:
    found = unpack_ensemble(elsewhere.connection, elsewhere.settings, packed)
    assert not found.was_there
    (listed,) = elsewhere.ensembles()
    assert (listed.ensemble_id, listed.key, listed.path) == (found.ensemble_id, pair[0].key, found.folder)
    assert (listed.run_id, listed.unpacked_from, listed.folder) == (None, "first.tar", "whole")
    assert (listed.n_training, listed.n_members, listed.metrics) == (40, 2, pair[0].metrics)
    assert listed.settings == pair[0].settings
    assert verify_listed(listed) is None
    assert not list(elsewhere.settings.ensembles.glob(".*"))
    members = "SELECT member, seed, history, weights_sha256, verdict FROM production.ensemble_member ORDER BY member"
    assert len(elsewhere.connection.execute(members).fetchall()) == 2

    # The same stars and settings there: nothing is trained, and its labels are made with it.
    there = open_run(elsewhere.connection, run.profile)
    store_sky(elsewhere.connection, there, make_sky(60, 20))
    trained = list(in_process.trained)
    result = train_ensemble(elsewhere.connection, there, elsewhere.settings)
    assert (result.counts["ensemble_id"], result.counts["members_trained"]) == (found.ensemble_id, 0)
    assert in_process.trained == trained
    predict_labels(elsewhere.connection, there, elsewhere.settings)
    (listed,) = elsewhere.ensembles()
    assert (listed.run_id, listed.runs, listed.unpacked_from) == (there.run_id, (there.run_id,), "first.tar")


def test_what_is_there_is_not_put_there_again(
    connection: psycopg.Connection, settings: Settings, pair: list[ListedEnsemble], packed: Path
) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in pair[0].path.iterdir())
    found = unpack_ensemble(connection, settings, packed)
    assert (found.was_there, found.ensemble_id) == (True, pair[0].ensemble_id)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in pair[0].path.iterdir()) == before
    assert list_ensembles(connection, settings) == pair
    # A damaged folder is replaced, from the same ensemble.
    (pair[0].path / "scalers.json").write_text("{}")
    assert not unpack_ensemble(connection, settings, packed).was_there
    assert [verify_listed(each) for each in list_ensembles(connection, settings)] == [None, None]


def test_another_ensemble_of_that_key_stays(
    connection: psycopg.Connection,
    run: Run,
    settings: Settings,
    pair: list[ListedEnsemble],
    packed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Trained again, with other weights: on another machine, say.
    monkeypatch.setattr("catalog.ensemble.training.task.member_seed", lambda *_: 99)
    connection.execute("UPDATE production.ensemble SET status = 'training', sha256 = NULL")
    connection.commit()
    for each in pair:
        each.path.rename(settings.home / each.path.name)
    train_ensemble(connection, run, settings)
    folder = settings.ensembles / pair[0].path.name
    now = sha256_file(folder / CHECKSUMS)
    with pytest.raises(ArtefactError, match=r"with the same settings .* but is another one"):
        unpack_ensemble(connection, settings, packed)
    # Nor when only its folder, or only its row, is left.
    folder.rename(settings.home / "aside")
    with pytest.raises(ArtefactError, match="ensemble 1 was trained on the same stars"):
        unpack_ensemble(connection, settings, packed)
    (settings.home / "aside").rename(folder)
    connection.execute("DELETE FROM production.ensemble")
    with pytest.raises(ArtefactError, match="but is another one"):
        unpack_ensemble(connection, settings, packed)
    assert sha256_file(folder / CHECKSUMS) == now
    assert not list(settings.ensembles.glob(".unpack*"))


def test_a_damaged_file_changes_nothing(packed: Path, elsewhere: Elsewhere) -> None:
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    packed.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"its SHA-256 is not the one in first\.tar\.sha256"):
        unpack_ensemble(elsewhere.connection, elsewhere.settings, packed)
    packed.with_name("first.tar.sha256").unlink()
    with pytest.raises(ArtefactError, match="holds no whole ensemble"):
        unpack_ensemble(elsewhere.connection, elsewhere.settings, packed)
    assert elsewhere.ensembles() == []
    assert not list(elsewhere.settings.home.rglob("*.keras"))


def test_other_features_are_refused(packed: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.ensemble.registry.portable.FEATURES_VERSION", 7)
    with pytest.raises(ArtefactError, match="features of version 1; this rvscat makes version 7"):
        unpack_ensemble(elsewhere.connection, elsewhere.settings, packed)
    assert elsewhere.ensembles() == []


def test_a_training_at_work_is_not_overtaken(
    pair: list[ListedEnsemble], packed: Path, elsewhere: Elsewhere, connection: psycopg.Connection
) -> None:
    row = connection.execute(
        "SELECT settings ->> 'training_key' FROM production.ensemble WHERE ensemble_id = %s", (pair[0].ensemble_id,)
    ).fetchone()
    assert row is not None
    with (
        work_folder(elsewhere.settings.ensembles, row[0]),
        pytest.raises(RvscatError, match="Another process trains the same networks"),
    ):
        unpack_ensemble(elsewhere.connection, elsewhere.settings, packed)
    assert elsewhere.ensembles() == []
    assert not unpack_ensemble(elsewhere.connection, elsewhere.settings, packed).was_there

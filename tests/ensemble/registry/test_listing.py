import shutil

import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.ensemble.registry.artefact import CHECKSUMS
from catalog.ensemble.registry.keys import ensemble_keys
from catalog.ensemble.registry.listing import (
    KINDS,
    ListedEnsemble,
    find_ensemble,
    list_ensembles,
    read_manifest,
    settings_of,
    unregistered,
    verify_listed,
)
from catalog.ensemble.stage import predict_labels
from catalog.errors import ArtefactError, NotFoundError
from catalog.metadata import LABELS
from catalog.profiles.model import NetworkSettings, TrainingSettings, UncertaintySettings
from catalog.settings import Settings


def publish(connection: psycopg.Connection, run: Run, version: int, current: bool) -> None:
    connection.execute(
        "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) VALUES (%s, %s, 60, %s, %s)",
        (version, run.run_id, "0" * 64, current),
    )


def test_each_ensemble_is_listed_with_all_that_is_known(
    connection: psycopg.Connection, run: Run, variant: Run, settings: Settings, pair: list[ListedEnsemble]
) -> None:
    first, second = pair
    assert [each.key for each in pair] == [ensemble_keys(connection, each)[0] for each in (run, variant)]
    assert (first.variant, second.variant) == ("full", "rvs")
    assert (first.run_id, first.profile, first.release) == (run.run_id, run.profile.name, run.release)
    assert (first.n_training, first.n_members, first.folder, first.status) == (40, 2, "whole", "complete")
    assert first.n_bytes == sum(file.stat().st_size for file in first.path.iterdir()) > 20_000
    assert (first.runs, first.versions, first.current) == ((), (), None)
    # Only what is not the default.
    assert first.differing["training.max_epochs"] == 2
    assert first.differing["network.filters"] == [4, 3, 2]
    assert "training.train_fraction" not in first.differing
    assert "network.inputs" not in first.differing
    assert second.differing["network.inputs"] == ["spectrum"]
    manifest = read_manifest(first)
    for kind in KINDS:
        assert {name: first.metrics[kind][name] for name in first.metrics[kind]} == manifest.metrics[kind]
    assert set(first.metrics["all_members"]) == {label.name for label in LABELS}


def test_it_tells_the_catalogues_made_with_it(
    connection: psycopg.Connection, run: Run, variant: Run, settings: Settings, pair: list[ListedEnsemble]
) -> None:
    predict_labels(connection, run, settings)
    publish(connection, run, 1, False)
    publish(connection, run, 2, True)
    first, second = list_ensembles(connection, settings)
    assert (first.runs, first.versions, first.current) == ((run.run_id,), (1, 2), 2)
    assert (second.runs, second.versions, second.current) == ((), (), None)


def test_names_are_numbers_or_beginnings_of_keys(pair: list[ListedEnsemble]) -> None:
    first, second = pair
    assert find_ensemble(pair, str(second.ensemble_id)) is second
    n = next(n for n in range(1, 65) if first.key[:n] != second.key[:n])
    # The number of an ensemble goes before the key of another.
    short = ListedEnsemble(**{**vars(second), "ensemble_id": 7, "key": "7" * 64})
    assert find_ensemble([first, short], "7") is find_ensemble([first, short], "7777") is short
    assert find_ensemble([first, ListedEnsemble(**{**vars(second), "key": "1" * 64})], "1") is first
    assert find_ensemble(pair, first.key[: max(n, 8)]) is first
    assert find_ensemble(pair, first.key) is first
    with pytest.raises(NotFoundError, match="no ensemble '9999'"):
        find_ensemble(pair, "9999")
    with pytest.raises(NotFoundError, match="no ensemble 'xyz'"):
        find_ensemble(pair, "xyz")
    with pytest.raises(NotFoundError, match="no ensemble ''"):
        find_ensemble(pair, "")
    alike = [first, ListedEnsemble(**{**vars(first), "ensemble_id": 77})]
    with pytest.raises(NotFoundError, match="2 keys of ensembles begin with"):
        find_ensemble(alike, first.key[:16])


def test_the_state_of_a_folder_is_told(
    connection: psycopg.Connection, settings: Settings, pair: list[ListedEnsemble]
) -> None:
    first, second = pair
    assert [verify_listed(each) for each in pair] == [None, None]
    # One byte changed: the list does not read contents, the verification does.
    network = first.path / "member_01.keras"
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    assert list_ensembles(connection, settings)[0].folder == "whole"
    assert "member_01.keras has been altered" in str(verify_listed(first))
    network.unlink()
    broken = list_ensembles(connection, settings)[0]
    assert broken.folder == "member_01.keras missing"
    assert "member_01.keras is missing" in str(verify_listed(broken))

    checksums = second.path / CHECKSUMS
    checksums.write_text(checksums.read_text().replace("\n", "\n", 1) + f"{'0' * 64}  more\n")
    (second.path / "more").write_bytes(b"")
    assert list_ensembles(connection, settings)[1].folder == "altered"
    checksums.unlink()
    assert list_ensembles(connection, settings)[1].folder == f"{CHECKSUMS} missing"
    shutil.rmtree(second.path)
    gone = list_ensembles(connection, settings)[1]
    assert (gone.folder, gone.n_bytes) == ("missing", 0)
    assert verify_listed(gone) is not None


def test_an_ensemble_in_another_ensembles_place_is_no_ensemble(
    connection: psycopg.Connection, settings: Settings, pair: list[ListedEnsemble]
) -> None:
    first, second = pair
    shutil.rmtree(first.path)
    shutil.copytree(second.path, first.path)
    swapped = list_ensembles(connection, settings)[0]
    assert swapped.folder == "altered"
    with pytest.raises(ArtefactError, match="is not the one that was recorded"):
        read_manifest(swapped)


def test_a_training_is_listed_before_it_has_ended(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (%s, %s, 'dr3', '/nowhere', 'training', 28, 1000, '{}')",
        ("c" * 64, run.run_id),
    )
    (listed,) = list_ensembles(connection, settings)
    assert (listed.status, listed.folder, listed.variant, listed.differing) == ("training", "in training", "full", {})
    assert listed.metrics["out_of_fold"]["teff"] == {"n": 0}


def test_folders_that_no_database_knows_are_found(settings: Settings, pair: list[ListedEnsemble]) -> None:
    assert unregistered(pair, settings) == []
    assert unregistered(pair[:1], settings) == [pair[1].path]
    (settings.ensembles / ".work-0123").mkdir()
    (settings.ensembles / "mine").mkdir()
    assert unregistered(pair, settings) == []


def test_settings_have_their_defaults_where_nothing_was_recorded() -> None:
    found = settings_of({"network": {"dropout": 0.5}})
    assert found["network.dropout"] == 0.5
    assert found["network.inputs"] == ["spectrum", "scalars", "xp"]
    assert len(found) == sum(
        len(model.model_fields) for model in (NetworkSettings, TrainingSettings, UncertaintySettings)
    )

"""What deployed flows do when they run: once what is new, afterwards nothing, and never on another database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Pending

from catalog.cli.main import cli
from catalog.errors import ConfigurationError, NotFoundError
from catalog.settings import Settings
from flows import scheduled
from flows.place import DATABASE, check_place, describe_database, place_variables
from flows.update import update_catalogue


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def told(state: State[Any]) -> tuple[str, str]:
    return state.name or "", state.message or ""


def test_files_are_read_once_and_a_late_run_says_that_nothing_is_new(
    client: SyncPrefectClient, settings: Settings
) -> None:
    name, message = told(scheduled.ingest("tiny", return_state=True))
    assert name == "Completed", message
    assert "14 files read" in message
    late = scheduled.ingest("tiny", return_state=True)
    name, message = told(late)
    assert name == "Nothing new"
    assert message == "Nothing new: run 1 has done mock and ingest with the same files and settings."
    assert late.result()["run_id"] == 1
    artefacts = client.request("POST", "/artifacts/filter", json={"sort": "CREATED_DESC"}).json()
    data = [each["data"] for each in artefacts if each["key"] == "ingest-tiny"]
    assert data[0].startswith("Nothing new")
    assert "| ingest | done before: 14 files read |" in data[0]
    assert data[1].startswith("Run 1: ")


@pytest.mark.parametrize(
    ("outcome", "name", "message"),
    [
        ({"base_run_id": 4, "run_id": None, "stages": {}, "notes": []}, "Nothing new", "that run 4 and its catalogue"),
        (
            {"base_run_id": 4, "run_id": None, "stages": {}, "notes": ["2 new spectra, rejected by the quality cuts."]},
            "Nothing new",
            "Nothing new: 2 new spectra, rejected by the quality cuts.",
        ),
        (
            {
                "base_run_id": 4,
                "run_id": 5,
                "stages": {
                    "sample": {"counts": {"added": 3}, "notes": [], "skipped": False},
                    "publish": {"counts": {"version": 2, "rows": 4003}, "notes": [], "skipped": False},
                },
                "notes": [],
            },
            "Completed",
            "Run 5: sample: 3 added; publish: version 2, 4,003 rows.",
        ),
    ],
)
def test_the_nightly_run_says_what_the_update_found(
    client: SyncPrefectClient,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    outcome: dict[str, Any],
    name: str,
    message: str,
) -> None:
    monkeypatch.setattr("flows.update.update_catalogue", lambda profile: outcome)
    state = scheduled.update("tiny", return_state=True)
    assert state.name == name
    assert message in (state.message or "")


def test_without_a_published_catalogue_the_nightly_run_fails_and_says_so(
    client: SyncPrefectClient, settings: Settings
) -> None:
    state = scheduled.update("tiny", return_state=True)
    assert state.name == "Failed"
    with pytest.raises(NotFoundError):
        state.result()


@pytest.mark.parametrize(
    ("work", "title"),
    [(scheduled.update, "nightly"), (update_catalogue, "update-catalogue")],
    ids=["nightly", "update"],
)
def test_a_run_is_named_after_what_it_does_and_for_which_profile(
    client: SyncPrefectClient, settings: Settings, work: Flow[..., Any], title: str
) -> None:
    details = work("tiny", return_state=True).state_details
    assert details.flow_run_id is not None
    assert client.read_flow_run(details.flow_run_id).name.startswith(f"{title} of tiny, 20")


def test_an_unknown_source_is_refused_before_anything_is_downloaded(
    client: SyncPrefectClient, settings: Settings
) -> None:
    # Of another release: the schema allows it, this profile's release does not have it.
    state = scheduled.ingest("tiny", ["rvs_epoch_spectrum"], return_state=True)
    assert state.name == "Failed"
    assert "has no source rvs_epoch_spectrum" in (state.message or "")


def test_one_run_at_a_time_the_next_one_waits(
    client: SyncPrefectClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(cli, ["deploy", "production", "--profile", "tiny"], catch_exceptions=False)
    deployment = client.read_deployment_by_name("production/tiny")
    first, second = (client.create_flow_run_from_deployment(deployment.id) for _ in range(2))
    client.set_flow_run_state(first.id, Pending())
    client.set_flow_run_state(second.id, Pending())
    assert client.read_flow_run(first.id).state_name == "Pending"
    assert client.read_flow_run(second.id).state_name == "AwaitingConcurrencySlot"
    client.delete_deployment(deployment.id)


def test_it_never_works_on_another_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = Settings(home=tmp_path, database_url="postgresql://operator:hush@db.example.org/sky")
    monkeypatch.setenv(DATABASE, place_variables(there)[DATABASE])
    check_place(there)
    check_place(Settings(home=tmp_path, database_url="postgresql://another@db.example.org:5432/sky?sslmode=require"))
    for other in (None, "postgresql://operator:hush@db.example.org/moon", "postgresql://db.example.org:5433/sky"):
        with pytest.raises(ConfigurationError, match=r"made for the database db\.example\.org:5432/sky") as caught:
            check_place(Settings(home=tmp_path, database_url=other))
        assert "hush" not in str(caught.value)
    monkeypatch.delenv(DATABASE)
    check_place(Settings(home=tmp_path))


def test_the_database_is_named_without_user_and_password(tmp_path: Path) -> None:
    assert describe_database(Settings(home=tmp_path)) == "embedded"
    for url, name in [
        ("postgresql://operator:hush@db.example.org:5433/sky", "db.example.org:5433/sky"),
        ("postgresql:///sky?host=/run/postgresql&password=hush", "/run/postgresql:5432/sky"),
    ]:
        assert describe_database(Settings(home=tmp_path, database_url=url)) == name

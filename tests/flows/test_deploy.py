"""`rvscat deploy` against a real Prefect server: what comes to stand there, and that doing it twice changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from catalog import __version__
from catalog.cli.main import cli
from catalog.errors import ConfigurationError, NotFoundError
from flows.specification import PREFECT_YAML

FLOWS = ["nightly", "ingest", "training", "production"]


@pytest.fixture
def client(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", "postgresql://operator:hush@db.example.org/sky")
    monkeypatch.setenv("COLUMNS", "140")
    with get_client(sync_client=True) as client:
        yield client
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        for pool in client.read_work_pools():
            client.delete_work_pool(pool.name)


def deploy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["deploy", *arguments], catch_exceptions=False)


def there(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    return client.read_deployment_by_name(name)


def state(client: SyncPrefectClient) -> list[dict[str, Any]]:
    """All that the server knows, times of its own doing included."""
    return sorted((each.model_dump(mode="json") for each in client.read_deployments()), key=lambda each: each["id"])


def test_it_makes_four_deployments_and_the_pool(client: SyncPrefectClient) -> None:
    output = deploy("--profile", "tiny", "--on", "nightly").output
    assert client.read_work_pool("rvscat").type == "process"
    for flow in FLOWS:
        found = there(client, f"{flow}/tiny")
        assert found.version == __version__
        assert found.tags == ["rvscat", flow]
        assert found.description
        assert found.parameters["profile"] == "tiny"
        assert found.enforce_parameter_schema
        assert found.global_concurrency_limit is not None
        assert found.global_concurrency_limit.limit == 1
        assert found.concurrency_options is not None
        assert found.concurrency_options.collision_strategy == "ENQUEUE"
        assert [schedule.active for schedule in found.schedules] == [flow == "nightly"]
        assert f"{flow}/tiny" in output
    assert "prefect worker start --pool rvscat" in output


def test_a_schedule_that_is_on_has_its_next_runs_planned(client: SyncPrefectClient) -> None:
    deploy("nightly", "ingest", "--profile", "tiny", "--on", "nightly", "--cron", "nightly=30 2 * * *")
    planned = client.read_flow_runs()
    assert planned
    assert {run.deployment_id for run in planned} == {there(client, "nightly/tiny").id}
    due = [run.expected_start_time for run in planned]
    assert {(time.hour, time.minute) for time in due if time} == {(2, 30)}
    deploy("nightly", "ingest", "--profile", "tiny")
    assert sorted(run.id for run in client.read_flow_runs()) == sorted(run.id for run in planned)


def test_flow_runs_get_the_data_folder_and_no_password(client: SyncPrefectClient, tmp_path: Path) -> None:
    output = deploy("nightly").output
    found = there(client, "nightly/paper")
    assert found.job_variables == {
        "env": {"RVSCAT_HOME": str(tmp_path), "RVSCAT_DEPLOYED_DATABASE": "db.example.org:5432/sky"}
    }
    assert "hush" not in output + found.model_dump_json()


def test_twice_is_once(client: SyncPrefectClient) -> None:
    deploy("--profile", "tiny", "--on", "nightly")
    before = state(client)
    output = deploy("--profile", "tiny").output
    assert state(client) == before
    assert output.count("unchanged") == 4


def test_what_differs_is_changed_and_keeps_its_id(client: SyncPrefectClient) -> None:
    deploy("--profile", "tiny")
    before = {each["id"] for each in state(client)}
    first = deploy("--profile", "tiny", "--cron", "nightly=0 4 * * *", "--timezone", "Europe/Berlin").output
    assert "changed" in first
    found = there(client, "nightly/tiny")
    (schedule,) = found.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 4 * * *", "Europe/Berlin")  # type: ignore[union-attr]
    assert {each["id"] for each in state(client)} == before


def test_a_switch_stays_as_somebody_left_it(client: SyncPrefectClient) -> None:
    deploy("--profile", "tiny", "--on", "nightly")
    found = there(client, "nightly/tiny")
    client.update_deployment_schedule(found.id, found.schedules[0].id, active=False)
    deploy("--profile", "tiny", "--cron", "nightly=0 5 * * *")
    assert not there(client, "nightly/tiny").schedules[0].active
    deploy("--profile", "tiny", "--on", "nightly")
    assert there(client, "nightly/tiny").schedules[0].active


def test_profiles_stand_beside_each_other(client: SyncPrefectClient, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('description = "Mine."\n')
    deploy("production", "--profile", "paper")
    deploy("production", "--profile", str(mine))
    assert {each.name for each in client.read_deployments()} == {"paper", "mine"}
    assert there(client, "production/mine").parameters == {"profile": str(mine)}


def test_a_dry_run_leaves_nothing(client: SyncPrefectClient) -> None:
    output = deploy("--profile", "tiny", "--dry-run").output
    assert output.count("created") == 4
    assert client.read_deployments() == []
    assert client.read_work_pools() == []


def test_the_server_refuses_bad_parameters(client: SyncPrefectClient) -> None:
    deploy("--profile", "tiny")
    for flow, parameters, words in [
        ("production", {"profile": "papyrus"}, "'papyrus' does not match"),
        ("production", {"profile": 3}, "3 is not of type 'string'"),
        ("ingest", {"sources": ["gaia"]}, "'gaia' is not one of"),
        ("ingest", {"healpix": "everywhere"}, "'everywhere' does not match"),
        ("nightly", {"only_missing": "perhaps"}, "'perhaps' is not of type 'boolean'"),
    ]:
        with pytest.raises(PrefectHTTPStatusError) as caught:
            client.create_flow_run_from_deployment(there(client, f"{flow}/tiny").id, parameters=parameters)
        assert caught.value.response.status_code == 409
        assert words in caught.value.response.text
    assert client.count_flow_runs() == 0


def test_the_form_says_what_is_asked(client: SyncPrefectClient) -> None:
    deploy("ingest")
    properties = there(client, "ingest/paper").parameter_openapi_schema["properties"]  # type: ignore[index]
    assert [each["title"] for each in properties.values()] == [
        "Profile", "Sources to download first", "Only what is missing", "Part of the sky",
    ]  # fmt: skip
    assert all(each["description"] for each in properties.values())
    assert "rvs_mean_spectrum" in properties["sources"]["items"]["enum"]


def test_for_programs_it_is_json(client: SyncPrefectClient) -> None:
    results = json.loads(deploy("--profile", "tiny", "--json", "--source", "gaia_source").output)
    assert [each["name"] for each in results] == [f"{flow}/tiny" for flow in FLOWS]
    assert results[0]["parameters"]["sources"] == ["gaia_source"]
    assert results[0]["deployment_id"] == str(there(client, "nightly/tiny").id)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["weekly"], NotFoundError, "no deployment weekly"),
        (["--on", "weekly"], NotFoundError, "no deployment weekly"),
        (["--profile", "papyrus"], NotFoundError, "papyrus"),
        (["--cron", "nightly=0 4 * *"], ConfigurationError, "0 4"),
        (["--timezone", "Mars/Olympus"], ConfigurationError, "Mars/Olympus"),
        (["--source", "gaia"], ConfigurationError, "'gaia' is not one of"),
    ],
)
def test_what_cannot_be_is_said(
    client: SyncPrefectClient, arguments: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        deploy(*arguments)
    assert client.read_deployments() == []


def test_a_server_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:9/api does not answer"),
    ):
        deploy()


def test_without_a_server_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        with pytest.raises(ConfigurationError, match="PREFECT_API_URL is not set"):
            deploy()
        assert deploy("--dry-run").output.count("planned") == 4


def test_the_file_deploys_by_prefects_own_command_as_well() -> None:
    # `prefect deploy --all` takes what stands here; ours adds the profile, the pool and the data folder.
    text = PREFECT_YAML.read_text()
    assert text.count("entrypoint: flows.scheduled.") == 4
    assert "{{" not in text

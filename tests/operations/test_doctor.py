"""What the doctor finds: in a healthy installation nothing, otherwise each fault with what to do."""

import json
import os
import time
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from click.testing import CliRunner

from catalog.cli.main import cli
from catalog.database.connection import connect
from catalog.database.roles import INGEST, ROLES
from catalog.operations.doctor import Finding, Patient, examine
from catalog.operations.doctor.endpoints import examine_endpoints
from catalog.operations.doctor.environment import examine_machine
from catalog.operations.doctor.prefect import examine_prefect
from catalog.operations.doctor.roles import examine_roles
from catalog.operations.doctor.surveys import examine_surveys
from catalog.profiles import Profile
from catalog.settings import Settings
from tests.accounts import account, name_in


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def of(findings: list[Finding], state: str) -> str:
    return "\n".join(f"{each.text} {each.remedy}" for each in findings if each.state == state)


def test_a_healthy_installation_has_no_failure(settings: Settings, profile: Profile) -> None:
    found = list(examine(settings, profile))
    assert of(found, "failure") == ""
    assert {each.area for each in found} >= {"packages", "machine", "settings", "database", "roles", "disk", "prefect"}
    assert "exactly the rights" in of(found, "ok")
    assert all(each.remedy for each in found if each.state != "ok")


def test_no_password_is_shown_and_a_database_out_of_reach_is_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:hunter2secret@127.0.0.1:1/rvscat"
    monkeypatch.setenv("RVSCAT_DATABASE_URL", url)
    for arguments in (["doctor"], ["doctor", "--json"]):
        result = CliRunner().invoke(cli, [*arguments, "--profile", "tiny"])
        assert result.exit_code == 1, result.output
        assert "hunter2" not in result.output
        assert "me:***@127.0.0.1" in result.output
    told = json.loads(CliRunner().invoke(cli, ["doctor", "--json", "--profile", "tiny"]).stdout)
    assert told["failure"] == 1
    assert [each["area"] for each in told["findings"] if each["state"] == "failure"] == ["database"]


@pytest.mark.parametrize(
    ("statement", "words", "remedy"),
    [
        (
            "GRANT SELECT ON production.label TO rvscat_reader",
            "rvscat_reader has more rights than it needs: SELECT on production.label",
            "REVOKE SELECT ON production.label FROM rvscat_reader",
        ),
        (
            "REVOKE DELETE ON production.label FROM rvscat_production",
            "rvscat_production lacks DELETE on production.label",
            "GRANT DELETE ON production.label TO rvscat_production",
        ),
        (
            "REVOKE USAGE ON SCHEMA survey FROM rvscat_ingest",
            "rvscat_ingest lacks USAGE on schema survey",
            "GRANT USAGE ON SCHEMA survey TO rvscat_ingest",
        ),
        (
            "GRANT SELECT ON survey.gaia_source TO PUBLIC",
            "Every account of the server has rights on survey.gaia_source",
            "REVOKE",
        ),
        (
            "GRANT CREATE ON SCHEMA service TO rvscat_jobs",
            "rvscat_jobs has more rights than it needs: CREATE",
            "REVOKE CREATE",
        ),
    ],
)
def test_rights_that_differ_are_failures_with_the_statement_that_mends_them(
    statement: str, words: str, remedy: str, connection: psycopg.Connection, settings: Settings, profile: Profile
) -> None:
    connection.execute(statement)  # type: ignore[arg-type]
    found = list(examine_roles(Patient(settings, profile, connection)))
    assert words in of(found, "failure")
    assert remedy in of(found, "failure")
    connection.rollback()


def test_an_account_is_told_which_roles_it_may_not_act_as(settings: Settings, profile: Profile) -> None:
    assert settings.database_url is not None
    others = ", ".join(role.name for role in ROLES if role is not INGEST)
    with account(settings.database_url, f"GRANT {others} TO {{}}") as url:
        theirs = settings.model_copy(update={"database_url": url})
        found = list(examine(theirs, profile))
        assert of(found, "failure").count(f"The account {name_in(url)} may not act as") == 1
        statement = next(each.remedy for each in found if "may not act as rvscat_ingest" in each.text)
        with psycopg.connect(settings.database_url) as superuser:
            superuser.execute(statement.partition(": ")[2])  # type: ignore[call-overload]
        # It inherits no right: what the doctor reads, it reads as a role.
        assert of(list(examine(theirs, profile)), "failure") == ""


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        (
            "rvscat_ingest",
            [
                "DELETE FROM survey.gaia_source",
                "DELETE FROM production.ingest_file",
                "UPDATE production.stage SET name = name",
            ],
            ["SELECT 1 FROM production.label", "DELETE FROM production.run", "SELECT 1 FROM service.job"],
        ),
        (
            "rvscat_production",
            [
                "SELECT 1 FROM survey.gaia_source",
                "DELETE FROM production.label",
                "CREATE TABLE catalogue.test_v1 (a integer)",
            ],
            ["DELETE FROM survey.gaia_source", "DELETE FROM production.ingest_file", "SELECT 1 FROM service.job"],
        ),
        (
            "rvscat_reader",
            ["SELECT 1 FROM tap_schema.tables"],
            ["SELECT 1 FROM production.run", "SELECT 1 FROM survey.gaia_source", "DELETE FROM tap_schema.tables"],
        ),
        (
            "rvscat_jobs",
            ["DELETE FROM service.job"],
            ["SELECT 1 FROM tap_schema.tables", "SELECT 1 FROM production.run"],
        ),
    ],
)
def test_each_role_can_do_its_part_and_nothing_else(
    role: str, allowed: list[str], refused: list[str], settings: Settings
) -> None:
    with connect(settings, role=role) as connection:
        for statement in allowed:
            connection.execute(statement)  # type: ignore[arg-type]
        for statement in [*refused, "CREATE TABLE production.mine (a integer)", "DROP TABLE production.run CASCADE"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)  # type: ignore[arg-type]
        connection.rollback()


def test_too_many_workers_are_told(settings: Settings, profile: Profile) -> None:
    many = Patient(settings.model_copy(update={"workers": 4096}), profile, None)
    assert "4096 workers" in of(list(examine_machine(many)), "warning")


def test_halves_and_broken_links_of_surveys_are_told(settings: Settings, profile: Profile) -> None:
    folder = settings.surveys / profile.data_release / "gaia_source"
    folder.mkdir(parents=True)
    (folder / "GaiaSource_1-2.csv.gz.part").write_text("half")
    os.utime(folder / "GaiaSource_1-2.csv.gz.part", (time.time() - 90_000,) * 2)
    (folder / "link.csv.gz").symlink_to(folder / "nothing")
    found = list(examine_surveys(Patient(settings, profile, None)))
    assert "1 halves of downloads" in of(found, "warning") or "half" in of(found, "warning")
    assert "points at nothing" in of(found, "failure")


def test_a_password_in_a_file_that_others_can_read_is_a_failure(settings: Settings, profile: Profile) -> None:
    file = settings.home / "rvscat.toml"
    file.write_text('database_url = "postgresql://me:hunter2@db/rvscat"\n')
    file.chmod(0o644)
    assert "others may read it" in of(list(examine(settings, profile)), "failure")


def test_a_misspelt_variable_is_told(settings: Settings, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVSCAT_WORKER", "3")
    assert "RVSCAT_WORKER" in of(list(examine(settings, profile)), "warning")


def test_a_schema_behind_and_one_of_the_future_are_told(
    connection: psycopg.Connection, settings: Settings, profile: Profile
) -> None:
    for revision, state in (("0012_jobs", "warning"), ("9999_future", "failure")):
        connection.execute("UPDATE public.alembic_version SET version_num = %s", (revision,))
        connection.commit()
        assert revision in of(list(examine(settings, profile)), state)


def test_a_prefect_server_that_is_gone_is_a_failure(
    settings: Settings, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://admin:hunter2@127.0.0.1:1/api")
    (found,) = examine_prefect(Patient(settings, profile, None))
    assert found.state == "failure"
    assert "hunter2" not in found.text


def test_archives_are_asked_only_when_told(
    settings: Settings, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("requests.head", refuse)
    (found,) = examine_endpoints(Patient(settings, profile, None))
    assert "not asked" in found.text


def test_nothing_is_changed(connection: psycopg.Connection, settings: Settings, profile: Profile) -> None:
    before = sorted(settings.home.rglob("*"))
    list(examine(settings, profile))
    assert sorted(settings.home.rglob("*")) == before
    elsewhere = urlunsplit(urlsplit(settings.database_url or "")._replace(path="/postgres"))
    found = list(examine(settings.model_copy(update={"database_url": elsewhere}), profile))
    assert "has not been made" in of(found, "warning")

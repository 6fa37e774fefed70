"""compose.yaml: by Compose's own check where it is installed, and what we ask of it everywhere."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose.yaml"
SERVICES = {"postgres", "prefect", "deploy", "worker", "tap"}


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return found


def composer() -> list[str] | None:
    """Return the command of Compose, version 2, if there is one; it needs no engine to check a file."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.strip().lstrip("v").startswith(("2.", "5.")):
            return command
    return None


def test_compose_finds_no_fault(tmp_path: Path) -> None:
    command = composer()
    if command is None:
        pytest.skip("no Docker Compose on this machine; the checks below read the file all the same")
    checked = subprocess.run(
        [*command, "--project-directory", str(ROOT), "-f", str(COMPOSE), "config", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_service_is_there_and_pinned(composed: dict[str, Any]) -> None:
    assert set(composed["services"]) == SERVICES
    for name, service in composed["services"].items():
        image = service["image"]
        assert re.search(r":(\d+\.\d+[\w.-]*|\$\{RVSCAT_VERSION:-local\})$", image), f"{name}: {image}"
    for line in (ROOT / "containers" / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM"):
            assert re.search(r":\d+\.\d+\.\d+-", line), line


def test_services_watch_themselves_and_wait_for_each_other(composed: dict[str, Any]) -> None:
    services = composed["services"]
    for name in SERVICES - {"deploy"}:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    assert services["prefect"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["worker"]["depends_on"]["deploy"] == {"condition": "service_completed_successfully"}


def test_no_secret_stands_in_it(composed: dict[str, Any]) -> None:
    assert all(set(secret) == {"file"} for secret in composed["secrets"].values())
    for name, service in composed["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|SECRET|KEY", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {variable}"
    assert "secrets" in (ROOT / ".gitignore").read_text()


def test_nothing_listens_outside_unasked_and_nobody_is_root(composed: dict[str, Any]) -> None:
    for name, service in composed["services"].items():
        for port in service.get("ports", ()):
            assert re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", port), f"{name}: {port}"
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
    dockerfile = (ROOT / "containers" / "Dockerfile").read_text()
    assert dockerfile.index("USER rvscat") < dockerfile.index("ENTRYPOINT")


def test_the_worker_starts_as_the_documentation_says(composed: dict[str, Any]) -> None:
    command = composed["services"]["worker"]["command"]
    assert " ".join(command).startswith("prefect worker start --pool rvscat --type process --limit 1")
    from catalog.cli.deploy import deploy

    words = composed["services"]["deploy"]["command"]
    assert words[:2] == ["rvscat", "deploy"]
    assert {word for word in words if word.startswith("--")} <= {
        option for parameter in deploy.params for option in parameter.opts
    }


def test_secrets_from_files_become_variables(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush $HOME 'quoted'\n")
    entrypoint = ROOT / "containers" / "entrypoint.sh"
    done = subprocess.run(
        ["sh", str(entrypoint), "sh", "-c", 'printf "%s|%s" "$PGPASSWORD" "${PGPASSWORD_FILE-gone}"'],
        env={"PATH": "/usr/bin:/bin", "PGPASSWORD_FILE": str(secret)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "hush $HOME 'quoted'|gone", done.stderr
    missing = subprocess.run(
        ["sh", str(entrypoint), "true"],
        env={"PATH": "/usr/bin:/bin", "PGPASSWORD_FILE": str(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert missing.returncode == 1
    assert "PGPASSWORD_FILE" in missing.stderr

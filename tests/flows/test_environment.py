"""Prefect's settings: in our data folder, telling nobody, and what the user has set stays."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from catalog.errors import DatabaseError, RvscatError
from catalog.settings import Settings
from flows.environment import end_orphans, prepare, told_of_prefect

NAMES = (
    "RVSCAT_FLOW_PROCESS",
    "PREFECT_HOME",
    "PREFECT_SERVER_ANALYTICS_ENABLED",
    "DO_NOT_TRACK",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS",
    "PREFECT_LOGGING_LEVEL",
    "PREFECT_SERVER_LOGGING_LEVEL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
    "PREFECT_LOGGING_INTERNAL_LEVEL",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        # Set first, so that what `prepare` sets is taken back afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_prefect_lives_in_our_home_and_tells_nobody(tmp_path: Path) -> None:
    prepare(Settings(home=tmp_path / "new"))
    assert Path(os.environ["PREFECT_HOME"]) == tmp_path / "new" / "prefect"
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"
    # Our own log goes into a file; the display of stages is not to be broken by it.
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"


def test_what_the_user_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    prepare(Settings(home=tmp_path / "new"), verbose=True)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "mine")
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["PREFECT_SERVER_LOGGING_LEVEL"] == "WARNING"


def test_servers_of_killed_runs_are_ended_and_no_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    servers = {}
    for name, owner, folder in (
        ("orphan", ended.pid, home),
        ("in use", os.getpid(), home),
        ("elsewhere", ended.pid, tmp_path / "other"),
    ):
        environment = {
            **os.environ,
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT_HOME": str(folder / "prefect"),
            "RVSCAT_FLOW_PROCESS": str(owner),
        }
        servers[name] = subprocess.Popen(
            [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert servers[name].stdout.readline()
    try:
        assert end_orphans(Settings(home=home)) == 1
        assert servers["orphan"].poll() is not None
        assert servers["in use"].poll() is None
        assert servers["elsewhere"].poll() is None
    finally:
        for server in servers.values():
            server.kill()
            server.communicate()


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1:9/api", None])
@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadTimeout(""),
        RuntimeError("Failed to reach API at http://127.0.0.1:9/api/"),
    ],
)
def test_a_prefect_server_that_is_gone_is_told_in_words(
    error: Exception, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if url:
        monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(RvscatError, match=r"The Prefect server .* does not answer") as told, told_of_prefect():
        raise error
    assert "secret" not in str(told.value)
    assert ("PREFECT_API_URL" in told.value.message) == (url is not None)
    assert "same command goes on" in told.value.remedy


@pytest.mark.parametrize("error", [RuntimeError("a defect"), DatabaseError("lost"), OSError(5, "Input/output error")])
def test_other_errors_of_a_flow_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as told, told_of_prefect():
        raise error
    assert told.value is error

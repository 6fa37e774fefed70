"""Artifacts of a stage, read back from a real Prefect server."""

import json
import socket
from pathlib import Path

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from catalog.settings import Settings
from flows.artifacts import tell_stage

_PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 50


def _settings(home: Path) -> Settings:
    report = home / "reports" / "run-7"
    report.mkdir(parents=True)
    (report / "report.html").write_text("<html></html>")
    (report / "kiel.png").write_bytes(_PNG)
    return Settings(home=home)


def test_counts_notes_report_and_image_reach_the_server(prefect_server: None, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    counts = {"pass": 80, "report": "postgresql://me:hunter2@db/x"}
    notes = ["one *star* <script> of postgresql://me:hunter2@db/x"]

    @flow(name="told", persist_result=False)
    def told() -> None:
        tell_stage("my profile", 7, "validate", counts, notes, settings)

    told()
    with get_client(sync_client=True) as client:
        found = {each.key: each for each in client.read_artifacts()}
    assert {key for key in found if key and key.startswith("my-profile")} == {
        "my-profile-validate-counts",
        "my-profile-validate-notes",
        "my-profile-validate-report",
        "my-profile-validate-image",
    }
    table = json.loads(str(found["my-profile-validate-counts"].data))
    assert table == [{"figure": "pass", "value": 80}, {"figure": "report", "value": "postgresql://me:***@db/x"}]
    text = str(found["my-profile-validate-notes"].data)
    assert "hunter2" not in text
    assert "\\*star\\* \\<script\\>" in text
    assert "run-7/report.html" in str(found["my-profile-validate-report"].data)
    assert "data:image/png;base64," in str(found["my-profile-validate-image"].data)
    assert found["my-profile-validate-counts"].flow_run_id is not None


def test_a_server_that_refuses_fails_no_stage(
    prefect_server: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise httpx.ConnectError("no server")

    monkeypatch.setattr("flows.artifacts.create_table_artifact", refused)
    tell_stage("tiny", 7, "validate", {"pass": 1}, [], _settings(tmp_path))
    assert "cannot be left: no server" in caplog.text


def test_a_server_that_is_gone_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("flows.artifacts.create_table_artifact", lambda **_: asked.append(1))
    with socket.socket() as unheard:
        # Bound, so that nobody else takes the port, but not listening.
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            tell_stage("tiny", 7, "validate", {"pass": 1}, [], _settings(tmp_path))
    assert "artifacts of validate cannot be left" in caplog.text
    assert not asked

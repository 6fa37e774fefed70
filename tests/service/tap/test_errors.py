"""What nobody foresaw: told as an error, to scripts of other sites too, without words that are not for clients."""

import httpx
import pytest

ORIGIN = {"Origin": "https://aladin.example.org"}


@pytest.mark.parametrize("path", ["tap/tables", "cone?RA=1&DEC=1&SR=1"])
def test_a_failure_can_be_read_by_other_sites(service, monkeypatch, path):
    def fail(*_, **__):
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr("catalog.service.tap.vosi.fetch_tables", fail)
    monkeypatch.setattr("catalog.service.tap.scs.cone_query", fail)
    answer = httpx.get(f"{service.url}/{path}", headers=ORIGIN)
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == "*"
    assert 'value="ERROR"' in answer.text
    assert "secret" not in answer.text


def test_jobs_stay_closed_to_other_sites(service, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr("catalog.service.tap.jobs.JobStore.list_jobs", fail)
    answer = httpx.get(f"{service.tap}/async", headers=ORIGIN)
    assert answer.status_code == 500
    assert "access-control-allow-origin" not in answer.headers

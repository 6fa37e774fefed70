"""PostgreSQL stops and starts again below a running service, which needs no restart of its own."""

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from catalog.database.connection import database_url
from catalog.database.embedded import ensure_server, remove_server, stop_server
from catalog.settings import Settings
from tests.service.tap.conftest import publish, serving

COUNT = "SELECT COUNT(*) AS n FROM rvs_cnn"
# Sorted whole before its first row comes.
SLOW = "SELECT a.mh FROM " + ", ".join(f"rvs_cnn {name}" for name in "abcdef") + " ORDER BY a.mh + b.mh + f.teff"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Settings]:
    """A published catalogue in an embedded server of its own."""
    # Not pytest's own folders: the account of the server must reach it.
    with tempfile.TemporaryDirectory(prefix="restart-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        settings = Settings(home=Path(name) / "home", database_url=None)
        try:
            with psycopg.connect(database_url(settings)) as connection:
                publish(connection, 50)
            yield settings
        finally:
            remove_server(settings)


def service_runs(url: str) -> bool:
    """Whether the service waits for a row of a query."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rvscat serve' AND state = 'active'"
        ).fetchone()
    return row != (0,)


@pytest.mark.parametrize("named", [True, False], ids=["by its URL", "embedded"])
def test_the_database_stops_and_starts(own_server, named):
    url = database_url(own_server) if named else None
    with serving(url, own_server.home) as service, httpx.Client(timeout=30) as http:
        job = http.post(f"{service.tap}/async", data={"LANG": "ADQL", "QUERY": COUNT}).headers["location"]
        assert service.sync(COUNT, FORMAT="csv").text == "n\n50\n"
        cut_off: list[httpx.Response] = []
        busy = threading.Thread(target=lambda: cut_off.append(service.sync(SLOW)))
        busy.start()
        while not service_runs(database_url(own_server)):
            time.sleep(0.02)
        stop_server(own_server)
        busy.join(30)
        assert [answer.status_code for answer in cut_off] == [503], cut_off[0].text
        away = [
            service.sync(COUNT),
            http.get(f"{service.tap}/tables"),
            http.post(f"{service.tap}/async", data={"LANG": "ADQL", "QUERY": COUNT}),
            http.get(job),
            http.post(f"{job}/phase", data={"PHASE": "RUN"}),
        ]
        for answer in away:
            assert answer.status_code == 503, answer.text
            assert 'name="QUERY_STATUS" value="ERROR"' in answer.text
            assert "The database does not answer at present" in answer.text
            assert answer.headers["retry-after"]
        cone = http.get(f"{service.url}/cone?RA=1&DEC=1&SR=1")
        assert (cone.status_code, 'name="Error"' in cone.text) == (503, True)
        assert "<vosi:available>false<" in http.get(f"{service.tap}/availability").text
        assert "The database does not answer" in http.get(service.url).text
        assert http.get(f"{service.tap}/capabilities").status_code == 200

        ensure_server(own_server)
        assert service.sync(COUNT, FORMAT="csv").text == "n\n50\n"
        assert "<vosi:available>true<" in http.get(f"{service.tap}/availability").text
        assert http.get(service.url).status_code == 200
        http.post(f"{job}/phase", data={"PHASE": "RUN"})
        end = time.monotonic() + 30
        while (phase := http.get(f"{job}/phase").text) not in ("COMPLETED", "ERROR"):
            assert time.monotonic() < end, phase
            time.sleep(0.05)
        assert phase == "COMPLETED"

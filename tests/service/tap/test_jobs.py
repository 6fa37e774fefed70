"""Jobs: their life, limits, expiry, secrets, and what happens when the service stops."""

import io
import re
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import httpx
import psycopg
import pytest
from astropy.io.votable import parse

from catalog.service.tap.jobs import ROLE
from tests.service.tap.conftest import N_STARS
from tests.service.tap.test_sync import SLOW, running, wait_for

COUNT = "SELECT COUNT(*) AS n FROM rvs_cnn"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


def create(service, adql=COUNT, client="", **parameters):
    answer = httpx.post(
        f"{service.tap}/async",
        data={"LANG": "ADQL", "QUERY": adql, **parameters},
        headers={"X-Forwarded-For": client} if client else {},
    )
    assert answer.status_code == 303, answer.text
    assert re.fullmatch(rf"{service.tap}/async/[0-9a-f]{{32}}", answer.headers["location"])
    return answer.headers["location"]


def phase(url):
    return httpx.get(f"{url}/phase").text


def ended(url, seconds=15):
    assert wait_for(lambda: phase(url) in ("COMPLETED", "ERROR", "ABORTED"), seconds)
    return phase(url)


def test_the_life_of_a_job(service):
    url = create(service, RUNID="mine", RESPONSEFORMAT="csv")
    assert phase(url) == "PENDING"
    assert httpx.get(f"{url}/results/result").status_code == 404
    assert httpx.get(f"{url}/error").status_code == 404
    assert httpx.post(f"{url}/parameters", data={"QUERY": f"{COUNT} WHERE teff > -1e38"}).status_code == 303
    assert httpx.post(f"{url}/executionduration", data={"EXECUTIONDURATION": "44"}).status_code == 303
    assert httpx.post(f"{url}/destruction", data={"DESTRUCTION": "2999-01-01T00:00:00Z"}).status_code == 303
    assert httpx.post(f"{url}/phase", data={"PHASE": "RUN"}).status_code == 303
    document = ElementTree.fromstring(httpx.get(url, params={"WAIT": "10", "PHASE": "QUEUED"}).text)
    assert ended(url) == "COMPLETED"
    document = ElementTree.fromstring(httpx.get(url, params={"WAIT": "-1"}).text)
    facts = {child.tag.removeprefix(UWS): child.text for child in document}
    assert (facts["phase"], facts["runId"], facts["executionDuration"]) == ("COMPLETED", "mine", "44")
    assert facts["startTime"] <= facts["endTime"]
    assert facts["destruction"] < "2999"
    parameters = {each.get("id"): each.text for each in document.iter(f"{UWS}parameter")}
    assert parameters["query"].endswith("-1e38")
    answer = httpx.get(f"{url}/results/result")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == f"n\n{N_STARS}\n"
    assert httpx.get(f"{url}/quote").text == httpx.get(f"{url}/owner").text == ""
    assert "uws:result" in httpx.get(f"{url}/results").text
    # What has ended cannot be changed.
    assert httpx.post(f"{url}/parameters", data={"QUERY": COUNT}).status_code == 400
    assert httpx.post(f"{url}/phase", data={"PHASE": "RUN"}).status_code == 303
    assert httpx.delete(url).status_code == 303
    assert httpx.get(url).status_code == 404
    assert list((service.home / "service" / "jobs").glob(url[-32:])) == []


def test_jobs_fail_with_the_words_of_a_synchronous_query(service):
    url = create(service, "SELECT nothing FROM rvs_cnn", PHASE="RUN")
    assert ended(url) == "ERROR"
    assert "There is no column nothing" in httpx.get(f"{url}/error").text
    assert parse(io.BytesIO(httpx.get(f"{url}/error").content)).resources[0].infos[0].value == "ERROR"
    assert "There is no column nothing" in httpx.get(url).text


def test_waiting_and_aborting(service):
    url = create(service, SLOW, PHASE="RUN")
    queued = create(service, SLOW, PHASE="RUN")
    assert wait_for(lambda: phase(url) == "EXECUTING")
    assert wait_for(lambda: running(service) == 1)
    assert phase(queued) == "QUEUED"
    start = time.monotonic()
    assert "EXECUTING" in httpx.get(url, params={"WAIT": "1"}).text
    assert time.monotonic() - start >= 0.9
    assert httpx.post(f"{queued}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert httpx.post(f"{url}/phase", data={"PHASE": "ABORT"}, timeout=20).status_code == 303
    assert (phase(url), phase(queued)) == ("ABORTED", "ABORTED")
    assert wait_for(lambda: running(service) == 0)
    # A job that runs is deleted with its query.
    url = create(service, SLOW, PHASE="RUN")
    assert wait_for(lambda: running(service) == 1)
    assert httpx.post(url, data={"ACTION": "DELETE"}, timeout=20).status_code == 303
    assert wait_for(lambda: running(service) == 0)


@pytest.mark.parametrize(
    "name",
    ["nothing", "0" * 32, "..", "%2e%2e", "..%2f..%2fid", "0" * 31 + "%00", "' OR 1=1 --", "%F0%9F%92%A9", "A" * 5000],
)
def test_tricks_with_job_names(service, name):
    for path in (name, f"{name}/phase", f"{name}/results/result", f"{name}/../../service/id"):
        answer = httpx.get(f"{service.tap}/async/{path}")
        assert answer.status_code in (404, 200), path
        assert answer.status_code == 404 or "uws:jobs" in answer.text or "<h1>" in answer.text
        assert (service.home / "service" / "id").read_text() not in answer.text
    assert httpx.delete(f"{service.tap}/async/{name}").status_code in (404, 405)


def test_clients_see_their_own_jobs_alone(service):
    url = create(service, client="10.1.1.1")
    mine = httpx.get(f"{service.tap}/async", headers={"X-Forwarded-For": "10.1.1.1"}).text
    theirs = httpx.get(f"{service.tap}/async", headers={"X-Forwarded-For": "10.1.1.2"}).text
    assert url[-32:] in mine
    assert url[-32:] not in theirs
    filtered = httpx.get(f"{service.tap}/async?PHASE=COMPLETED&LAST=5", headers={"X-Forwarded-For": "10.1.1.1"}).text
    assert url[-32:] not in filtered
    assert httpx.get(f"{service.tap}/async?PHASE=NONSENSE").status_code == 400


def test_quotas_and_limits(serve):
    with serve("jobs_per_client = 2\njob_seconds = 1\nmax_job_seconds = 2\n") as service:
        create(service, client="10.2.0.1")
        create(service, client="10.2.0.1")
        answer = httpx.post(f"{service.tap}/async", data={"QUERY": COUNT}, headers={"X-Forwarded-For": "10.2.0.1"})
        assert answer.status_code == 429
        url = create(service, SLOW, client="10.2.0.2", PHASE="RUN")
        assert ended(url) == "ERROR"
        assert "ran longer than 1 s" in httpx.get(f"{url}/error").text


def test_old_jobs_are_deleted(serve, monkeypatch):
    monkeypatch.setattr("catalog.service.tap.runner._CLEAN_SECONDS", 0.1)
    with serve() as service:
        url = create(service, PHASE="RUN")
        assert ended(url) == "COMPLETED"
        folder = service.home / "service" / "jobs" / url[-32:]
        assert folder.is_dir()
        orphan = folder.with_name("f" * 32)
        orphan.mkdir()
        httpx.post(f"{url}/destruction", data={"DESTRUCTION": "2020-01-01T00:00:00Z"})
        assert wait_for(lambda: httpx.get(url).status_code == 404 and not folder.exists() and not orphan.exists())


def test_interrupted_jobs_run_again_but_not_for_ever(serve):
    with serve() as service:
        waiting = create(service)
        begun, lost = create(service), create(service)
        execute(service, "UPDATE service.job SET phase = 'EXECUTING', attempts = 1 WHERE job_id = %s", begun[-32:])
        execute(service, "UPDATE service.job SET phase = 'EXECUTING', attempts = 2 WHERE job_id = %s", lost[-32:])
    with serve() as service:
        jobs = f"{service.tap}/async"
        assert ended(f"{jobs}/{begun[-32:]}") == "COMPLETED"
        assert ended(f"{jobs}/{lost[-32:]}") == "ERROR"
        assert phase(f"{jobs}/{waiting[-32:]}") == "PENDING"


def test_a_running_job_goes_on_after_a_restart(serve):
    with serve() as service:
        url = create(service, SLOW, PHASE="RUN")
        assert wait_for(lambda: running(service) == 1)
    assert running(service) == 0
    with serve() as service:
        again = f"{service.tap}/async/{url[-32:]}"
        assert wait_for(lambda: running(service) == 1)
        assert phase(again) == "EXECUTING"
        httpx.delete(again, timeout=20)


def execute(service, statement, *values):
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        connection.execute(statement, values)


def test_roles(service):
    with psycopg.connect(service.database_url) as connection:
        connection.execute("SET ROLE rvscat_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM service.job")
        connection.rollback()
        connection.execute(f"SET ROLE {ROLE}")
        for statement in ("SELECT * FROM catalogue.rvs_cnn", "DELETE FROM production.run", "CREATE TABLE service.x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)


def test_sigterm_ends_the_command_cleanly(published_url, tmp_path):
    environment = {"RVSCAT_HOME": str(tmp_path), "RVSCAT_DATABASE_URL": published_url, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", "from catalog.cli.main import main; main()", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "startup complete" in line:
            break
    url = re.search(r"http://[\d.:]+", "".join(lines))
    assert url, lines
    assert httpx.get(f"{url[0]}/tap/availability").status_code == 200
    other = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert other.returncode == 1
    assert "Another `rvscat serve` uses" in other.stderr
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=20)[1]
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in rest

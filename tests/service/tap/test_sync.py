"""Synchronous queries: parameters, limits, errors, streams, fairness."""

import gzip
import io
import socket
import threading
import time

import httpx
import psycopg
import pytest
from astropy.io.votable import parse

from tests.service.tap.conftest import N_STARS, wait_for

SLOW = "SELECT COUNT(*) FROM " + ", ".join(f"rvs_cnn t{i}" for i in range(5)) + " WHERE t0.teff > t1.logg OR RAND() > 2"


def statuses(text):
    document = parse(io.BytesIO(text))
    return [(info.name, info.value) for resource in document.resources for info in resource.infos]


def test_get_post_and_multipart(service):
    parameters = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM rvs_cnn", "RESPONSEFORMAT": "csv"}
    answers = [
        httpx.get(f"{service.tap}/sync", params=parameters),
        httpx.get(f"{service.tap}/sync", params={name.lower(): value for name, value in parameters.items()}),
        httpx.post(f"{service.tap}/sync", data=parameters),
        httpx.post(f"{service.tap}/sync", files={name: (None, value) for name, value in parameters.items()}),
        httpx.post(f"{service.tap}/sync", data=parameters, params={"REQUEST": "doQuery"}),
    ]
    assert [answer.text for answer in answers] == [f"n\n{N_STARS}\n"] * 5


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"QUERY": "SELECT 1"}, "LANG is missing"),
        ({"LANG": "ADQL"}, "QUERY is missing"),
        ({"LANG": "PQL", "QUERY": "SELECT 1"}, "LANG is 'PQL'"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1", "REQUEST": "getCapabilities"}, "REQUEST is"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1", "MAXREC": "many"}, "MAXREC is 'many'"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1", "MAXREC": "-1"}, "MAXREC is '-1'"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1", "FORMAT": "<xml>"}, "&lt;xml&gt;"),
        ({"LANG": "ADQL", "QUERY": "SELECT x FROM nowhere"}, "nowhere"),
        ({"LANG": "ADQL", "QUERY": "DROP TABLE catalogue.rvs_cnn"}, "DROP"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1 / 0 AS x FROM rvs_cnn"}, "division by zero"),
        ({"LANG": "ADQL", "QUERY": "SELECT \x00 FROM rvs_cnn"}, "control character"),
        ({"LANG": "ADQL", "QUERY": "SELECT 1", "UPLOAD": "nonsense"}, "UPLOAD holds"),
    ],
)
def test_mistakes_are_told_as_votable(service, parameters, words):
    answer = httpx.post(f"{service.tap}/sync", data=parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/x-votable+xml"
    assert ("QUERY_STATUS", "ERROR") in statuses(answer.content)
    assert words in answer.text


def test_unknown_addresses(service):
    assert httpx.get(f"{service.tap}/nothing").status_code == 404
    assert httpx.delete(f"{service.tap}/sync").status_code == 405


@pytest.mark.parametrize(("maxrec", "n", "overflow"), [(0, 0, True), (3, 3, True), (N_STARS, N_STARS, False)])
def test_overflow_is_marked(service, maxrec, n, overflow):
    for name in ("votable", "votable/td"):
        answer = service.sync("SELECT sourceid FROM rvs_cnn", MAXREC=maxrec, RESPONSEFORMAT=name)
        assert len(parse(io.BytesIO(answer.content)).get_first_table().array) == n
        assert (("QUERY_STATUS", "OVERFLOW") in statuses(answer.content)) is overflow
        assert answer.text.index("</TABLE>") < answer.text.rindex("QUERY_STATUS") or not overflow


def test_top_is_no_overflow(service):
    assert "OVERFLOW" not in service.sync("SELECT TOP 3 sourceid FROM rvs_cnn", MAXREC=3).text


def test_hard_limits_hold(serve):
    with serve("default_rows = 5\nmax_rows = 10\nsync_seconds = 1.0\nanswer_bytes = 20000\n") as service:
        assert service.sync("SELECT sourceid FROM rvs_cnn", FORMAT="csv").text.count("\n") == 6
        assert service.sync("SELECT sourceid FROM rvs_cnn", FORMAT="csv", MAXREC=99).text.count("\n") == 11
        answer = service.sync(SLOW)
        assert answer.status_code == 400
        assert "ran longer than 1 s" in answer.text
        answer = service.sync(
            "SELECT TOP 10 t.*, u.*, v.* FROM rvs_cnn_extended t, rvs_cnn_extended u, rvs_cnn_extended v"
        )
        assert ("QUERY_STATUS", "ERROR") in statuses(answer.content) or answer.status_code == 400


def test_a_late_error_is_told_in_the_votable(service):
    # One row among the last divides by zero.
    last = "CAST((SELECT MAX(source_id) FROM rvs_cnn_extended) AS DOUBLE PRECISION)"
    adql = f"SELECT source_id, 1 / (CAST(source_id AS DOUBLE PRECISION) - {last}) AS x FROM rvs_cnn_extended"
    answer = service.sync(adql, FORMAT="votable/td")
    assert answer.status_code == 200
    assert "<TR>" in answer.text
    assert statuses(answer.content)[-1] == ("QUERY_STATUS", "ERROR")
    with pytest.raises(httpx.RemoteProtocolError):
        service.sync(adql, FORMAT="csv")


def test_too_large_requests(serve):
    with serve("request_bytes = 100000\n") as service:
        for name in ("x" * 200_000, "y" * 200_000):
            answer = service.sync(name)
            assert answer.status_code == 413
        answer = httpx.post(f"{service.tap}/sync", files={"table": ("t.xml", b"z" * 200_000)})
        assert answer.status_code == 413
        assert service.sync("SELECT TOP 1 sourceid FROM rvs_cnn").status_code == 200


def test_a_client_that_goes_stops_its_query(service):
    adql = SLOW.replace(" ", "+")
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"GET /tap/sync?LANG=ADQL&QUERY={adql} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert wait_for(lambda: running(service) == 1)
    assert wait_for(lambda: running(service) == 0)


def running(service):
    return service.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND application_name = 'rvscat serve' AND query LIKE '%FETCH%'"
    )[0][0]


def test_twenty_clients_at_once(service):
    done = {}

    def ask(i):
        answer = service.sync("SELECT * FROM rvs_cnn_extended", client=f"10.0.0.{i}", RESPONSEFORMAT="csv")
        done[i] = (answer.status_code, answer.text.count("\n"))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == dict.fromkeys(range(20), (200, N_STARS + 1))


def test_one_client_does_not_starve_another(serve):
    with serve("sync_queries = 2\nsync_seconds = 5.0\n") as service:
        greedy = [threading.Thread(target=service.sync, args=(SLOW, "10.0.0.1")) for _ in range(6)]
        for thread in greedy:
            thread.start()
        assert wait_for(lambda: running(service) == 1)
        start = time.monotonic()
        assert service.sync("SELECT COUNT(*) FROM rvs_cnn", "10.0.0.2").status_code == 200
        alive = [thread.is_alive() for thread in greedy]
        assert sum(alive) >= 5, time.monotonic() - start
        service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rvscat serve' "
            "AND datname = current_database() AND state = 'active' AND query LIKE '%FETCH%'"
        )
        with psycopg.connect(service.database_url, autocommit=True) as connection:
            while any(thread.is_alive() for thread in greedy):
                connection.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'rvscat serve' "
                    "AND datname = current_database() AND state = 'active' AND query LIKE '%FETCH%'"
                )
                time.sleep(0.05)


def test_too_many_waiting(serve):
    with serve("sync_queries = 1\nwaiting_per_client = 2\nwait_seconds = 0.5\nsync_seconds = 3.0\n") as service:
        first = threading.Thread(target=service.sync, args=(SLOW,))
        first.start()
        assert wait_for(lambda: running(service) == 1)
        answers = []
        others = [
            threading.Thread(target=lambda: answers.append(service.sync("SELECT COUNT(*) FROM rvs_cnn").status_code))
            for _ in range(4)
        ]
        for thread in others:
            thread.start()
        for thread in [*others, first]:
            thread.join()
        assert sorted(answers) == [429, 429, 503, 503]


def test_the_database_comes_back(service):
    assert service.sync("SELECT COUNT(*) FROM rvs_cnn").status_code == 200
    service.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'rvscat serve' AND datname = current_database()"
    )
    assert service.sync("SELECT COUNT(*) FROM rvs_cnn").status_code == 200


def test_head_and_compressed_requests_do_no_harm(service):
    assert (
        httpx.head(f"{service.tap}/sync", params={"LANG": "ADQL", "QUERY": "SELECT TOP 1 mh FROM rvs_cnn"}).content
        == b""
    )
    answer = httpx.post(
        f"{service.tap}/sync", content=gzip.compress(b"LANG=ADQL"), headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 400


def test_texts_that_grow_are_cut(service):
    doubled = "WITH a AS (SELECT source_id, 'xxxxxxxxxx' AS s FROM rvs_cnn_extended)"
    for i, name in enumerate("bcd"):
        doubled += f", {name} AS (SELECT source_id, {' || '.join(['s'] * 8)} AS s FROM {'abcdef'[i]})"
    answer = service.sync(f"{doubled} SELECT TOP 2 source_id, s FROM d ORDER BY source_id", FORMAT="tsv")
    assert answer.status_code == 200
    rows = [line.split("\t") for line in answer.text.splitlines()]
    assert rows[0] == ["source_id", "s"]
    assert [len(row[1]) for row in rows[1:]] == [4096, 4096]
    first = service.rows("SELECT source_id FROM catalogue.rvs_cnn_extended ORDER BY source_id LIMIT 2")
    assert [int(row[0]) for row in rows[1:]] == [row[0] for row in first]

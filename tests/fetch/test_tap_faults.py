"""The tap route when the service fails: each trouble ends with right files, or with none and the service's words."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import FormatError
from catalog.fetch import ArchiveSession, FetchError, HealpixRange, Selection
from catalog.fetch.journal import Journal
from catalog.fetch.tap_service import Polling
from tests.fetch.tap_server import Answer, Cut, Hold, TapServer, error_document
from tests.fetch.tap_sky import TapSky, ids_in, sky, with_rvs

ONE = Selection(healpix=HealpixRange(0, 4, 4))
"""One part, of 18 stars."""
FILE = "gaia_source_healpix0-4.vot"
QUOTA = (
    "DB quota exceeded for user anonymous (Currently 10 GB, maximum allowed is 10 GB). "
    "Registered users have an increased quota, please log in."
)


@pytest.fixture
def server() -> Iterator[TapServer]:
    """A service with `sky`."""
    with TapServer(sky()) as server:
        yield server


@pytest.fixture
def tap(server: TapServer, session: ArchiveSession, folder: Path) -> TapSky:
    return TapSky(server, session, folder)


def is_right(tap: TapSky) -> bool:
    """Tell whether the one part's stars are there, and nothing else but the journal."""
    expected = [n for n in with_rvs(tap.server.table).tolist() if n >> 59 == 4]
    return tap.names() == [FILE] and ids_in([tap.folder / FILE]).tolist() == expected


BUSY = Answer(503, b"busy", (("Retry-After", "0"),))
PASSING = [BUSY, Answer(429, b"slow down", (("Retry-After", "0"),)), Answer(500, b"oops"), Cut(40)]


@pytest.mark.parametrize("kind", ["sync", "submit", "job", "start", "result", "delete"])
@pytest.mark.parametrize("fault", PASSING, ids=["503", "429", "500", "cut"])
def test_passing_trouble_is_waited_out(tap: TapSky, server: TapServer, kind: str, fault: Answer | Cut) -> None:
    server.faults[kind].extend([fault, None, fault])
    server.polls = 3
    result = tap.fetch(ONE)
    assert result.n_rows == 18
    assert result.notes == []
    assert is_right(tap)
    # A job whose making was not heard of never runs.
    assert {job.phase for job in server.jobs.values()} <= ({"PENDING"} if kind in ("submit", "job") else set())


def test_a_service_that_stays_busy_is_given_up_with_its_words(tap: TapSky, server: TapServer) -> None:
    server.always["submit"] = Answer(429, b"Too many jobs for this user", (("Retry-After", "0"),))
    with pytest.raises(FetchError, match="answered 429 Too Many Requests \\(4 attempts\\): Too many jobs") as error:
        tap.fetch(ONE)
    assert "runs no more jobs for this user now" in error.value.remedy
    assert tap.names() == []
    server.always.clear()
    tap.fetch(ONE)
    assert is_right(tap)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_quota_is_told_in_the_services_words(tap: TapSky, server: TapServer, status: int) -> None:
    server.always["sync"] = Answer(status, error_document(QUOTA))
    with pytest.raises(FetchError, match="DB quota exceeded for user anonymous") as error:
        tap.fetch(ONE)
    assert "wait some hours" in error.value.remedy
    assert server.submitted == []


def test_a_quota_at_the_job_is_told_too(tap: TapSky, server: TapServer) -> None:
    server.always["submit"] = Answer(500, error_document(QUOTA))
    with pytest.raises(FetchError, match="DB quota exceeded for user anonymous"):
        tap.fetch(ONE)
    server.always.clear()
    server.job_errors.append(QUOTA)
    with pytest.raises(FetchError, match="the job ended with ERROR: DB quota exceeded") as error:
        tap.fetch(ONE)
    assert "wait some hours" in error.value.remedy
    tap.fetch(ONE)
    assert is_right(tap)


def test_a_job_that_fails_is_an_error_with_its_message_and_the_next_run_makes_a_new_one(
    tap: TapSky, server: TapServer
) -> None:
    server.job_errors.append("Disk failure in node 7")
    with pytest.raises(FetchError, match="job1: the job ended with ERROR: Disk failure in node 7"):
        tap.fetch(ONE)
    assert tap.names() == []
    tap.fetch(ONE)
    assert is_right(tap)
    assert len(server.submitted) == 2


def test_a_job_without_a_message_is_asked_for_its_error_document(tap: TapSky, server: TapServer) -> None:
    server.job_errors.append(" ")
    server.faults["error"].append(Answer(200, error_document("Statement timed out")))
    with pytest.raises(FetchError, match="ERROR: Statement timed out") as error:
        tap.fetch(ONE)
    assert "raise `level`" in error.value.remedy


def test_an_overflow_is_an_error_that_says_what_to_do(tap: TapSky, server: TapServer) -> None:
    server.row_cap = 5
    with pytest.raises(FetchError, match="healpix0-4 is an OVERFLOW: the service cut it at 5 rows of 18") as error:
        tap.fetch(ONE)
    assert "raise `level`" in error.value.remedy
    assert tap.names() == []


def test_an_overflow_of_a_result_that_has_all_rows_is_none(tap: TapSky, server: TapServer) -> None:
    server.says_overflow = True
    assert tap.fetch(ONE).notes == []
    assert is_right(tap)
    assert tap.fetch(Selection(limit=5)).n_rows == 5


def test_rows_that_are_lost_without_a_word_are_noticed(tap: TapSky, server: TapServer) -> None:
    server.lost_rows = 1
    with pytest.raises(FetchError, match=r"healpix0-4 has 17 rows, COUNT\(\*\) says 18"):
        tap.fetch(ONE)
    assert tap.names() == []
    assert server.jobs == {}
    server.lost_rows = 0
    tap.fetch(ONE)
    assert is_right(tap)


def test_a_part_that_fails_does_not_stop_the_others(tap: TapSky, server: TapServer) -> None:
    server.job_errors.append("Disk failure in node 7")
    result = tap.fetch(jobs=1)
    assert [str(failure.message) for failure in result.failures] == [
        f"{server.url}/async/job1: the job ended with ERROR: Disk failure in node 7."
    ]
    assert len(result.files) == 2
    assert result.n_rows == 36
    whole = tap.fetch()
    assert whole.failures == []
    assert ids_in(whole.files).tolist() == with_rvs(server.table).tolist()


def test_after_some_failures_no_further_part_is_begun(tap: TapSky, server: TapServer) -> None:
    server.job_errors.extend([None, *["Disk failure"] * 5])
    result = tap.fetch(Selection(source_ids=with_rvs(server.table)), jobs=1, ids_per_query=6, max_failures=2)
    assert len(result.failures) == 2
    assert len(server.submitted) <= 4
    assert "6 parts were not begun after 2 failures." in result.notes


def test_a_result_that_breaks_off_each_time_is_an_error_and_its_job_is_kept(tap: TapSky, server: TapServer) -> None:
    server.always["result"] = Cut(400)
    with pytest.raises(FetchError, match="the result broke off 4 times") as error:
        tap.fetch(ONE)
    assert "goes on from here" in error.value.remedy
    assert tap.names() == []
    server.always.clear()
    result = tap.fetch(ONE)
    assert is_right(tap)
    assert len(server.submitted) == 1
    assert result.notes == [f"{FILE}: the job of the interrupted download was taken up ({server.url}/async/job1)."]


def test_half_a_document_is_noticed_though_the_connection_ended_well(tap: TapSky, server: TapServer) -> None:
    half = server._run("SELECT t.source_id FROM x AS t", 100)[:700]
    server.faults["result"].append(Answer(200, half))
    tap.fetch(ONE)
    assert is_right(tap)
    server.always["result"] = Answer(200, half)
    with pytest.raises(FetchError, match="truncated or damaged VOTable"):
        tap.fetch(Selection(healpix=HealpixRange(0, 0, 0)))
    assert tap.names() == [FILE]


def test_a_web_page_instead_of_a_result_is_noticed(tap: TapSky, server: TapServer) -> None:
    page = b"<html><head><title>Maintenance</title></head><body><p>Back soon<br></body></html>"
    server.always["result"] = Answer(200, page)
    with pytest.raises(FetchError, match="broke off 4 times"):
        tap.fetch(ONE)
    server.always["sync"] = Answer(503, page, (("Content-Type", "text/html"),))
    with pytest.raises(FetchError, match=r"503 Service Unavailable \(4 attempts\): Maintenance"):
        tap.fetch(Selection(healpix=HealpixRange(0, 0, 0)))
    assert tap.names() == []


def test_an_error_in_the_place_of_the_result_is_told(tap: TapSky, server: TapServer) -> None:
    server.always["result"] = Answer(200, error_document("Result file not readable"))
    with pytest.raises(FetchError, match="the result of healpix0-4 is an error: Result file not readable"):
        tap.fetch(ONE)


def test_a_job_that_vanishes_is_made_again(tap: TapSky, server: TapServer) -> None:
    server.polls = 3
    server.faults["job"].extend([None, Answer(404, b"no such job")])
    tap.fetch(ONE)
    assert is_right(tap)
    assert len(server.submitted) == 2
    server.always["result"] = Answer(404, b"gone")
    with pytest.raises(FetchError, match="3 jobs vanished"):
        tap.fetch(Selection(healpix=HealpixRange(0, 0, 0)))


def test_a_job_that_expired_between_two_runs_is_made_again(tap: TapSky, server: TapServer) -> None:
    server.always["result"] = Cut(10)
    with pytest.raises(FetchError):
        tap.fetch(ONE)
    server.always.clear()
    server.jobs.clear()
    tap.fetch(ONE)
    assert is_right(tap)
    assert len(server.submitted) == 2


def test_a_job_that_takes_too_long_is_left_running_and_found_again(tap: TapSky, server: TapServer) -> None:
    server.polls = 50
    with pytest.raises(FetchError, match="the job is EXECUTING after 0 minutes") as error:
        tap.fetch(ONE, polling=Polling(first=0.0, longest=0.0, limit=0.0))
    assert "left running" in error.value.remedy
    tap.fetch(ONE)
    assert is_right(tap)
    assert len(server.submitted) == 1


def test_a_count_that_takes_too_long_for_a_synchronous_query_becomes_a_job(tap: TapSky, server: TapServer) -> None:
    for fault in (Answer(500, error_document("Query timed out after 60 s")), Answer(504, b"Gateway Time-out")):
        server.always["sync"] = fault
        tap.fetch(ONE)
        assert is_right(tap)
        assert ["COUNT(*)" in query for query in server.submitted[-2:]] == [True, False]
        assert server.jobs == {}
        (tap.folder / FILE).unlink()


def test_an_unknown_column_is_told_before_anything_is_made(tap: TapSky, server: TapServer) -> None:
    server.job_errors.append("Cannot parse query: unknown column 'ruwee'")
    with pytest.raises(FetchError, match="unknown column 'ruwee'") as error:
        tap.fetch(ONE)
    assert "Compare table and column names" in error.value.remedy


def test_columns_that_do_not_come_are_named(tap: TapSky, server: TapServer) -> None:
    server.drop = ("ruwe", "parallax")
    with pytest.raises(FormatError, match=r"lacks parallax, ruwe of gaiadr3\.gaia_source; it has source_id"):
        tap.fetch(ONE)
    assert tap.names() == []


def closed_port() -> str:
    """Return the address of a service that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/tap"


def test_a_service_that_cannot_be_reached_is_replaced_by_its_mirror(tap: TapSky, server: TapServer) -> None:
    down = closed_port()
    result = tap.fetch(source=tap.source(url=down, mirrors=(server.url,)), jobs=1)
    assert ids_in(result.files).tolist() == with_rvs(server.table).tolist()
    (note,) = result.notes
    assert note.startswith(down)
    assert "Connection refused (4 attempts). Another service was asked instead." in note


def test_without_a_mirror_it_is_an_error(tap: TapSky) -> None:
    with pytest.raises(FetchError, match=r"Connection refused \(4 attempts\)") as error:
        tap.fetch(ONE, source=tap.source(url=closed_port()))
    assert "goes on from here" in error.value.remedy


def test_a_mirror_is_not_asked_when_the_service_refuses(tap: TapSky, server: TapServer) -> None:
    server.always["sync"] = Answer(500, error_document(QUOTA))
    with TapServer(sky()) as mirror:
        with pytest.raises(FetchError, match="DB quota"):
            tap.fetch(ONE, source=tap.source(mirrors=(mirror.url,)))
        assert mirror.requests == []


CHILD = """
import sys
from pathlib import Path
from catalog.fetch import open_session
from tests.fetch.tap_sky import TapSky

class Server:
    url = sys.argv[1]

with open_session(retries=3, timeout=(5.0, 60.0), backoff=0.01) as session:
    TapSky(Server(), session, Path(sys.argv[2])).fetch(jobs=1)
"""


def killed(server: TapServer, folder: Path, hold: Hold) -> None:
    """Run a download in a process of its own and kill it while the service keeps it waiting."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "NO_PROXY": "127.0.0.1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, server.url, str(folder)], cwd=root, env=environment)
    try:
        assert hold.reached.wait(60)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    hold.release.set()


@pytest.mark.parametrize("place", ["job", "result"])
def test_a_killed_download_takes_up_the_same_job_and_ends_with_the_same_files(
    tap: TapSky, server: TapServer, session: ArchiveSession, tmp_path: Path, place: str
) -> None:
    undisturbed = TapSky(server, session, tmp_path / "undisturbed")
    undisturbed.fetch()
    server.requests.clear()
    hold = Hold(after=500 if place == "result" else 0)
    # The second part's job (each part looks at its own four times), just started, or its result.
    server.faults[place].extend([None] * (6 if place == "job" else 1) + [hold])
    killed(server, tap.folder, hold)
    jobs = list(server.jobs)
    assert len(jobs) == 1
    assert FILE not in tap.names()
    assert Journal(tap.folder)[FILE].job == f"{server.url}/async/{jobs[0]}"
    n_submitted = len(server.submitted)
    result = tap.fetch()
    assert tap.contents() == undisturbed.contents()
    assert len(server.submitted) == n_submitted + 1
    assert len(set(server.submitted)) == len(server.submitted)
    assert any(jobs[0] in note for note in result.notes)
    assert server.jobs == {}


def test_a_kill_between_the_journal_and_the_renaming_loses_nothing(tap: TapSky, server: TapServer) -> None:
    tap.fetch(ONE)
    (tap.folder / FILE).rename(tap.folder / f"{FILE}.part")
    tap.fetch(ONE)
    assert is_right(tap)


def test_numbers_in_queries_are_whole(tap: TapSky, server: TapServer) -> None:
    ids = np.array([with_rvs(server.table)[0]], dtype=np.int64)
    tap.fetch(Selection(source_ids=ids))
    assert f"t.source_id IN ({ids[0]})" in server.submitted[0]

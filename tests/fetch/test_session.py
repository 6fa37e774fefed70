"""The session and its messages: what is tried again, what is not, and what a person reads."""

import logging
import socket
import time
from types import SimpleNamespace

import pytest
import requests

from catalog.fetch import ArchiveSession, FetchError, ask, open_session
from catalog.fetch.session import Patience, attempts_of
from tests.fetch.archive import Answer, Archive, Cut, Hold


def test_a_question_is_asked_again_and_counted(archive: Archive, session: ArchiveSession) -> None:
    archive.files["x"] = b"yes"
    archive.faults["x"].extend([Answer(502), Answer(504), Answer(429)])
    response = ask(session, f"{archive.url}x")
    assert response.text == "yes"
    assert attempts_of(response) == 4


def test_refusals_are_not_asked_again(archive: Archive, session: ArchiveSession) -> None:
    for status, words in ((400, "400 Bad Request"), (403, "403 Forbidden"), (410, "410 Gone"), (499, "499")):
        archive.always["x"] = Answer(status)
        with pytest.raises(FetchError, match=rf"/x: the archive answered {words} \(1 attempt\)"):
            ask(session, f"{archive.url}x")
    assert len(archive.asked("x")) == 4


def test_the_caller_may_read_a_refusal(archive: Archive, session: ArchiveSession) -> None:
    archive.always["x"] = Answer(400, body=b"<VOTABLE/>")
    assert ask(session, f"{archive.url}x", allow=(400,)).text == "<VOTABLE/>"


def test_an_answer_that_breaks_off_is_asked_for_again(archive: Archive, session: ArchiveSession) -> None:
    archive.files["x"] = b"0123456789"
    archive.faults["x"].extend([Cut(3), Cut(0)])
    assert ask(session, f"{archive.url}x").content == b"0123456789"
    archive.always["x"] = Cut(4)
    with pytest.raises(FetchError, match=r"IncompleteRead\(4 bytes read, 6 more expected\) \(4 attempts\)"):
        ask(session, f"{archive.url}x")


def test_an_archive_that_falls_silent(archive: Archive) -> None:
    archive.files["x"] = b"0123456789"
    hold = Hold(4)
    archive.always["x"] = hold
    with open_session(retries=1, timeout=(1.0, 0.1), backoff=0) as session:
        with pytest.raises(FetchError, match=r"Read timed out.* \(2 attempts\)") as caught:
            ask(session, f"{archive.url}x")
        hold.release.set()
    assert "The same command goes on from here" in caught.value.remedy


def test_nobody_listens(session: ArchiveSession) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(FetchError, match=r"/x: .*Connection refused \(4 attempts\)\.") as caught:
            ask(session, url)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.remedy == "Check the network. The same command goes on from here."


def test_a_host_that_is_not_there() -> None:
    with open_session(retries=0) as session, pytest.raises(FetchError, match=r"Failed to resolve.*\(1 attempt\)"):
        ask(session, "http://archive.invalid/x")


@pytest.mark.parametrize("url", ["ftp://archive.example/x", "file:///etc/passwd", "/x", "https:///x", ""])
def test_addresses_that_are_not_http(session: ArchiveSession, url: str) -> None:
    with pytest.raises(FetchError, match="is not an address to download from"):
        ask(session, url)


def test_a_redirection_to_another_scheme_is_not_followed(archive: Archive, session: ArchiveSession) -> None:
    archive.always["x"] = Answer(302, (("Location", "file:///etc/passwd"),))
    with pytest.raises(FetchError, match=r"/x: .*No connection adapters"):
        ask(session, f"{archive.url}x")


def test_long_pauses_are_told_of(
    archive: Archive, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.files["x"] = b"yes"
    archive.faults["x"].append(Answer(503, (("Retry-After", "7"),)))
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    with open_session() as session, caplog.at_level(logging.WARNING, "catalog.fetch"):
        ask(session, f"{archive.url}x")
    assert "The archive answers 503 and is asked again in 7 s." in caplog.messages


def test_pauses_double_up_to_a_limit() -> None:
    patience = Patience(backoff=1.0, backoff_max=10.0)
    assert [patience.pause(n) for n in range(1, 7)] == [0.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_every_request_has_a_time_limit_and_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def send(self: object, request: requests.PreparedRequest, **settings: object) -> None:
        seen.update(settings, agent=request.headers["User-Agent"])
        raise requests.ConnectionError("enough")

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    with open_session(timeout=(1.0, 2.0)) as session, pytest.raises(FetchError):
        ask(session, "http://archive.example/x")
    assert seen["timeout"] == (1.0, 2.0)
    assert str(seen["agent"]).startswith("rvscat/")

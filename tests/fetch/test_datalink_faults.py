"""The datalink route when the archive fails: whole archives of the right stars, or none and the archive's words."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.fetch import ArchiveSession, FetchError
from tests.fetch.datalink_server import DatalinkServer, raw_ecsv, zipped
from tests.fetch.datalink_sky import DatalinkSky, spectra_in
from tests.fetch.tap_server import Answer, Cut, Hold, error_document
from tests.surveys.files import FIRST_ID, spectra

IDS = [FIRST_ID + i for i in range(12)]
COLUMNS = spectra(12)
GIF = b"GIF89a" + bytes(200_000)


@pytest.fixture
def server() -> Iterator[DatalinkServer]:
    """A data server with the spectra of twelve stars as RAW ECSV."""
    with DatalinkServer(IDS, raw_ecsv(COLUMNS)) as server:
        yield server


@pytest.fixture
def link(server: DatalinkServer, session: ArchiveSession, folder: Path) -> DatalinkSky:
    return DatalinkSky(server.url, session, folder)


def damaged() -> bytes:
    """Return an archive with one wrong byte in its member."""
    content = bytearray(zipped(raw_ecsv(COLUMNS)(IDS[:5])))
    content[5000] ^= 0xFF
    return bytes(content)


def cut_short() -> bytes:
    """Return an archive without its end, as if the archive's process had died: the length is right."""
    return zipped(raw_ecsv(COLUMNS)(IDS[:5]))[:-500]


@pytest.mark.parametrize(
    "fault",
    [
        Answer(503, b"busy", (("Retry-After", "0"),)),
        Answer(429, b"slow down", (("Retry-After", "0"),)),
        Answer(500, b"Cannot process request"),
        Answer(502, b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"),
        Cut(0),
        Cut(3000),
        Answer(200, damaged()),
        Answer(200, cut_short()),
    ],
    ids=["503", "429", "500", "502", "cut at once", "cut", "damaged", "cut short"],
)
def test_passing_trouble_is_waited_out(link: DatalinkSky, server: DatalinkServer, fault: Answer | Cut) -> None:
    server.faults.extend([fault, fault])
    result = link.fetch(IDS[:5])
    assert sorted(spectra_in(result.files)) == IDS[:5]
    assert len(server.requests) == 3
    assert [name for name in link.contents() if name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Answer(503, b"busy", (("Retry-After", "0"),)), r"answered 503 Service Unavailable \(4 attempts\): busy"),
        (Cut(3000), "damaged or broke off 4 times"),
        (Answer(200, damaged()), "broke off 4 times.*(checksum|damaged)"),
        (Answer(200, cut_short()), "broke off 4 times.*damaged"),
    ],
    ids=["busy", "cut", "damaged", "cut short"],
)
def test_trouble_that_does_not_pass_is_given_up(
    link: DatalinkSky, server: DatalinkServer, fault: Answer | Cut, words: str
) -> None:
    server.always = fault
    with pytest.raises(FetchError, match=words) as error:
        link.fetch(IDS[:5])
    assert "goes on from here" in error.value.remedy
    assert len(server.requests) == 4
    assert link.contents() == {}
    server.always = None
    assert link.fetch(IDS[:5]).n_rows == 5


MANY = "The maximum number of sources per request is 5000"


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        error_document(MANY),
        f"<html><head><title>Error</title></head><body><h1>Error</h1><b>Message: </b>{MANY}</li></html>".encode(),
        MANY.encode(),
    ],
    ids=["VOTable", "HTML", "text"],
)
def test_a_refusal_is_told_in_the_archives_words(
    link: DatalinkSky, server: DatalinkServer, status: int, body: bytes
) -> None:
    server.always = Answer(status, body)
    with pytest.raises(FetchError, match=rf"answered {status} .*: {MANY}") as error:
        link.fetch(IDS[:5])
    assert error.value.remedy == "Lower `chunk` of the source in the release file: fewer identifiers a call."
    assert len(server.requests) == (4 if status == 500 else 1)
    assert link.contents() == {}


@pytest.mark.parametrize(
    "words",
    ["no formatter for format votable_gzip", "Invalid RETRIEVAL_TYPE MEAN_SPECTRUM_RVS", "Unknown data structure RAW"],
)
def test_words_that_the_archive_has_changed_lead_to_the_release_file(
    link: DatalinkSky, server: DatalinkServer, words: str
) -> None:
    server.always = Answer(400, error_document(words))
    with pytest.raises(FetchError, match=words) as error:
        link.fetch(IDS[:5])
    assert "`format`, `retrieval_type` and `data_structure` of the source in the release file" in error.value.remedy


def test_an_address_that_moved_is_told(link: DatalinkSky, server: DatalinkServer) -> None:
    server.always = Answer(404, b"<html><head><title>404 Not Found</title></head></html>")
    with pytest.raises(FetchError, match=r"answered 404 Not Found \(1 attempt\): 404 Not Found") as error:
        link.fetch(IDS[:5])
    assert "--endpoint NAME=URL" in error.value.remedy


@pytest.mark.parametrize("body", [b"", b"PK", GIF], ids=["empty", "two bytes", "a picture"])
def test_an_answer_of_another_kind_is_not_kept(link: DatalinkSky, server: DatalinkServer, body: bytes) -> None:
    server.always = Answer(200, body)
    with pytest.raises(FetchError, match="answered 200 OK"):
        link.fetch(IDS[:5])
    assert link.contents() == {}


def test_stars_that_were_not_asked_for_are_refused(link: DatalinkSky, server: DatalinkServer) -> None:
    server.always = Answer(200, zipped(raw_ecsv(COLUMNS)(IDS[3:8])))
    with pytest.raises(FetchError, match=f"holds 3 stars that were not asked for, {IDS[5]} for one"):
        link.fetch(IDS[:5])
    assert link.contents() == {}


def test_a_product_that_does_not_say_whose_it_is_is_refused(link: DatalinkSky, server: DatalinkServer) -> None:
    server.always = Answer(200, zipped({"RVS_RAW.csv": b"flux,flux_error\n1.0,0.1\n"}))
    with pytest.raises(FetchError, match="does not say whose it is"):
        link.fetch(IDS[:5])


def test_a_call_that_fails_does_not_stop_the_others(link: DatalinkSky, server: DatalinkServer) -> None:
    server.by_first_id[IDS[5]] = Answer(400, b"Cannot process request")
    result = link.fetch(IDS)
    (failure,) = result.failures
    assert "Cannot process request" in failure.message
    assert sorted(spectra_in(result.files)) == IDS[:5] + IDS[10:]
    assert len(result.missing_ids) == 0
    assert result.notes == ["5 of 12 stars are still to be asked for."]
    del server.by_first_id[IDS[5]]
    n_requests = len(server.requests)
    whole = link.fetch(IDS)
    assert server.asked[n_requests:] == [IDS[5:10]]
    assert sorted(spectra_in(whole.files)) == IDS


def test_after_some_failures_no_further_call_is_made(link: DatalinkSky, server: DatalinkServer) -> None:
    server.always = Answer(400, b"Cannot process request")
    with pytest.raises(FetchError, match="Cannot process request"):
        link.fetch(IDS, chunk=1, jobs=1, max_failures=2)
    assert len(server.requests) <= 3


CHILD = """
import sys
from pathlib import Path
from catalog.fetch import open_session
from tests.fetch.datalink_sky import DatalinkSky

with open_session(retries=3, timeout=(5.0, 60.0), backoff=0.01) as session:
    DatalinkSky(sys.argv[1], session, Path(sys.argv[2])).fetch([int(word) for word in sys.argv[3:]], jobs=1)
"""


@pytest.mark.parametrize("n_calls", [1, 2], ids=["in a chunk", "in the second asking"])
def test_a_killed_download_goes_on_and_ends_with_the_same_files(
    link: DatalinkSky, server: DatalinkServer, session: ArchiveSession, tmp_path: Path, n_calls: int
) -> None:
    late = {IDS[7]}
    server.available.discard(IDS[6])
    server.late = set(late)
    undisturbed = DatalinkSky(server.url, session, tmp_path / "undisturbed")
    expected = undisturbed.fetch(IDS, jobs=1)
    server.late = set(late)
    hold = Hold(after=700)
    server.faults.extend([None] * n_calls + [hold])
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "NO_PROXY": "127.0.0.1"}
    arguments = [server.url, str(link.folder), *map(str, IDS)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], cwd=root, env=environment)
    try:
        assert hold.reached.wait(60)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    hold.release.set()
    if n_calls == 1:
        # The archive had answered, and the answer was lost: it answers the same again.
        server.late = set(late)
    n_requests = len(server.requests)
    result = link.fetch(IDS, jobs=1)
    assert link.contents() == undisturbed.contents()
    assert result.missing_ids.tolist() == expected.missing_ids.tolist() == [IDS[6]]
    assert IDS[:5] not in server.asked[n_requests:]
    assert (IDS[5:10] in server.asked[n_requests:]) == (n_calls == 1)
    names = [path.name for path in link.folder.iterdir()]
    assert sorted(names) == sorted(path.name for path in undisturbed.folder.iterdir())
    tables = [folder / "_missing_rvs_mean_spectrum.csv" for folder in (link.folder, undisturbed.folder)]
    assert tables[0].read_text() == tables[1].read_text()


def test_identifiers_keep_all_their_digits(session: ArchiveSession, folder: Path) -> None:
    large = [(12 << 59) - 1, (12 << 59) - 2, 9007199254740993]
    columns = {**spectra(3), "source_id": large}
    with DatalinkServer(large, raw_ecsv(columns)) as server:
        result = DatalinkSky(server.url, session, folder).fetch(large)
        assert server.asked == [sorted(large)]
    assert len(result.missing_ids) == 0
    assert sorted(spectra_in(result.files)) == sorted(large)
    assert np.load(next(folder.glob("_ids_*.npy")))[0].tolist() == sorted(large)

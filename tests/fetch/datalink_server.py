"""A local DataLink data server: products by identifier in zip archives, with faults on demand."""

import gzip
import io
import threading
import zipfile
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

from tests.fetch.tap_server import Answer, Cut, Hold
from tests.surveys.files import bulk_text

__all__ = ["DatalinkServer", "Packer", "individual", "numbered", "raw_ecsv", "zipped"]

Fault = Answer | Cut | Hold

Packer = Callable[[list[int]], dict[str, bytes]]
"""Makes the members of an archive for identifiers that have a product."""


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip archive; the same members give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def raw_ecsv(columns: Mapping[str, list], retrieval_type: str = "RVS") -> Packer:  # type: ignore[type-arg]
    """Return a packer of RAW products: one ECSV file in DataLink's dialect, a row a source."""

    def pack(ids: list[int]) -> dict[str, bytes]:
        rows = [columns["source_id"].index(number) for number in ids]
        chosen = {name: [values[row] for row in rows] for name, values in columns.items()}
        lines = bulk_text("rvs_mean_spectrum", chosen).split("\n")
        # DataLink's ECSV has no block of metadata, and no blank after the marks of its entries.
        head, body = lines[:3], [line.rstrip() for line in lines[lines.index("# datatype:") :]]
        return {f"{retrieval_type}_RAW.ecsv": "\n".join(head + body).encode()}

    return pack


def individual(files: Mapping[int, bytes], suffix: str, retrieval_type: str = "RVS") -> Packer:
    """Return a packer of INDIVIDUAL products, named as in real downloads."""
    return lambda ids: {f"{retrieval_type}-Gaia DR3 {number}.{suffix}": files[number] for number in ids}


def numbered(pack: Packer, suffix: str) -> Packer:
    """Return a packer of the same products by names that say nothing."""
    return lambda ids: {f"{i}.{suffix}": content for i, content in enumerate(pack(ids).values())}


class DatalinkServer:
    """The data server; use it in a ``with``.

    Each fault is used for one request, in their order; ``None`` among them is a good answer.
    """

    def __init__(self, available: list[int], pack: Packer) -> None:
        self.available = set(available)
        self.pack = pack
        self.late: set[int] = set()
        """Identifiers that are left out of the first answer that should have them."""
        self.faults: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.by_first_id: dict[int, Fault] = {}
        """Faults of all calls whose list begins with this identifier."""
        self.requests: list[dict[str, str]] = []
        self.compress = False
        self.empty: Answer | None = None
        """Answer when there is no product at all, instead of an archive without members."""
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            if isinstance(fault, Hold):
                fault.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the data server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/data-server/data"

    @property
    def asked(self) -> list[list[int]]:
        """Identifiers of each call."""
        with self._lock:
            return [[int(number) for number in each["ID"].split(",")] for each in self.requests]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        form = {name: values[0] for name, values in parse_qs(handler.rfile.read(length).decode()).items()}
        ids = [int(number) for number in form["ID"].split(",")]
        with self._lock:
            self.requests.append(form)
            fault = self.always or self.by_first_id.get(ids[0])
            if fault is None and self.faults:
                fault = self.faults.popleft()
            delivered = [number for number in ids if number in self.available and number not in self.late]
            self.late -= set(ids)
        status, headers, body = 200, {"Content-Type": "application/zip"}, b""
        if isinstance(fault, Answer) or (not delivered and self.empty is not None):
            answer = fault if isinstance(fault, Answer) else self.empty
            assert answer is not None
            status, headers, body = answer.status, dict(answer.headers), answer.body
        else:
            body = zipped(self.pack(delivered) if delivered else {})
        if self.compress:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        self._send(handler, status, headers, body, fault)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> None:
        first = min(len(body), fault.after) if isinstance(fault, Cut | Hold) else len(body)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body[:first])
            if isinstance(fault, Hold):
                handler.wfile.flush()
                fault.reached.set()
                fault.release.wait(60)
                handler.wfile.write(body[first:])
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        if isinstance(fault, Cut):
            handler.close_connection = True

"""A local HTTP server that plays an archive's file server, with faults on demand."""

import hashlib
import re
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

__all__ = ["Answer", "Archive", "Corrupt", "Cut", "Fault", "Hold", "Request"]


@dataclass
class Request:
    """A request as the server saw it."""

    method: str
    path: str
    range: str
    if_range: str
    status: int
    sent: int
    """Bytes of the body that went out."""


@dataclass(frozen=True)
class Answer:
    """Fault: this answer in the place of the file."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"no"


@dataclass(frozen=True)
class Cut:
    """Fault: the connection ends after so many bytes of the body, though the header promised more."""

    after: int


@dataclass(frozen=True)
class Corrupt:
    """Fault: one byte of the body is another, once from this place of the file on."""

    at: int


@dataclass(frozen=True)
class Hold:
    """Fault: after so many bytes of the body nothing more comes until `release` is set."""

    after: int
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


Fault = Answer | Cut | Corrupt | Hold


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)  # type: ignore[arg-type]


class Archive:
    """Files by path, and what goes wrong with them; use it in a ``with``.

    Each fault of a path is used for one GET, in their order; ``None`` among them is a good answer.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        """Faults that never end, GET and HEAD alike."""
        self.requests: list[Request] = []
        self.knows_ranges = True
        self.heeds_if_range = True
        self.names_versions = True
        self.answers_head = True
        self.tells_size = True
        self.longest_range: int | None = None
        """Most bytes of an answer with a part of a file."""
        self.range_shift = 0
        """Bytes by which such an answer begins too late."""
        self.encoding = ""
        """Content-Encoding that good answers claim."""
        self._lock = threading.Lock()
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                archive._answer(self)

            do_HEAD = do_GET  # noqa: N815  names that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the root, with its slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def put_bulk(self, folder: str, files: dict[str, bytes]) -> None:
        """Put files into a bulk folder, and the list of checksums beside them."""
        self.files.update({f"{folder}{name}": content for name, content in files.items()})
        lines = "".join(f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
        self.files[f"{folder}_MD5SUM.txt"] = lines.encode()

    def sent(self, match: Callable[[Request], bool] = lambda _: True) -> int:
        """Return the bytes of bodies that went out."""
        with self._lock:
            return sum(each.sent for each in self.requests if match(each))

    def asked(self, path: str, method: str = "GET") -> list[Request]:
        """Return the requests for a path."""
        with self._lock:
            return [each for each in self.requests if each.path == path and each.method == method]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        is_head = handler.command == "HEAD"
        fault = self.always.get(path)
        if fault is None and not is_head and self.faults[path]:
            fault = self.faults[path].popleft()
        content = self.files.get(path)
        if isinstance(fault, Answer) or content is None or (is_head and not self.answers_head):
            if not isinstance(fault, Answer):
                fault = Answer(404 if content is None else 405)
            self._send(handler, fault.status, dict(fault.headers), fault.body, None)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": etag} if self.names_versions else {}
        if self.encoding:
            headers["Content-Encoding"] = self.encoding
        status, start = 200, 0
        if self.knows_ranges and (wanted := re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))):
            condition = handler.headers.get("If-Range")
            if condition in (None, etag) or not self.heeds_if_range:
                start = int(wanted[1]) + self.range_shift
                status = 206 if start < len(content) else 416
        end = len(content)
        if status == 206:
            end = min(end, start + (self.longest_range or end))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        if status == 416:
            headers["Content-Range"] = f"bytes */{len(content)}"
            start = len(content)
        body = content[start:end]
        if isinstance(fault, Corrupt):
            at = max(fault.at - start, 0)
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        self._send(handler, status, headers, body, fault)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes,
        fault: Fault | None,
    ) -> None:
        handler.send_response(status)
        if self.tells_size:
            headers["Content-Length"] = str(len(body))
        else:
            handler.close_connection = True
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "HEAD":
            body = b""
        first = min(len(body), fault.after) if isinstance(fault, Cut | Hold) else len(body)
        asked = handler.headers
        request = Request(
            handler.command, handler.path.lstrip("/"), asked.get("Range", ""), asked.get("If-Range", ""), status, first
        )
        # Known before the client can have the last byte, so that a test never counts too early.
        with self._lock:
            self.requests.append(request)
        try:
            handler.wfile.write(body[:first])
            if isinstance(fault, Hold):
                fault.reached.set()
                fault.release.wait(60)
                request.sent = len(body)
                handler.wfile.write(body[first:])
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        if isinstance(fault, Cut):
            handler.close_connection = True

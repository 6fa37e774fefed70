"""A local TAP service: synchronous queries and UWS jobs over one table, with faults on demand."""

import gzip
import io
import re
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

import numpy as np
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import Table

__all__ = ["Answer", "Cut", "Hold", "Job", "Request", "TapServer", "error_document", "votable"]


@dataclass(frozen=True)
class Request:
    """A request as the server saw it."""

    method: str
    path: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """Fault: this answer instead of the right one."""

    status: int
    body: bytes = b"no"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cut:
    """Fault: the connection ends after so many bytes, though the header promised more."""

    after: int


@dataclass(frozen=True)
class Hold:
    """Fault: nothing comes after so many bytes until `release` is set."""

    after: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


Fault = Answer | Cut | Hold


@dataclass
class Job:
    """A UWS job."""

    name: str
    query: str
    maxrec: int
    polls_left: int
    phase: str = "PENDING"
    message: str = ""


def votable(table: Table, status: str = "OK", form: str = "binary2", message: str = "") -> bytes:
    """Return a table as TAP services give it; an OVERFLOW is told after the table (DALI 1.1, section 4.4)."""
    document = from_table(table)
    resource = document.resources[0]
    resource.infos.append(Info(name="QUERY_STATUS", value="OK" if status == "OVERFLOW" else status))
    resource.infos[-1].content = message
    buffer = io.BytesIO()
    document.to_xml(buffer, tabledata_format=form)
    text = buffer.getvalue()
    if status == "OVERFLOW":
        end = text.rindex(b"</RESOURCE>")
        text = text[:end] + b'<INFO name="QUERY_STATUS" value="OVERFLOW"/>' + text[end:]
    return text


def error_document(message: str) -> bytes:
    """Return the VOTable with which services refuse."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{escape(message)}</INFO>'
        "</RESOURCE></VOTABLE>"
    ).encode()


class TapServer:
    """One table by TAP; use it in a ``with``.

    Faults of a kind are used one a request, in their order, ``None`` for a good answer. Kinds: ``sync``, ``submit``,
    ``job`` (its document), ``start``, ``result``, ``error`` and ``delete``.
    """

    def __init__(self, table: Table, *, key: str = "source_id") -> None:
        self.table = table
        self.key = key
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.jobs: dict[str, Job] = {}
        self.requests: list[Request] = []
        self.polls = 1
        """Looks at a job until it is completed."""
        self.job_errors: deque[str | None] = deque()
        """Messages with which the next jobs end."""
        self.row_cap: int | None = None
        """Rows at which results overflow, whatever MAXREC says."""
        self.says_overflow = False
        """Whether results are always said to overflow, as by services that were given a MAXREC."""
        self.names_formats = False
        """Whether a job's results are named by format, with no `results/result` among them."""
        self.lost_rows = 0
        """Rows that results lack without a word."""
        self.form = "binary2"
        self.upper = False
        self.drop: tuple[str, ...] = ()
        """Columns that results lack."""
        self.compress = False
        self._n_jobs = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            do_POST = do_DELETE = do_GET  # noqa: N815  names that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in [*self.always.values(), *(each for faults in self.faults.values() for each in faults)]:
            if isinstance(fault, Hold):
                fault.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/tap"

    def asked(self, method: str, pattern: str) -> list[Request]:
        """Return the requests whose path matches as a whole."""
        with self._lock:
            return [each for each in self.requests if each.method == method and re.fullmatch(pattern, each.path)]

    @property
    def counted(self) -> list[str]:
        """Queries that were asked synchronously."""
        return [each.parameters["QUERY"] for each in self.asked("POST", "/tap/sync")]

    @property
    def submitted(self) -> list[str]:
        """Queries of which jobs were asked for."""
        return [each.parameters["QUERY"] for each in self.asked("POST", "/tap/async")]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        form = parse_qs(handler.rfile.read(length).decode())
        path, _, _ = handler.path.partition("?")
        request = Request(handler.command, path, {name.upper(): values[0] for name, values in form.items()})
        with self._lock:
            self.requests.append(request)
            kind = _kind(request)
            fault = self.always.get(kind)
            if fault is None and self.faults[kind]:
                fault = self.faults[kind].popleft()
            status, headers, body = self._reply(kind, request)
        if isinstance(fault, Answer):
            status, headers, body = fault.status, dict(fault.headers), fault.body
        self._send(handler, status, headers, body, fault)

    def _reply(self, kind: str, request: Request) -> tuple[int, dict[str, str], bytes]:
        xml = {"Content-Type": "application/xml"}
        if kind == "sync":
            try:
                return 200, xml, self._run(request.parameters["QUERY"], 2000)
            except ValueError as error:
                return 400, xml, error_document(str(error))
        if kind == "submit":
            return 303, {"Location": f"{self.url}/async/{self._new_job(request)}"}, b""
        job = self.jobs.get(request.path.split("/")[3] if request.path.count("/") > 2 else "")
        if job is None:
            return 404, {"Content-Type": "text/plain"}, b"Job not found"
        if kind == "delete":
            del self.jobs[job.name]
            return 303, {"Location": f"{self.url}/async"}, b""
        if kind == "start":
            job.phase = "EXECUTING"
            return 303, {"Location": f"{self.url}/async/{job.name}"}, b""
        if kind == "error":
            return 200, xml, error_document(job.message)
        if kind == "result":
            return 200, xml, self._run(job.query, job.maxrec)
        return 200, xml, self._document(job)

    def _new_job(self, request: Request) -> str:
        self._n_jobs += 1
        name = f"job{self._n_jobs}"
        maxrec = int(request.parameters.get("MAXREC", "2000"))
        self.jobs[name] = Job(name, request.parameters["QUERY"], maxrec, self.polls)
        if self.job_errors and (message := self.job_errors.popleft()) is not None:
            self.jobs[name].message = message
        return name

    def _document(self, job: Job) -> bytes:
        if job.phase == "EXECUTING":
            job.polls_left -= 1
            if job.polls_left <= 0:
                job.phase = "ERROR" if job.message else "COMPLETED"
        results = f"{self.url}/async/{job.name}/results"
        result = f'<uws:result id="result" xlink:href="{results}/result"/>'
        if self.names_formats:
            result = "".join(f'<uws:result id="{name}" xlink:href="{results}/{name}"/>' for name in ("csv", "votable"))
        message = escape(job.message)
        summary = (
            f'<uws:errorSummary type="fatal" hasDetail="true"><uws:message>{message}</uws:message></uws:errorSummary>'
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="1.1">'
            f"<uws:jobId>{job.name}</uws:jobId><uws:ownerId>anonymous</uws:ownerId><uws:phase>{job.phase}</uws:phase>"
            "<uws:startTime>2026-01-01T00:00:00.000Z</uws:startTime>"
            f"<uws:results>{result if job.phase == 'COMPLETED' else ''}</uws:results>"
            f"{summary if job.phase == 'ERROR' else ''}</uws:job>"
        ).encode()

    def _run(self, query: str, maxrec: int) -> bytes:
        rows = self._select(query)
        if "COUNT(*)" in query:
            return votable(Table({"n_rows": np.array([len(rows)], dtype=np.int64)}))
        if top := re.search(r"TOP (\d+)", query):
            rows = rows[: int(top[1])]
        names = re.search(r"SELECT (?:TOP \d+ )?(.*?) FROM", query)[1].replace("t.", "").split(", ")  # type: ignore[index]
        names = self.table.colnames if names == ["*"] else [name.strip('"') for name in names]
        if unknown := [name for name in names if name not in self.table.colnames]:
            raise ValueError(f"Cannot parse query: unknown column {unknown[0]!r}")
        rows = rows[[name for name in names if name not in self.drop]]
        if self.upper:
            rows.rename_columns(rows.colnames, [name.upper() for name in rows.colnames])
        cap = maxrec if self.row_cap is None else min(maxrec, self.row_cap)
        status = "OVERFLOW" if len(rows) > cap or self.says_overflow else "OK"
        rows = rows[:cap]
        return votable(rows[: len(rows) - self.lost_rows], status, self.form)

    def _select(self, query: str) -> Table:
        ids = np.asarray(self.table[self.key])
        chosen = np.ones(len(ids), dtype=bool)
        if bounds := re.search(rf"t\.{self.key} >= (\d+) AND t\.{self.key} < (\d+)", query):
            chosen &= (ids >= int(bounds[1])) & (ids < int(bounds[2]))
        if listed := re.search(rf"t\.{self.key} IN \(([\d, ]+)\)", query):
            chosen &= np.isin(ids, [int(number) for number in listed[1].split(",")])
        if "t.has_rvs = 'true'" in query:
            chosen &= np.asarray(self.table["has_rvs"])
        return self.table[chosen]

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> None:
        if self.compress and status == 200:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        first = min(len(body), fault.after) if isinstance(fault, Cut | Hold) else len(body)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
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


def _kind(request: Request) -> str:
    if request.path == "/tap/sync":
        return "sync"
    if request.path == "/tap/async":
        return "submit" if request.method == "POST" else "list"
    if request.method == "DELETE":
        return "delete"
    ends = {"phase": "start", "error": "error", "result": "result", "votable": "result"}
    return ends.get(request.path.rpartition("/")[2], "job")

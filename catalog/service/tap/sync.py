"""Synchronous queries: the answer is sent while the database still works on it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.errors import QueryError
from catalog.service.tap.errors import LOG, ServiceError, error_response
from catalog.service.tap.execution import Execution, Outcome, Stopped
from catalog.service.tap.fairness import Places, Seat
from catalog.service.tap.origin import TAP, Origin
from catalog.service.tap.parameters import Parameters, TapQuery, client_of, file_of, read_parameters
from catalog.service.tap.remote import fetch_table
from catalog.service.tap.state import State, state_of
from catalog.service.tap.upload import Upload

__all__ = ["StreamedAnswer", "answer_sync", "keep_uploads"]

# Pieces that wait for a slow client; with the one that is being sent, a whole short answer: head, two blocks, end.
_AHEAD = 3
# How long an answer that tells of its own end may take to be sent.
_GRACE_SECONDS = 10.0


async def answer_sync(request: Request) -> Response:
    """Answer GET or POST of /sync."""
    state = state_of(request)
    parameters = await read_parameters(request, state.limits)
    try:
        query = TapQuery.of(parameters, state.limits)
        folder = None
        uploads: list[Upload] = []
        if query.uploads:
            folder = tempfile.TemporaryDirectory(prefix="rvscat-upload-", ignore_cleanup_errors=True)
            try:
                uploads = await keep_uploads(state, parameters, query.uploads, Path(folder.name))
            except BaseException:
                folder.cleanup()
                raise
    finally:
        await parameters.close()
    limits, origin = state.limits, Origin(state.producer, TAP, query.adql)
    execution = Execution(query.adql, query.format, query.max_rows, limits.sync_seconds, limits, uploads, origin)
    return StreamedAnswer(state, execution, client_of(request), folder)


async def keep_uploads(state: State, parameters: Parameters, tables: dict[str, str], folder: Path) -> list[Upload]:
    """Copy uploaded tables out of a form, or fetch them, into `folder`."""
    uploads = []
    for i, (name, location) in enumerate(tables.items()):
        # Numbered: names of strangers are not names of files.
        upload = Upload(name, folder / f"upload-{i}.xml")
        scheme, _, part = location.partition(":")
        if scheme == "param":
            await asyncio.to_thread(_copy, file_of(parameters, part, name), upload.path)
        else:
            async with state.fetching:
                await asyncio.to_thread(fetch_table, location, upload.path, state.limits.request_bytes)
        uploads.append(upload)
    return uploads


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        copyfileobj(source, target)


class StreamedAnswer(Response):
    """Runs a query when its turn comes and sends the answer, block by block."""

    def __init__(
        self,
        state: State,
        execution: Execution,
        client: str,
        folder: tempfile.TemporaryDirectory[str] | None = None,
        refuse: Callable[[BaseException], Response] = error_response,
    ) -> None:
        super().__init__(media_type=execution.format.media_type)
        self._state = state
        self._execution = execution
        self._client = client
        self._folder = folder
        self._refuse = refuse
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; when the client goes, the query is stopped."""
        answer = asyncio.create_task(self._answer(scope, receive, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not answer.done():
                answer.cancel()
            with suppress(asyncio.CancelledError):
                await answer
            if self._folder is not None:
                await asyncio.to_thread(self._folder.cleanup)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._state.limits
        try:
            async with _turn(self._state.sync_places, self._client, limits.wait_seconds) as seat:
                await self._run(scope, send, seat)
        except Exception as error:
            if not self._begun:
                await self._refuse(error)(scope, receive, send)
            elif self._execution.told_late:
                await send({"type": "http.response.body", "body": b""})
            else:
                LOG.warning("An answer was broken off: %s", error)
                raise

    async def _run(self, scope: Scope, send: Send, seat: Seat) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        execution = self._execution

        async def put(data: bytes) -> None:
            # Waits for a slow client; when there is none any more, the queue is emptied (see `_finished`).
            if not queue.full():
                await queue.put(data)
                return
            async with seat.standing_aside():
                await queue.put(data)

        def sink(data: bytes) -> None:
            asyncio.run_coroutine_threadsafe(put(data), loop).result()

        def rest() -> None:
            asyncio.run_coroutine_threadsafe(seat.rest(), loop).result()

        def work() -> Outcome:
            try:
                return execution.run(self._state.pool, sink, rest)
            finally:
                asyncio.run_coroutine_threadsafe(queue.put(None), loop)

        seconds = execution.seconds
        late = QueryError(
            f"The query ran longer than {seconds:g} s and was stopped.",
            "Select fewer stars, use indexed columns, or ask asynchronously.",
        )
        worker = loop.run_in_executor(self._state.workers, work)
        worker.add_done_callback(lambda _: seat.done())
        try:
            async with asyncio.timeout(None) as timeout:
                watch = asyncio.create_task(self._watch(seat, timeout, late))
                while (data := await queue.get()) is not None:
                    await self._send(scope, send, data)
                await worker
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError as error:
            raise late from error
        finally:
            watch.cancel()
            if not worker.done():
                # The place is held until the database has let go.
                seat.close()
                _stop_soon(self._state.helpers, execution, Stopped("The client has gone."))
                await _finished(worker, queue)

    async def _watch(self, seat: Seat, timeout: asyncio.Timeout, late: QueryError) -> None:
        """Stop the query when its time is over, in which others' turns do not count; then, in a while, its sending."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._execution.seconds
        while (left := end + seat.waited - loop.time()) > 0:
            await asyncio.sleep(left)
        timeout.reschedule(loop.time() + _GRACE_SECONDS)
        _stop_soon(self._state.helpers, self._execution, late)

    async def _send(self, scope: Scope, send: Send, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            headers = [(b"content-type", self._execution.format.media_type.encode())]
            name = f'inline; filename="result.{self._execution.format.extension}"'
            headers.append((b"content-disposition", name.encode()))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            await send({"type": "http.response.body", "body": data, "more_body": True})


@asynccontextmanager
async def _turn(places: Places, client: str, seconds: float) -> AsyncIterator[Seat]:
    """Hold a place, or raise an error when it does not come in time."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(seconds):
                seat = await stack.enter_async_context(places.place(client))
        except TimeoutError as error:
            raise ServiceError(
                f"The service is busy: no place became free in {seconds:g} s.", "Try again later.", 503
            ) from error
        yield seat


def _stop_soon(helpers: Executor, execution: Execution, reason: QueryError | Stopped) -> None:
    # Not in the event loop: it talks to the database.
    helpers.submit(execution.stop, reason)


async def _finished(worker: "asyncio.Future[Outcome]", queue: "asyncio.Queue[bytes | None]") -> None:
    while not worker.done():
        while not queue.empty():
            queue.get_nowait()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({worker}, timeout=0.2)
    if not worker.cancelled():
        worker.exception()  # it has been told of, or nobody listens


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

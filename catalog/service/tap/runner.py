"""Runs jobs in turn, writes their results to files, and deletes those whose time is over."""

import asyncio
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from catalog.errors import DatabaseError, QueryError, RvscatError
from catalog.publish.handover.producer import Producer
from catalog.service.tap.errors import LOG, describe_error
from catalog.service.tap.execution import Execution, Outcome, Stopped
from catalog.service.tap.fairness import Places
from catalog.service.tap.jobs import ACTIVE, Job, JobStore
from catalog.service.tap.limits import Limits
from catalog.service.tap.origin import TAP, Origin
from catalog.service.tap.parameters import Parameters, TapQuery
from catalog.service.tap.pool import Pool
from catalog.service.tap.upload import Upload

__all__ = ["JobRunner"]

_MAX_ATTEMPTS = 2
_CLEAN_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_RESULT = "result"
_JOB_ID = re.compile("[0-9a-f]{32}", re.ASCII)

_Value = TypeVar("_Value")
_Arguments = TypeVarTuple("_Arguments")


class JobRunner:
    """The jobs of a service that is running.

    Parameters
    ----------
    store : JobStore
    pool : Pool
    folder : Path
        Where uploads and results lie, in one folder a job.
    limits : Limits
    workers, helpers : Executor
        Threads for queries, and for everything short.
    producer : Producer
        For the headers of results.
    """

    def __init__(
        self,
        store: JobStore,
        pool: Pool,
        folder: Path,
        limits: Limits,
        workers: Executor,
        helpers: Executor,
        producer: Producer,
    ) -> None:
        self.store = store
        self._pool = pool
        self._folder = folder
        self._limits = limits
        self._workers = workers
        self._helpers = helpers
        self._producer = producer
        self._places = Places(limits.job_queries)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._executions: dict[str, Execution] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._cleaner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the jobs of an earlier service."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for job_id in await self._call(self.store.interrupted, _MAX_ATTEMPTS):
            job = await self._call(self.store.find, job_id)
            self.submit(job)
        self._cleaner = asyncio.create_task(self._clean_up())

    async def stop(self) -> None:
        """Stop running queries; their jobs run again when the service does."""
        if self._cleaner is not None:
            self._cleaner.cancel()
        for event in self._changed.values():
            event.set()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def submit(self, job: Job) -> None:
        """Run a job that is QUEUED when its turn comes."""
        self._tasks[job.job_id] = asyncio.create_task(self._run(job))

    async def abort(self, job_id: str, reason: str = "The job was aborted.") -> None:
        """End a job that waits or runs, and wait until it has ended."""
        execution, task = self._executions.get(job_id), self._tasks.get(job_id)
        if execution is not None:
            await self._call(execution.stop, Stopped(reason))
        elif task is not None:
            task.cancel()
        if task is not None:
            await asyncio.wait({task}, timeout=30)
        self.tell(job_id)

    async def delete(self, job_id: str) -> None:
        """End a job and forget it with all its files."""
        await self._call(self.store.enter, job_id, "ABORTED", ("PENDING", "HELD", *ACTIVE))
        await self.abort(job_id)
        await self._call(self.store.delete, job_id)
        await self._call(self._remove, job_id)

    def tell(self, job_id: str) -> None:
        """Wake those who wait for a change of a job."""
        if (event := self._changed.pop(job_id, None)) is not None:
            event.set()

    async def wait_for_change(self, job_id: str, seconds: float) -> None:
        """Wait until a job changes, `seconds` at most."""
        event = self._changed.setdefault(job_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def folder_of(self, job_id: str) -> Path:
        """Return the folder of a job's files."""
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is no job.")
        return self._folder / job_id

    def result_of(self, job_id: str) -> Path:
        """Return the file of a job's result."""
        return self.folder_of(job_id) / _RESULT

    async def _run(self, job: Job) -> None:
        job_id = job.job_id
        try:
            async with self._places.place(job.client):
                if not await self._call(self.store.enter, job_id, "EXECUTING", ("QUEUED",)):
                    return  # aborted or deleted while it waited
                self.tell(job_id)
                await self._execute(job)
        except asyncio.CancelledError:
            with suppress(RvscatError):
                await self._call(self.store.enter, job_id, "QUEUED", ("EXECUTING",))
            raise
        except Exception as error:
            status, message = describe_error(error)
            await self._persist(self.store.fail, job_id, status, message)
        finally:
            self._tasks.pop(job_id, None)
            self.tell(job_id)

    async def _execute(self, job: Job) -> None:
        query = TapQuery.of(Parameters([(name, value) for name, value in job.parameters]), self._limits)
        seconds = job.execution_duration or self._limits.max_job_seconds
        folder = self.folder_of(job.job_id)
        uploads = [Upload(name, folder / f"upload-{i}.xml") for i, name in enumerate(query.uploads)]
        origin = Origin(self._producer, TAP, query.adql)
        execution = Execution(query.adql, query.format, query.max_rows, seconds, self._limits, uploads, origin)
        late = QueryError(f"The query ran longer than {seconds:g} s and was stopped.", "Raise EXECUTIONDURATION.")
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._helpers.submit, execution.stop, late)
        self._executions[job.job_id] = execution
        worker = loop.run_in_executor(self._workers, self._write, execution, job.job_id)
        try:
            outcome = await asyncio.shield(worker)
            await self._persist(self.store.complete, job.job_id, query.format.media_type, outcome)
        except asyncio.CancelledError:
            self._helpers.submit(execution.stop, Stopped("The service ends."))
            with suppress(RvscatError):
                await worker
            raise
        except Stopped:
            pass  # its phase tells who stopped it
        finally:
            timer.cancel()
            del self._executions[job.job_id]

    def _write(self, execution: Execution, job_id: str) -> Outcome:
        part, result = self.folder_of(job_id) / f"{_RESULT}.part", self.result_of(job_id)
        part.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            with part.open("wb") as file:

                def sink(data: bytes) -> None:
                    file.write(data)

                outcome = execution.run(self._pool, sink)
            part.replace(result)
        finally:
            part.unlink(missing_ok=True)
        return outcome

    async def _clean_up(self) -> None:
        while True:
            try:
                for job_id in await self._call(self.store.expired):
                    await self.delete(job_id)
                # Folders first: a job is in the database before it has a folder.
                names = [path.name for path in self._folder.iterdir() if _JOB_ID.fullmatch(path.name)]
                known = set(await self._call(self.store.known))
                for name in names:
                    if name not in known:
                        await self._call(self._remove, name)
            except Exception as error:
                LOG.warning("Old jobs could not be deleted at present: %s", error)
            await asyncio.sleep(_CLEAN_SECONDS)

    def _remove(self, job_id: str) -> None:
        shutil.rmtree(self.folder_of(job_id), ignore_errors=True)

    async def _persist(self, function: Callable[[*_Arguments], _Value], *arguments: *_Arguments) -> _Value:
        """Tell the database, however long it is away."""
        while True:
            try:
                return await self._call(function, *arguments)
            except DatabaseError as error:
                LOG.warning("%s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _call(self, function: Callable[[*_Arguments], _Value], *arguments: *_Arguments) -> _Value:
        return await asyncio.get_running_loop().run_in_executor(self._helpers, function, *arguments)

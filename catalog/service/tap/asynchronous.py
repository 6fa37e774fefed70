"""Asynchronous queries (UWS 1.1): /async and what lies below it."""

import asyncio
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from catalog.service.tap.errors import VOTABLE, ServiceError, error_document
from catalog.service.tap.jobs import ACTIVE, Job
from catalog.service.tap.parameters import Parameters, client_of, read_parameters
from catalog.service.tap.state import State, base_url, state_of
from catalog.service.tap.sync import keep_uploads
from catalog.service.tap.upload import parse_upload_parameter
from catalog.service.tap.uws import job_document, job_list, parameters_document, results_document, timestamp

__all__ = ["ROUTES"]

_XML = "text/xml"
_JOB_ID = re.compile("[0-9a-f]{32}", re.ASCII)
_PHASES = ("PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED", "HELD")
# Of the request, not of the query.
_CONTROL = ("PHASE", "ACTION", "WAIT")


async def _jobs(request: Request) -> Response:
    """GET: the client's jobs. POST: a new one."""
    state = state_of(request)
    parameters = await read_parameters(request, state.limits)
    try:
        if request.method == "POST":
            return await _create(request, state, parameters)
    finally:
        await parameters.close()
    phases = [value.upper() for value in parameters.all("PHASE")]
    if unknown := [phase for phase in phases if phase not in _PHASES]:
        raise ServiceError(f"There is no phase {unknown[0][:50]!r}.", f"Phases are {', '.join(_PHASES)}.")
    after, last = parameters.get("AFTER"), parameters.get("LAST")
    if last is not None and not (last.isascii() and last.isdigit() and int(last[:9]) > 0):
        raise ServiceError(f"LAST is {last[:50]!r}.", "Give a whole number of jobs, 1 or more.")
    jobs = await asyncio.to_thread(
        state.jobs.store.list_jobs,
        client_of(request),
        phases,
        None if after is None else _moment(after),
        None if last is None else int(last[:9]),
    )
    return Response(job_list(jobs, f"{base_url(request)}/tap/async"), media_type=_XML)


async def _create(request: Request, state: State, parameters: Parameters) -> Response:
    tables = parse_upload_parameter(parameters.all("UPLOAD"), state.limits)
    kept = [(name, value) for name, value in parameters.pairs if name not in _CONTROL]
    with tempfile.TemporaryDirectory(prefix="rvscat-upload-") as folder:
        uploads = await keep_uploads(state, parameters, tables, Path(folder))
        n_bytes = sum(upload.path.stat().st_size for upload in uploads)
        job = await asyncio.to_thread(
            state.jobs.store.create, client_of(request), kept, parameters.get("RUNID"), n_bytes, state.limits
        )
        target = state.jobs.folder_of(job.job_id)
        await asyncio.to_thread(_keep, [upload.path for upload in uploads], target)
    if (phase := parameters.get("PHASE")) is not None:
        await _set_phase(state, job, phase)
    return _see_other(f"{base_url(request)}/tap/async/{job.job_id}")


def _keep(paths: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())


async def _job(request: Request) -> Response:
    """GET: the job, after WAIT. POST ACTION=DELETE and DELETE: forget it. POST others: its parameters."""
    state, job = await _find(request)
    url = f"{base_url(request)}/tap/async/{job.job_id}"
    if request.method == "DELETE":
        await state.jobs.delete(job.job_id)
        return _see_other(f"{base_url(request)}/tap/async")
    parameters = await read_parameters(request, state.limits)
    await parameters.close()
    if request.method == "POST":
        action = (parameters.get("ACTION") or "").upper()
        if action == "DELETE":
            await state.jobs.delete(job.job_id)
            return _see_other(f"{base_url(request)}/tap/async")
        await _change(state, job, parameters)
        return _see_other(url)
    if (wait := parameters.get("WAIT")) is not None:
        job = await _wait(state, job, wait, parameters.get("PHASE"))
    return Response(job_document(job, url), media_type=_XML)


async def _wait(state: State, job: Job, wait: str, phase: str | None) -> Job:
    if not re.fullmatch(r"-1|[0-9]{1,9}", wait, re.ASCII):
        raise ServiceError(f"WAIT is {wait[:50]!r}.", "Give a whole number of seconds.")
    most = state.limits.wait_seconds
    end = asyncio.get_running_loop().time() + (most if wait == "-1" else min(int(wait), most))
    before = phase or job.phase
    while job.phase == before and job.phase in ("PENDING", "HELD", *ACTIVE):
        rest = end - asyncio.get_running_loop().time()
        if rest <= 0:
            break
        # Listen first: what changes while the database is asked is not missed.
        change = asyncio.ensure_future(state.jobs.wait_for_change(job.job_id, rest))
        await asyncio.sleep(0)
        job = await asyncio.to_thread(state.jobs.store.find, job.job_id)
        if job.phase == before:
            await change
            job = await asyncio.to_thread(state.jobs.store.find, job.job_id)
        change.cancel()
    return job


async def _part(request: Request) -> Response:
    """One property of a job: GET tells it, POST changes it."""
    state, job = await _find(request)
    part = request.path_params["part"]
    url = f"{base_url(request)}/tap/async/{job.job_id}"
    if request.method == "POST":
        parameters = await read_parameters(request, state.limits)
        await parameters.close()
        if part not in ("phase", "executionduration", "destruction", "parameters"):
            raise ServiceError(f"{part} cannot be changed.", "", 405)
        await _change(state, job, parameters)
        return _see_other(url)
    if part == "parameters":
        return Response(parameters_document(job), media_type=_XML)
    if part == "results":
        return Response(results_document(job, url), media_type=_XML)
    if part == "error":
        if job.phase != "ERROR":
            raise ServiceError("The job has no error.", "", 404)
        return Response(error_document(job.error_message or ""), media_type=VOTABLE)
    texts = {
        "phase": job.phase,
        "executionduration": str(job.execution_duration),
        "destruction": timestamp(job.destruction),
        "quote": "",
        "owner": "",
    }
    if part not in texts:
        raise ServiceError("A job has no such part.", "", 404)
    return PlainTextResponse(texts[part])


async def _result(request: Request) -> Response:
    """Return the file of the result."""
    state, job = await _find(request)
    path = state.jobs.result_of(job.job_id)
    if not job.ended_well:
        raise ServiceError(f"The job is {job.phase} and has no result.", "", 404)
    if not path.is_file():
        raise ServiceError("The result is gone.", "Its file was deleted in the data folder: run the query again.", 410)
    return FileResponse(path, media_type=job.media_type)


async def _change(state: State, job: Job, parameters: Parameters) -> None:
    if (seconds := parameters.get("EXECUTIONDURATION")) is not None:
        if not (seconds.isascii() and seconds.isdigit()):
            raise ServiceError(f"EXECUTIONDURATION is {seconds[:50]!r}.", "Give a whole number of seconds.")
        most = state.limits.max_job_seconds
        # 0 is as long as possible.
        await asyncio.to_thread(state.jobs.store.set_duration, job.job_id, min(int(seconds[:12]) or most, most))
    if (when := parameters.get("DESTRUCTION")) is not None:
        latest = datetime.now(UTC) + timedelta(days=state.limits.max_job_days)
        await asyncio.to_thread(state.jobs.store.set_destruction, job.job_id, min(_moment(when), latest))
    control = (*_CONTROL, "EXECUTIONDURATION", "DESTRUCTION")
    if changed := [(name, value) for name, value in parameters.pairs if name not in control]:
        if any(name == "UPLOAD" for name, _ in changed):
            raise ServiceError("Tables are uploaded when a job is made.", "Make a new job.")
        names = {name for name, _ in changed}
        kept = [(name, value) for name, value in job.parameters if name not in names] + changed
        run_id = next((value for name, value in reversed(kept) if name == "RUNID"), None)
        await asyncio.to_thread(state.jobs.store.set_parameters, job.job_id, kept, run_id)
    if (phase := parameters.get("PHASE")) is not None:
        await _set_phase(state, await asyncio.to_thread(state.jobs.store.find, job.job_id), phase)


async def _set_phase(state: State, job: Job, phase: str) -> None:
    if phase.upper() == "RUN":
        if await asyncio.to_thread(state.jobs.store.enter, job.job_id, "QUEUED", ("PENDING", "HELD")):
            state.jobs.submit(job)
            state.jobs.tell(job.job_id)
    elif phase.upper() == "ABORT":
        aborted = await asyncio.to_thread(state.jobs.store.enter, job.job_id, "ABORTED", ("PENDING", "HELD", *ACTIVE))
        if aborted:
            await state.jobs.abort(job.job_id)
    else:
        raise ServiceError(f"PHASE is {phase[:50]!r}.", "It may be RUN or ABORT.")


async def _find(request: Request) -> tuple[State, Job]:
    state = state_of(request)
    job_id = request.path_params["job_id"]
    if not _JOB_ID.fullmatch(job_id):
        raise ServiceError("There is no such job.", "", 404)
    return state, await asyncio.to_thread(state.jobs.store.find, job_id)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ServiceError(f"{text[:50]!r} is no time.", "Write 2026-12-31T23:59:59Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _see_other(url: str) -> Response:
    return RedirectResponse(url, status_code=303)


ROUTES = [
    Route("/async", _jobs, methods=["GET", "POST"]),
    Route("/async/{job_id}", _job, methods=["GET", "POST", "DELETE"]),
    Route("/async/{job_id}/results/result", _result, methods=["GET"]),
    Route("/async/{job_id}/{part}", _part, methods=["GET", "POST"]),
]
"""Below the address of the TAP service."""

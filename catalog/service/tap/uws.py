"""UWS 1.1 documents: one job, a list of jobs, parameters, results."""

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from catalog.publish.formats.votable_document import element
from catalog.service.tap.jobs import Job

__all__ = ["job_document", "job_list", "parameters_document", "results_document", "timestamp"]

_NAMESPACES = {
    "xmlns:uws": "http://www.ivoa.net/xml/UWS/v1.0",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NIL = {"xsi:nil": "true"}


def timestamp(moment: datetime) -> str:
    """Return a moment as UWS and DALI write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def job_document(job: Job, url: str) -> str:
    """Return what is known of a job, whose address is `url`."""
    parts = [
        _text("jobId", job.job_id),
        _text("runId", job.run_id) if job.run_id else "",
        element("uws:ownerId", _NIL),
        _text("phase", job.phase),
        element("uws:quote", _NIL),
        _text("creationTime", timestamp(job.created)),
        _moment("startTime", job.started),
        _moment("endTime", job.ended),
        _text("executionDuration", str(job.execution_duration)),
        _text("destruction", timestamp(job.destruction)),
        _parameters(job, {}),
        _results(job, url, {}),
    ]
    if job.phase == "ERROR":
        kind = "transient" if job.error_status in (429, 503) else "fatal"
        summary = element("uws:message", {}, escape(job.error_message or ""))
        parts.append(element("uws:errorSummary", {"type": kind, "hasDetail": "true"}, summary))
    return _HEAD + element("uws:job", {**_NAMESPACES, "version": "1.1"}, "\n".join(filter(None, parts))) + "\n"


def job_list(jobs: Sequence[Job], url: str) -> str:
    """Return a list of jobs, whose addresses begin with `url`."""
    references = [
        element(
            "uws:jobref",
            {"id": job.job_id, "xlink:href": f"{url}/{job.job_id}", "xlink:type": "simple"},
            "\n".join(
                [
                    _text("phase", job.phase),
                    *([_text("runId", job.run_id)] if job.run_id else []),
                    element("uws:ownerId", _NIL),
                    _text("creationTime", timestamp(job.created)),
                ]
            ),
        )
        for job in jobs
    ]
    return _HEAD + element("uws:jobs", {**_NAMESPACES, "version": "1.1"}, "\n".join(references)) + "\n"


def parameters_document(job: Job) -> str:
    """Return the parameters of a job."""
    return _HEAD + _parameters(job, _NAMESPACES) + "\n"


def results_document(job: Job, url: str) -> str:
    """Return the list of a job's results."""
    return _HEAD + _results(job, url, _NAMESPACES) + "\n"


def _text(name: str, text: str) -> str:
    return element(f"uws:{name}", {}, escape(text))


def _moment(name: str, moment: datetime | None) -> str:
    return element(f"uws:{name}", _NIL) if moment is None else _text(name, timestamp(moment))


def _parameters(job: Job, attributes: dict[str, str]) -> str:
    each = [element("uws:parameter", {"id": name.lower()}, escape(value)) for name, value in job.parameters]
    return element("uws:parameters", attributes, "\n".join(each))


def _results(job: Job, url: str, attributes: dict[str, str]) -> str:
    result = ""
    if job.ended_well:
        result = element(
            "uws:result",
            {
                "id": "result",
                "xlink:href": f"{url}/results/result",
                "mime-type": job.media_type,
                "xlink:type": "simple",
            },
        )
    return element("uws:results", attributes, result)

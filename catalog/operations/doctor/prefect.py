"""The Prefect server that flows report to, asked over HTTP: reachable, of our version, with a living worker."""

import os
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import requests

from catalog.operations.doctor.findings import Finding, Patient, failure, fine, warning
from catalog.operations.secrets import mask
from catalog.settings import mask_password

__all__ = ["examine_prefect"]

_AREA = "prefect"
_SECONDS = 5


def examine_prefect(patient: Patient) -> Iterator[Finding]:
    """Ask the server that PREFECT_API_URL names; without one, each run starts its own."""
    del patient
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if not url:
        yield fine(_AREA, "PREFECT_API_URL is not set: each run has a server of its own; schedules need a lasting one")
        return
    shown = mask_password(url)
    with requests.Session() as session:
        _authorize(session)
        try:
            _ask(session, "GET", f"{url}/health")
            version = str(_ask(session, "GET", f"{url}/admin/version"))
            pools = _ask(session, "POST", f"{url}/work_pools/filter")
            workers = {
                pool["name"]: _ask(session, "POST", f"{url}/work_pools/{pool['name']}/workers/filter") for pool in pools
            }
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            remedy = (
                "Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
                if code in (401, 403)
                else "Is it Prefect's API? Its URL ends with /api."
            )
            yield failure(_AREA, f"{shown} answers with HTTP {code}.", remedy)
            return
        except (requests.RequestException, ValueError) as error:
            yield failure(
                _AREA,
                f"The Prefect server at {shown} does not answer: {mask(type(error).__name__)}.",
                "Start it (`prefect server start`), or unset PREFECT_API_URL.",
            )
            return
    own = metadata.version("prefect")
    if version.split(".")[:2] == own.split(".")[:2]:
        yield fine(_AREA, f"server {shown}, version {version}")
    else:
        yield warning(
            _AREA, f"The server at {shown} is version {version}; {own} is installed here.", "Use the same for both."
        )
    yield from _pools(pools, workers)


def _pools(pools: list[dict[str, Any]], workers: dict[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    if not pools:
        yield warning(_AREA, "The server has no work pool: nothing deployed can run.", "`rvscat deploy` makes one.")
    for pool in pools:
        name = pool["name"]
        if pool.get("is_paused"):
            yield warning(_AREA, f"Work pool {name} is paused.", f"prefect work-pool resume {name}")
            continue
        alive = [worker["name"] for worker in workers[name] if worker.get("status") == "ONLINE"]
        if alive:
            yield fine(_AREA, f"work pool {name}: {len(alive)} living worker{'s' if len(alive) > 1 else ''}")
        else:
            yield warning(
                _AREA,
                f"Work pool {name} has no living worker: scheduled runs wait.",
                f"prefect worker start --pool {name}",
            )


def _authorize(session: requests.Session) -> None:
    if key := os.environ.get("PREFECT_API_KEY"):
        session.headers["Authorization"] = f"Bearer {key}"
    elif ":" in (pair := os.environ.get("PREFECT_API_AUTH_STRING", "")):
        account, _, password = pair.partition(":")
        session.auth = (account, password)


def _ask(session: requests.Session, method: str, url: str) -> Any:
    answer = session.request(method, url, json={} if method == "POST" else None, timeout=_SECONDS)
    answer.raise_for_status()
    return answer.json()

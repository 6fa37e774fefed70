"""Deployments on a Prefect server: made when they are missing, changed when they differ, else left alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from catalog import __version__
from catalog.errors import ConfigurationError
from catalog.settings import Settings, mask_password
from flows.place import place_variables
from flows.specification import Deployed, Wishes

__all__ = ["Result", "deploy", "server_url"]


@dataclass(frozen=True)
class Result:
    """What became of one deployment."""

    name: str
    state: str
    """``created``, ``changed``, ``unchanged``, or what would become of it."""
    deployment_id: str | None
    cron: str
    timezone: str
    active: bool
    parameters: dict[str, Any]


def server_url() -> str | None:
    """Return the address of Prefect's API that this process is to use, without a password; None when there is none."""
    url = PREFECT_API_URL.value()
    return mask_password(url) if url else None


def deploy(wanted: list[Deployed], wishes: Wishes, settings: Settings, *, dry_run: bool) -> tuple[list[Result], str]:
    """Deploy, and make the work pool if it is missing.

    Parameters
    ----------
    wanted : list of Deployed
    wishes : Wishes
        Whose switches decide whether a schedule is on; without one it stays as it is on the server.
    settings : Settings
        The data folder that flow runs are to use.
    dry_run : bool
        Only compare.

    Returns
    -------
    results : list of Result
        In the order of `wanted`.
    pool : str
        What became of the work pool: ``created`` or ``there``.

    Raises
    ------
    ConfigurationError
        No server is named, it does not answer, or it refuses.
    """
    url = server_url()
    if url is None:
        raise ConfigurationError(
            "PREFECT_API_URL is not set: which Prefect server is to have the deployments?",
            "Start one with `prefect server start`, then: export PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    with _errors(url), get_client(sync_client=True) as client:
        client.hello()
        pool = _ensure_pool(client, wanted[0].work_pool.name, dry_run)
        return [_deploy(client, each, wishes, settings, dry_run) for each in wanted], pool


@contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except PrefectHTTPStatusError as error:
        status, said = error.response.status_code, error.response.text[:300]
        remedy = "Set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server asks for."
        raise ConfigurationError(
            f"The Prefect server at {url} refused: {status} {error.response.reason_phrase}; {said}.",
            remedy if status in (401, 403) else "Is it a Prefect 3 server, and does PREFECT_API_URL end in /api?",
        ) from error
    except (httpx.HTTPError, RuntimeError) as error:
        raise ConfigurationError(
            f"The Prefect server at {url} does not answer: {str(error) or type(error).__name__}.",
            "Is it running (`prefect server start`), and is PREFECT_API_URL right?",
        ) from error


def _ensure_pool(client: SyncPrefectClient, name: str, dry_run: bool) -> str:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        if not dry_run:
            client.create_work_pool(
                WorkPoolCreate(
                    name=name,
                    type="process",
                    description="Flow runs of rvscat: processes beside the worker, which need the package and nothing "
                    "else.",
                    base_job_template=ProcessWorker.get_default_base_job_template(),
                )
            )
        return "created"
    return "there"


def _deploy(client: SyncPrefectClient, wanted: Deployed, wishes: Wishes, settings: Settings, dry_run: bool) -> Result:
    try:
        there: DeploymentResponse | None = client.read_deployment_by_name(wanted.full_name)
    except ObjectNotFound:
        there = None
    times = wanted.schedules[0]
    active = wishes.switched.get(wanted.kind, _is_active(there, times.slug, times.active))
    description = _description(wanted, settings, active)
    if there is None or _differs(there, description):
        state = "created" if there is None else "changed"
        deployment_id = str(there.id) if there is not None else None
        if not dry_run:
            flow_id = client.create_flow_from_name(wanted.kind)
            deployment_id = str(client.create_deployment(flow_id=flow_id, **description))
    else:
        state, deployment_id = "unchanged", str(there.id)
    if active and not dry_run:
        _plan_runs(client, wanted.full_name, str(deployment_id))
    return Result(wanted.full_name, state, deployment_id, times.cron, times.timezone, active, wanted.parameters)


def _plan_runs(client: SyncPrefectClient, name: str, deployment_id: str) -> None:
    """Have the next flow runs planned now: a server that cannot plan any does not tell otherwise, and nothing fires."""
    try:
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json={"min_runs": 1})
    except PrefectHTTPStatusError as error:
        raise ConfigurationError(
            f"{name} is deployed, but the Prefect server cannot plan its flow runs ({error.response.status_code}).",
            "Its log says why. Prefect 3.8 cannot with SQLAlchemy 2.1: pip install 'sqlalchemy<2.1' there.",
        ) from error


def _is_active(there: DeploymentResponse | None, slug: str, default: bool) -> bool:
    """Return whether the schedule is on: somebody may have switched it since it was deployed."""
    known = [schedule for schedule in there.schedules if schedule.slug == slug] if there is not None else []
    return known[0].active if known else default


def _description(wanted: Deployed, settings: Settings, active: bool) -> dict[str, Any]:
    """Return what the client is told about a deployment."""
    times, places = wanted.schedules[0], wanted.concurrency_limit
    return {
        "name": wanted.name,
        "version": __version__,
        "description": wanted.description,
        "tags": wanted.tags,
        "entrypoint": wanted.entrypoint,
        "parameters": wanted.parameters,
        "parameter_openapi_schema": parameter_schema(wanted.flow).model_dump(exclude_unset=True),
        "enforce_parameter_schema": True,
        "schedules": [
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=times.cron, timezone=times.timezone), active=active, slug=times.slug
            )
        ],
        "concurrency_limit": places.limit,
        "concurrency_options": ConcurrencyOptions(
            collision_strategy=ConcurrencyLimitStrategy(places.collision_strategy)
        ),
        "work_pool_name": wanted.work_pool.name,
        "job_variables": {"env": place_variables(settings)},
        "pull_steps": [],
    }


def _differs(there: DeploymentResponse, wanted: dict[str, Any]) -> bool:
    plain = (
        "version", "description", "entrypoint", "parameters", "parameter_openapi_schema", "enforce_parameter_schema",
        "work_pool_name", "job_variables",
    )  # fmt: skip
    if any(getattr(there, name) != wanted[name] for name in plain) or sorted(there.tags) != sorted(wanted["tags"]):
        return True
    limit = there.global_concurrency_limit.limit if there.global_concurrency_limit else None
    options = there.concurrency_options
    if limit != wanted["concurrency_limit"] or options is None:
        return True
    if options.collision_strategy != wanted["concurrency_options"].collision_strategy:
        return True
    return [_key(each) for each in there.schedules] != [_key(each) for each in wanted["schedules"]]


def _key(schedule: Any) -> tuple[Any, ...]:
    return schedule.slug, schedule.active, schedule.schedule.cron, schedule.schedule.timezone

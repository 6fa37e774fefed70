"""What the parts of the running service share."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from catalog.publish.handover.producer import Producer
from catalog.service.tap.fairness import Places
from catalog.service.tap.limits import Limits
from catalog.service.tap.pool import Pool

if TYPE_CHECKING:
    from catalog.service.tap.runner import JobRunner

__all__ = ["State", "base_url", "state_of"]


@dataclass
class State:
    """The service while it runs."""

    limits: Limits
    pool: Pool
    workers: Executor
    """Threads that run queries: as many as there are places, and as answers may stand aside."""
    helpers: Executor
    """Threads for everything short."""
    sync_places: Places
    fetching: asyncio.Semaphore
    """For uploads that are fetched: so many at once."""
    jobs: "JobRunner"
    producer: Producer
    """Who made the catalogue, and its licence."""
    public_url: str | None = None
    """Address by which clients reach the service, when it is not the one that they name."""


def state_of(request: Request) -> State:
    """Return the state of the service that got `request`."""
    state: State = request.app.state.service
    return state


def base_url(request: Request) -> str:
    """Return the address of the service, without a slash at its end."""
    public = state_of(request).public_url
    return (public or str(request.base_url)).rstrip("/")

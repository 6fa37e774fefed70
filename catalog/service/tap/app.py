"""The application: all routes, and what is started and stopped with them."""

import asyncio
import fcntl
import secrets
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from catalog.database.connection import database_url
from catalog.errors import ConfigurationError, DatabaseError, RvscatError
from catalog.publish.handover.producer import load_producer
from catalog.service.tap import asynchronous, examples, landing, scs, vosi
from catalog.service.tap.cross_origin import CrossOrigin
from catalog.service.tap.errors import ServiceError, Unforeseen, error_response
from catalog.service.tap.fairness import Places
from catalog.service.tap.jobs import JobStore
from catalog.service.tap.limits import Limits, load_limits
from catalog.service.tap.pool import Pool
from catalog.service.tap.runner import JobRunner
from catalog.service.tap.state import State
from catalog.service.tap.sync import answer_sync
from catalog.settings import Settings

__all__ = ["create_app", "own_folder"]

_HELPERS = 8
_FETCHES = 3


def create_app(settings: Settings, limits: Limits | None = None, public_url: str | None = None) -> Starlette:
    """Return the TAP service of a data folder as an ASGI application.

    Parameters
    ----------
    settings : Settings
        Database, and the folder in which jobs keep their results.
    limits : Limits, optional
        By default what ``service.toml`` in the data folder says.
    public_url : str, optional
        Address by which clients reach the service, when it stands behind another server.

    Returns
    -------
    starlette.applications.Starlette

    Raises
    ------
    ConfigurationError
        ``service.toml`` or ``handover.toml`` cannot be used.
    """
    limits = limits or load_limits(settings.home)
    producer = load_producer(settings.home)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(database_url, settings)
        n_places = limits.sync_queries + limits.job_queries
        pool = Pool(lambda: _present_url(settings), n_places + 2)
        workers = ThreadPoolExecutor(n_places + limits.answers_aside, "query")
        helpers = ThreadPoolExecutor(_HELPERS, "helper")
        asyncio.get_running_loop().set_default_executor(helpers)
        with own_folder(settings.home / "service") as (folder, service_id):
            store = JobStore(pool, service_id)
            runner = JobRunner(store, pool, folder / "jobs", limits, workers, helpers, producer)
            places = Places(limits.sync_queries, limits.waiting_per_client, limits.answers_aside)
            app.state.service = State(
                limits, pool, workers, helpers, places, asyncio.Semaphore(_FETCHES), runner, producer, public_url
            )
            await runner.start()
            try:
                yield
            finally:
                await runner.stop()
                # Not in this thread: an answer that is on its way needs the event loop to come to its end.
                await asyncio.to_thread(workers.shutdown, wait=True, cancel_futures=True)
                pool.close()

    tap = [Route("/sync", answer_sync, methods=["GET", "POST"]), *asynchronous.ROUTES, *vosi.ROUTES, *examples.ROUTES]
    app = Starlette(
        routes=[*landing.ROUTES, *scs.ROUTES, Mount("/tap", routes=tap)],
        lifespan=lifespan,
        middleware=[Middleware(CrossOrigin, origins=limits.allow_origins), Middleware(Unforeseen)],
        exception_handlers={RvscatError: _tell, HTTPException: _tell_http},
    )
    # Routes below /tap are named from the root: redirects of slashes would lose the port behind some servers.
    app.router.redirect_slashes = False
    return app


async def _tell(request: Request, error: Exception) -> Response:  # noqa: ARG001  starlette gives it
    return error_response(error)


async def _tell_http(request: Request, error: Exception) -> Response:  # noqa: ARG001  starlette gives it
    assert isinstance(error, HTTPException)
    words = {404: "There is nothing at this address.", 405: "This address is not asked in this way."}
    told = ServiceError(words.get(error.status_code, str(error.detail)), "", error.status_code)
    return error_response(told)


def _present_url(settings: Settings) -> str:
    """Return where the database is now; the embedded one is not started against the will of who stopped it."""
    if settings.database_url:
        return settings.database_url
    from catalog.database.embedded.server import running_url

    if (url := running_url(settings)) is None:
        raise DatabaseError("The embedded database server does not run.", "`rvscat db start` starts it.")
    return url


@contextmanager
def own_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    """Hold the folder of the service, which one service at a time may use; its number names its jobs.

    Raises
    ------
    ConfigurationError
        Another service holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"Another `rvscat serve` uses {folder.parent}.", "Stop it first, or use another data folder."
            ) from error
        number = folder / "id"
        if not number.is_file():
            part = folder / "id.part"
            part.write_text(secrets.token_hex(16), encoding="ascii")
            part.replace(number)
        yield folder, number.read_text(encoding="ascii").strip()

"""Parts of a stage as tasks of a small flow, done by whatever task runner is configured."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import CrashedRun
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED, temporary_settings

from catalog.errors import ConfigurationError, RvscatError
from catalog.settings import Settings
from catalog.tasks import Idle, LostPart, OnEnd, Part
from flows.runners import make_runner

__all__ = ["PrefectRunner", "perform_part", "perform_parts"]

_POLL_SECONDS = 0.2


@task(cache_policy=NO_CACHE, persist_result=False)
def perform_part(target: str, arguments: dict[str, Any]) -> Any:
    """Do one part of a stage.

    Parameters
    ----------
    target : str
        ``module:function``.
    arguments : dict
        Text and numbers.

    Returns
    -------
    object
        What the function returned; JSON can hold it.
    """
    return resolve_name(target)(**arguments)


@flow(name="parts", persist_result=False)
def perform_parts(target: str, n_parts: int) -> None:
    """Do the parts that `PrefectRunner.run` was given, and wait for them.

    Parameters
    ----------
    target : str
        ``module:function``.
    n_parts : int
    """
    # A function of its own: workers get this flow in pieces, and pieces that do not travel must not be among them.
    _perform(target, n_parts)


def _perform(target: str, n_parts: int) -> None:
    name = target.rpartition(":")[2]
    work = _work.get()
    waiting: dict[int, PrefectFuture[Any]] = {}
    try:
        for i in range(n_parts):
            named = perform_part.with_options(task_run_name=f"{name} {i + 1} of {n_parts}")
            waiting[i] = named.submit(target, dict(work.parts[i]))
        while waiting:
            work.idle()
            for i in (ended := [i for i, future in waiting.items() if _ended(future)]):
                work.take(i, waiting.pop(i))
            if not ended:
                time.sleep(_POLL_SECONDS)
    finally:
        for future in waiting.values():
            _cancel(future)


@dataclass
class _Work:
    """What a flow run does; kept out of its parameters, since it cannot be written down."""

    parts: Sequence[Part]
    on_end: OnEnd
    idle: Idle
    lost: list[LostPart] = field(default_factory=list)

    def take(self, number: int, future: PrefectFuture[Any]) -> None:
        try:
            value = _value(future)
        except _LostError as error:
            self.lost.append(LostPart(number, str(error)))
        else:
            self.on_end(number, value)


_work: ContextVar[_Work] = ContextVar("work")


class PrefectRunner:
    """Does parts by a task runner of Prefect; see `catalog.tasks.TaskRunner`.

    Parameters
    ----------
    settings : Settings
        Name the task runner.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, target: str, parts: Sequence[Part], on_end: OnEnd, idle: Idle) -> list[LostPart]:
        """Do all parts, several at once, in any order: see `catalog.tasks.TaskRunner.run`."""
        work = _Work(parts, on_end, idle)
        token = _work.set(work)
        try:
            with _settings_of_workers():
                perform_parts.with_options(task_runner=make_runner(self._settings))(target, len(parts))
        finally:
            _work.reset(token)
        return work.lost


class _LostError(Exception):
    """Whoever did a part is gone."""


@contextmanager
def _settings_of_workers() -> Iterator[None]:
    """Let workers report to the server of this process; where they cannot reach it, they work all the same."""
    settings: dict[Any, Any] = {PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}
    if not PREFECT_API_URL.value():
        # Each of them would start a server of its own.
        settings[PREFECT_API_URL] = str(get_client(sync_client=True).api_url)
    with temporary_settings(settings):
        yield


def _wrapped(future: PrefectFuture[Any]) -> Any:
    """Return what the runner itself knows of a part, where it can be asked without waiting."""
    wrapped: Any = getattr(future, "wrapped_future", None)
    return wrapped if hasattr(wrapped, "done") else None


def _ended(future: PrefectFuture[Any]) -> bool:
    wrapped = _wrapped(future)
    if wrapped is not None:
        return bool(wrapped.done())
    future.wait(timeout=_POLL_SECONDS)
    return future.state.is_final()


def _value(future: PrefectFuture[Any]) -> Any:
    wrapped = _wrapped(future)
    if wrapped is not None:
        # A task that fails ends with a state all the same: only what runs tasks raises here.
        try:
            wrapped.result()
        except ImportError as error:
            raise ConfigurationError(
                f"A worker cannot import what it is to do: {error}.",
                "Every worker needs the same packages: pip install 'rvscat[dask]' there, too.",
            ) from error
        except RvscatError:
            raise
        except Exception as error:
            raise _LostError(f"Its worker was lost ({type(error).__name__}: {error}).") from error
    try:
        return future.result()
    except CrashedRun as error:
        raise _LostError(f"Its worker was lost ({error}).") from error


def _cancel(future: PrefectFuture[Any]) -> None:
    wrapped = _wrapped(future)
    if wrapped is not None and hasattr(wrapped, "cancel"):
        wrapped.cancel()

"""Task runners by name: Dask's, or any other that Prefect knows."""

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from prefect.task_runners import TaskRunner

from catalog.errors import ConfigurationError
from catalog.settings import Settings

__all__ = ["make_runner"]

_CONNECT_SECONDS = 30


def make_runner(settings: Settings) -> TaskRunner[Any]:
    """Make the task runner that the settings name.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    prefect.task_runners.TaskRunner

    Raises
    ------
    ConfigurationError
        It is not installed, or there is none of that name.
    """
    if settings.task_runner == "dask":
        return _dask(settings)
    module, _, name = settings.task_runner.partition(":")
    try:
        made = getattr(import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"There is no task runner {settings.task_runner!r} (RVSCAT_TASK_RUNNER): {error}.",
            "Give local, dask, or module:name of a task runner of Prefect, such as prefect_ray:RayTaskRunner, and "
            "install its package.",
        ) from error
    if not isinstance(made, TaskRunner):
        raise ConfigurationError(
            f"{settings.task_runner!r} (RVSCAT_TASK_RUNNER) makes no task runner of Prefect.",
            "Give local, dask, or module:name of one, such as prefect_ray:RayTaskRunner.",
        )
    return made


def _dask(settings: Settings) -> TaskRunner[Any]:
    missing = [name for name in ("prefect_dask", "distributed") if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The task runner 'dask' needs {' and '.join(missing).replace('_', '-')}, which is not installed.",
            "Install it here and on all workers: pip install 'rvscat[dask]'.",
        )
    from prefect_dask.task_runners import DaskTaskRunner

    logging.getLogger("distributed").setLevel(logging.ERROR)
    if settings.dask_address is None:
        # Members are processes of their own, of one thread each. Dask would end a worker that takes much memory.
        cluster = {
            "n_workers": settings.workers,
            "threads_per_worker": 1,
            "processes": True,
            "memory_limit": 0,
            # Without one, Dask still takes port 8787, and warns when another cluster has it.
            "dashboard_address": "127.0.0.1:0",
        }
        return DaskTaskRunner(cluster_kwargs=cluster)
    _require_scheduler(settings.dask_address)
    return DaskTaskRunner(address=settings.dask_address)


def _require_scheduler(address: str) -> None:
    import distributed

    try:
        distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False).close()
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"No Dask scheduler answers at {address} (RVSCAT_DASK_ADDRESS): {error}",
            "Start one with `dask scheduler` and workers with `dask worker`, or leave the address out: then processes "
            "of this machine are used.",
        ) from error

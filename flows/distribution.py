"""Who does the parts of stages: the task runner that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.settings import Settings
from catalog.tasks import distribute_by

__all__ = ["distributed"]


@contextmanager
def distributed(settings: Settings) -> Iterator[None]:
    """Let the configured task runner do the parts of stages that run inside this context.

    With ``local``, stages use processes of this machine and Prefect is not even imported; otherwise
    `flows.environment.prepare` must have been called before.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    ConfigurationError
        The task runner is not installed, or does not exist.
    """
    if settings.task_runner == "local":
        yield
        return
    from flows.parts import PrefectRunner

    with distribute_by(PrefectRunner(settings)):
        yield

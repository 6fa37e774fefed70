"""Prefect's own settings: inside our data folder, no server started by hand, nothing sent outside.

Must be called before Prefect is imported. What a user has set is left alone: with PREFECT_API_URL, for
instance, the flows report to that server.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from catalog.errors import RvscatError
from catalog.settings import Settings, mask_password

__all__ = ["end_orphans", "prepare", "told_of_prefect"]

_OWNER = "RVSCAT_FLOW_PROCESS"
_UNREACHED = "Failed to reach API"
_START = "Start it, or unset PREFECT_API_URL: then each run has a server of its own."


def prepare(settings: Settings, verbose: bool = False) -> None:
    """Set Prefect's environment variables where the user has not.

    Parameters
    ----------
    settings : Settings
    verbose : bool
        Show Prefect's own log.
    """
    defaults = {
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        # A busy two-core machine needs more than the default to start it.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING" if verbose else "CRITICAL",
        # When a server goes away, each event that it misses would be printed whole.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "ERROR" if verbose else "CRITICAL",
        # Prefect would show our own log, too: it goes into a file, and errors are shown by the command.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
    }
    end_orphans(settings)
    # The server that Prefect starts inherits this: a later run sees whose it was.
    os.environ[_OWNER] = str(os.getpid())
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Prefect's server loops until its time is over when its folder does not exist.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


@contextmanager
def told_of_prefect() -> Iterator[None]:
    """Turn what Prefect's client says of a server that does not answer into words.

    Raises
    ------
    RvscatError
        The server of PREFECT_API_URL, or the one that Prefect starts for a run, cannot be reached any more.
    """
    import httpx

    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        if isinstance(error, RvscatError) or not (isinstance(error, httpx.HTTPError) or _UNREACHED in str(error)):
            raise
        url = os.environ.get("PREFECT_API_URL")
        where = f"at {mask_password(url)} (PREFECT_API_URL)" if url else "that was started for this run"
        what = str(error.__cause__ or error) or type(error).__name__
        raise RvscatError(
            f"The Prefect server {where} does not answer: {what.rstrip('.')}.",
            f"{_START if url else 'It was ended, or the machine is overloaded.'} What was finished before is kept: the "
            "same command goes on from there.",
        ) from error


def end_orphans(settings: Settings) -> int:
    """End servers that Prefect started for a run which was killed before it could end them.

    Parameters
    ----------
    settings : Settings
        Only servers of this data folder are looked at.

    Returns
    -------
    int
        How many there were.
    """
    orphans = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue  # ended meanwhile, or another user's
        owner = environment.get(_OWNER, "")
        if (
            "PREFECT__SERVER_EPHEMERAL" in environment
            and environment.get("PREFECT_HOME") == str(settings.home / "prefect")
            and owner.isdigit()
            and not psutil.pid_exists(int(owner))
        ):
            process.terminate()
            orphans.append(process)
    _, alive = psutil.wait_procs(orphans, timeout=5)
    for process in alive:
        process.kill()
    return len(orphans)

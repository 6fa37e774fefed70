"""Prefect's own settings: inside our data folder, no server started by hand, nothing sent outside.

Must be called before Prefect is imported. What a user has set is left alone: with PREFECT_API_URL, for
instance, the flows report to that server.
"""

import os
from pathlib import Path

from catalog.settings import Settings

__all__ = ["prepare"]


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
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Prefect's server loops until its time is over when its folder does not exist.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)

"""Where deployed flows work: the data folder goes with the deployment, the password of the database never does."""

import os

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from catalog.errors import ConfigurationError
from catalog.settings import Settings, mask_password

__all__ = ["DATABASE", "check_place", "describe_database", "place_variables"]

DATABASE = "RVSCAT_DEPLOYED_DATABASE"
"""Names the database that a deployment was made for; without user and password."""


def describe_database(settings: Settings) -> str:
    """Return ``host:port/name`` of the configured database, or ``embedded``.

    Raises
    ------
    ConfigurationError
        The URL cannot be read.
    """
    if not settings.database_url:
        return "embedded"
    try:
        parts = conninfo_to_dict(settings.database_url)
    except ProgrammingError as error:
        raise ConfigurationError(
            f"RVSCAT_DATABASE_URL cannot be read: {mask_password(settings.database_url)}.",
            "Give a URL such as postgresql://user:password@host:5432/database.",
        ) from error
    name = parts.get("dbname") or parts.get("user") or ""
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{name}"


def place_variables(settings: Settings) -> dict[str, str]:
    """Return the environment variables that flow runs of a deployment get.

    They are kept on Prefect's server for everyone to read who reaches it: no secrets.
    """
    return {"RVSCAT_HOME": str(settings.home), DATABASE: describe_database(settings)}


def check_place(settings: Settings) -> None:
    """Refuse to work on another database than the one that the deployment was made for.

    A worker that was started without RVSCAT_DATABASE_URL would quietly begin an empty catalogue of its own.

    Raises
    ------
    ConfigurationError
    """
    wanted, found = os.environ.get(DATABASE), describe_database(settings)
    if wanted and wanted != found:
        raise ConfigurationError(
            f"The deployment was made for the database {wanted}; this worker would use {found}.",
            "Start the worker with the RVSCAT_DATABASE_URL that `rvscat deploy` had, or give database_url in "
            f"{settings.home / 'rvscat.toml'}, or deploy again from here.",
        )

"""Where things are: data folder and database, from the environment or a settings file.

The order is: environment variables, then ``rvscat.toml`` in the data folder, then defaults.
"""

import os
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.errors import ConfigurationError

__all__ = ["Settings", "load_settings", "mask_password"]

CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseModel):
    """Where this installation keeps its data and its database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    """Folder of everything that rvscat writes: database, surveys, ensembles, reports, exports."""

    database_url: str | None = None
    """``postgresql://`` URL of a server to use instead of the embedded one."""

    database_account: str | None = None
    """Account that runs the embedded server when rvscat runs as root."""

    workers: int = max(1, os.cpu_count() or 1)
    """Processes that may compute at once."""

    task_runner: str = Field(default="local", pattern=r"^(local|dask|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    """Where parts of a stage are done that others can do: ``local``, by processes of this machine; ``dask``, by the
    workers of a Dask cluster; or ``module:name`` of any other task runner of Prefect."""

    dask_address: str | None = Field(default=None, pattern=r"^[a-z]+://.+$")
    """Address of a Dask scheduler, such as ``tcp://host:8786``; without it, ``dask`` starts a cluster of ``workers``
    processes on this machine."""

    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|OFF)$")
    """Least level of what is written to ``logs/`` of the data folder; ``OFF`` writes nothing."""

    @property
    def surveys(self) -> Path:
        """Folder of survey files: one sub-folder a release or synthetic sky."""
        return self.home / "surveys"

    @property
    def ensembles(self) -> Path:
        """Folder of trained ensembles."""
        return self.home / "ensembles"

    @property
    def reports(self) -> Path:
        """Folder of validation reports, one a run."""
        return self.home / "reports"

    @property
    def exports(self) -> Path:
        """Folder of exported catalogue files, one sub-folder a version."""
        return self.home / "exports"


def default_home() -> Path:
    """Return ``.rvscat`` beside a checkout, or the platform's user data folder."""
    if (CHECKOUT / "pyproject.toml").is_file() and (CHECKOUT / "migrations").is_dir():
        return CHECKOUT / ".rvscat"
    return user_data_path("rvscat", appauthor=False)


def load_settings() -> Settings:
    """Read the settings of this process.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigurationError
        The settings file cannot be parsed or holds an unknown or invalid entry.
    """
    # No strict resolution: the folder may not exist yet.
    home = Path(os.environ.get("RVSCAT_HOME") or default_home()).expanduser().absolute()
    values: dict[str, object] = {}
    file = home / "rvscat.toml"
    if file.is_file():
        try:
            values = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{file} is not valid TOML: {error}.", "Correct the file or remove it.") from error
    values["home"] = home
    for name in ("database_url", "database_account", "workers", "task_runner", "dask_address", "log_level"):
        if value := os.environ.get(f"RVSCAT_{name.upper()}"):
            values[name] = value
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"Invalid settings ({file} or RVSCAT_* variables): {details}.") from error
    if settings.database_url and urlsplit(settings.database_url).scheme not in ("postgresql", "postgres"):
        raise ConfigurationError(
            "RVSCAT_DATABASE_URL does not start with postgresql://.",
            "Give a URL such as postgresql://user:password@host:5432/database.",
        )
    return settings


def mask_password(url: str) -> str:
    """Return `url` with its password replaced, fit for logs and messages."""
    parts = urlsplit(url)
    netloc = parts.netloc
    if parts.password is not None:
        netloc = netloc.replace(f":{parts.password}@", ":***@")
    # libpq also takes the password as a parameter.
    query = re.sub(r"(^|&)((?:ssl)?password)=[^&]*", r"\1\2=***", parts.query)
    return urlunsplit(parts._replace(netloc=netloc, query=query))

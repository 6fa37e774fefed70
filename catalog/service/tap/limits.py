"""How much the service does for whom: read from ``service.toml`` in the data folder, else these defaults."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.errors import ConfigurationError

__all__ = ["FILE", "Limits", "load_limits"]

FILE = "service.toml"

_MEGABYTE = 1_000_000


class Limits(BaseModel):
    """Limits of the TAP service; times are seconds, sizes bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_rows: int = Field(default=1_000_000, ge=0)
    """Rows of an answer when the client says nothing (MAXREC)."""
    max_rows: int = Field(default=10_000_000, ge=1)
    """Rows of an answer whatever the client says."""
    cone_rows: int = Field(default=100_000, ge=1)
    """Rows of a cone search at most."""

    sync_seconds: float = Field(default=120.0, gt=0)
    """Time of a synchronous query, its sending included."""
    job_seconds: int = Field(default=600, ge=1)
    """Time of a job that asks for none."""
    max_job_seconds: int = Field(default=7200, ge=1)
    """Time of a job at most."""
    wait_seconds: float = Field(default=60.0, ge=0)
    """How long a request may wait for its turn, or for a job (WAIT)."""

    sync_queries: int = Field(default=4, ge=1)
    """Synchronous queries that run at once."""
    job_queries: int = Field(default=2, ge=1)
    """Jobs that run at once."""
    answers_aside: int = Field(default=12, ge=0)
    """Long answers that may stand aside at once, for a slow reader or for others' turn, beyond those that run; each
    holds a connection to the database."""
    waiting_per_client: int = Field(default=100, ge=1)
    """Synchronous queries of one client that may wait."""

    jobs_per_client: int = Field(default=100, ge=1)
    """Jobs of one client that are kept."""
    job_days: float = Field(default=3.0, gt=0)
    """How long a job that asks for nothing is kept."""
    max_job_days: float = Field(default=30.0, gt=0)
    """How long a job is kept at most."""
    answer_bytes: int = Field(default=4_000 * _MEGABYTE, ge=1)
    """Size of one answer."""
    client_bytes: int = Field(default=10_000 * _MEGABYTE, ge=1)
    """Size of all results of one client that are kept."""
    store_bytes: int = Field(default=50_000 * _MEGABYTE, ge=1)
    """Size of all results that are kept."""

    request_bytes: int = Field(default=50 * _MEGABYTE, ge=1)
    """Size of a request with its uploads."""
    upload_rows: int = Field(default=200_000, ge=1)
    """Rows of an uploaded table."""
    upload_columns: int = Field(default=200, ge=1)
    """Columns of an uploaded table."""
    fetch_uploads: bool = True
    """Whether tables are fetched from public addresses (UPLOAD=name,http://…)."""
    uploads: int = Field(default=8, ge=1)
    """Uploaded tables of a request."""

    allow_origins: tuple[str, ...] = ("*",)
    """Web sites whose scripts may read answers in a browser (CORS), as ``https://example.org``; ``*`` is all."""


def load_limits(home: Path) -> Limits:
    """Read the limits of the data folder `home`.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or holds an unknown or impossible entry.
    """
    file = home / FILE
    if not file.is_file():
        return Limits()
    try:
        return Limits.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.", "Correct the file or remove it.") from error
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{file} holds what is no limit: {details}.", "Correct the file.") from error

"""Which versions have been published, from which run, and with what content."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from catalog.database.queries import load
from catalog.errors import NotFoundError
from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish.gate import Verdict
from catalog.publish.tables import table_name

__all__ = ["Publication", "Reinstated", "Retraction", "content_sha256", "find_publication", "list_publications"]


@dataclass(frozen=True)
class Retraction:
    """Why a version was taken out of service, by whom and when."""

    reason: str
    by: str
    at: datetime
    dropped: bool
    """True when its tables are gone."""


@dataclass(frozen=True)
class Reinstated:
    """Who put a version back into service, and when."""

    by: str
    at: datetime
    reason: str
    """For which it had been retracted."""


@dataclass(frozen=True)
class Publication:
    """One row of ``production.publication``."""

    version: int
    run_id: int
    n_rows: int
    sha256: str
    """Of the content: see `content_sha256`."""
    current: bool
    published_at: datetime
    verdict: Verdict | None = None
    """Of its validation, when it was published; None for versions of before that was asked."""
    accepted_at: datetime | None = None
    """When failed checks were accepted."""
    retracted: Retraction | None = None
    """For a version that is out of service."""
    reinstated: Reinstated | None = None
    """For a version that was retracted before, and is or was back in service since."""


def list_publications(connection: Connection) -> list[Publication]:
    """Return all publications, oldest first."""
    rows = connection.execute(load("publish/publications").statement).fetchall()
    return [_publication(row) for row in rows]


def _publication(row: Sequence[Any]) -> Publication:
    version, run_id, n_rows, sha256, current, published_at, accepted_at, *told = row
    passed, warned, failed, not_run, failures, reason, account, retracted_at, why, by, dropped, *back = told
    verdict = None if passed is None else Verdict(passed, warned, failed, not_run, tuple(failures), reason, account)
    retracted = None if retracted_at is None else Retraction(why, by, retracted_at, dropped)
    reinstated = None if back[0] is None else Reinstated(back[1], back[0], back[2])
    return Publication(
        version, run_id, n_rows, sha256, current, published_at, verdict, accepted_at, retracted, reinstated
    )


def find_publication(connection: Connection, version: int | None = None) -> Publication:
    """Return the publication of that number, or the current one.

    Raises
    ------
    NotFoundError
        There is no such publication.
    """
    publications = list_publications(connection)
    for publication in publications:
        if publication.current if version is None else publication.version == version:
            return publication
    if version is None:
        raise NotFoundError("Nothing has been published yet.", "`rvscat publish` publishes the latest run.")
    known = ", ".join(str(publication.version) for publication in publications) or "none"
    raise NotFoundError(f"There is no published version {version}.", f"Published versions: {known}.")


def content_sha256(connection: Connection, version: int) -> str:
    """Return the SHA-256 of a version's rows.

    It is that of ``COPY (SELECT * FROM catalogue.rvs_cnn_extended_v<version> ORDER BY source_id) TO STDOUT (FORMAT
    csv)``, so anyone can compute it again with psql and sha256sum. The table holds all that is published.
    """
    statement = sql.SQL("COPY (SELECT * FROM {} ORDER BY source_id) TO STDOUT (FORMAT csv)").format(
        table_name(RVS_CNN_EXTENDED, version)
    )
    digest = hashlib.sha256()
    with connection.transaction(), connection.cursor() as cursor:
        # PostgreSQL's default: the shortest digits that give each float back.
        cursor.execute("SET LOCAL extra_float_digits = 1")
        with cursor.copy(statement) as copy:
            for data in copy:
                digest.update(data)
    return digest.hexdigest()

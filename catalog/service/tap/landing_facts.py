"""What the landing page tells of the catalogue: asked of the database once a version."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import psycopg

from catalog.database.queries import load
from catalog.errors import DatabaseError, NotFoundError
from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish.publications import Publication, find_publication
from catalog.releases import load_release
from catalog.service.published import served_table
from catalog.service.query import READER
from catalog.service.tap.errors import LOG
from catalog.service.tap.landing_sky import SHIFT, Sky, draw_sky, prepare
from catalog.service.tap.pool import Pool
from catalog.service.tap.vosi import Table

__all__ = ["Counted", "Counts", "Version", "read_version"]

# The page waits so long for counts, which are there at the next visit.
_PATIENCE_SECONDS = 5.0
_COUNT_SECONDS = 60


@dataclass(frozen=True)
class Version:
    """What the stable views show at present."""

    identifier: int
    """Of its table; another one after each publication."""
    number: int | None
    release: str | None
    """As in the column ``release``."""
    publication: Publication | None
    """None where the service may not read the ledger, or knows nothing of this version."""

    @property
    def synthetic(self) -> bool:
        """True for stars that somebody made up."""
        return "-mock-" in (self.release or "")

    @property
    def release_title(self) -> str:
        """The release's name for people."""
        name = (self.release or "").partition("-mock-")[0]
        try:
            return load_release(name).title
        except NotFoundError:
            return name

    @property
    def published(self) -> datetime | None:
        """When this version was published."""
        return self.publication.published_at if self.publication else None


@dataclass(frozen=True)
class Counts:
    """Numbers of stars, and where they are."""

    n: int
    n_training: int
    n_recommended: int
    sky: Sky


def read_version(pool: Pool, tables: list[Table]) -> Version | None:
    """Return what is published; None when nothing is.

    Parameters
    ----------
    pool : Pool
    tables : list
        As of `catalog.service.tap.vosi.fetch_tables`.

    Raises
    ------
    DatabaseError
    """
    if RVS_CNN_EXTENDED.qualified_name not in [table["table_name"] for table in tables]:
        return None
    with pool.connection() as connection, connection.transaction():
        connection.execute(f"SET LOCAL ROLE {READER}")
        served = served_table(connection)
    if served is None:
        return None
    return Version(served.identifier, served.version, served.release, _publication(pool, served.version))


def _publication(pool: Pool, number: int | None) -> Publication | None:
    with pool.connection() as connection, connection.transaction():
        try:
            return None if number is None else find_publication(connection, number)
        except (NotFoundError, psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
            return None


def _fetch(pool: Pool) -> list[tuple[int, ...]]:
    with pool.connection() as connection, connection.transaction():
        connection.execute(f"SET LOCAL ROLE {READER}")
        connection.execute(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'")
        return connection.execute(load("service/sky_counts").statement, {"shift": SHIFT}).fetchall()


def _counts(rows: list[tuple[int, ...]]) -> Counts:
    pixels, n, n_training, n_recommended = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    sky = draw_sky(pixels, n)
    return Counts(int(n.sum()), int(n_training.sum()), int(n_recommended.sum()), sky)


class Counted:
    """Counts of the version that is served: made once, however many ask at once."""

    def __init__(self) -> None:
        self._identifier: int | None = None
        self._task: asyncio.Task[Counts | None] | None = None

    async def of(self, pool: Pool, version: Version) -> Counts | None:
        """Return the counts of `version`; None while they are being made, or when they take too long."""
        if self._task is None or self._identifier != version.identifier:
            self._identifier = version.identifier
            self._task = asyncio.create_task(self._make(pool))
        done, _ = await asyncio.wait({self._task}, timeout=_PATIENCE_SECONDS)
        return self._task.result() if done else None

    async def _make(self, pool: Pool) -> Counts | None:
        try:
            rows = asyncio.create_task(asyncio.to_thread(_fetch, pool))
            # While the database counts.
            await asyncio.to_thread(prepare)
            return await asyncio.to_thread(_counts, await rows)
        except (DatabaseError, psycopg.Error) as error:
            LOG.warning("The stars could not be counted for the page: %s", error)
            self._identifier = None  # the next visitor tries again
            return None

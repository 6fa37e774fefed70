"""Taking a retraction back: a version is in service again, in one transaction.

The entry ``retract-<version>`` of the run's ledger (``production.stage``) gives way to an entry
``reinstate-<version>``: its counts hold version and account, its notes all that was done to the version, oldest first.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from catalog.errors import DatabaseError
from catalog.publish.export import exporting
from catalog.publish.gate import PublicationError, account
from catalog.publish.publications import Publication, content_sha256, find_publication, list_publications
from catalog.publish.retract import RETRACTED
from catalog.publish.tables import grant_tables, switch_views
from catalog.publish.tap_schema import write_tap_schema
from catalog.settings import Settings

__all__ = ["Reinstatement", "reinstate_version"]


@dataclass(frozen=True)
class Reinstatement:
    """What has been done."""

    version: int
    current: int
    """Version that readers see now."""
    exports: Path | None
    """Where the version's files are; None when there are none."""


def reinstate_version(connection: Connection, version: int, settings: Settings) -> Reinstatement:
    """Put a version back into service that was retracted.

    In one transaction the reader's role may read its tables again and, when no newer version is in service, the stable
    views and TAP_SCHEMA change to it. Then the folder of its files gets its name back and loses its notice. Done again
    after an interruption, it completes what is left.

    Parameters
    ----------
    connection : psycopg.Connection
    version : int
    settings : Settings
        ``exports`` is where its files are.

    Returns
    -------
    Reinstatement

    Raises
    ------
    NotFoundError
        There is no such version.
    PublicationError
        It is in service, and nothing is left to do; or its tables were dropped.
    DatabaseError
        Its tables are not what was published, or its files are being written.
    """
    connection.commit()
    marked = settings.exports / f"v{version}.retracted"
    with connection.transaction():
        # No publication meanwhile: it would choose the current version as well.
        connection.execute("LOCK TABLE production.publication IN SHARE ROW EXCLUSIVE MODE")
        publication = find_publication(connection, version)
        if publication.retracted is None and not marked.is_dir():
            raise PublicationError(f"Version {version} is in service.", "Nothing was changed.")
        if publication.retracted is not None:
            _check_tables(connection, publication)
            _record(connection, publication)
            grant_tables(connection, version)
            current = next((each.version for each in list_publications(connection) if each.current), None)
            if current is None or current < version:
                _show(connection, version)
    shown = find_publication(connection).version
    connection.commit()
    return Reinstatement(version, shown, _unmark_exports(settings, version))


def _check_tables(connection: Connection, publication: Publication) -> None:
    """Raise an error unless the version's content is still the one that was published."""
    version = publication.version
    if publication.retracted is not None and publication.retracted.dropped:
        raise PublicationError(
            f"Version {version} cannot be reinstated: its tables were dropped.",
            "Make the catalogue again: other content is a new version.",
        )
    try:
        with connection.transaction():
            found = content_sha256(connection, version)
    except psycopg.errors.UndefinedTable as error:
        raise DatabaseError(
            f"Version {version} cannot be reinstated: its tables are missing.",
            "They were removed by hand. Make the catalogue again: other content is a new version.",
        ) from error
    if found != publication.sha256:
        raise DatabaseError(
            f"Version {version} cannot be reinstated: its table is not what was published.",
            "It was changed by hand. Make the catalogue again: other content is a new version.",
        )


def _show(connection: Connection, version: int) -> None:
    try:
        with connection.transaction():
            switch_views(connection, version)
    except psycopg.errors.UndefinedColumn as error:
        raise DatabaseError(
            f"Version {version} cannot be reinstated: it has other columns than this rvscat shows.",
            "Do it with the rvscat that published it.",
        ) from error
    connection.execute("UPDATE production.publication SET current = false WHERE current")
    connection.execute("UPDATE production.publication SET current = true WHERE version = %s", (version,))
    write_tap_schema(connection)


def _record(connection: Connection, publication: Publication) -> None:
    """Let the entry of the retraction become part of the entry of the reinstatement."""
    retracted = publication.retracted
    assert retracted is not None
    by, version = account(), publication.version
    notes = [
        f"Version {version} was retracted {retracted.at:%Y-%m-%d %H:%M %Z} by {retracted.by}: {retracted.reason}",
        f"Version {version} was reinstated by {by}",
    ]
    connection.execute(
        "DELETE FROM production.stage WHERE run_id = %s AND name = %s", (publication.run_id, f"retract-{version}")
    )
    connection.execute(
        "INSERT INTO production.stage AS known (run_id, name, key, status, counts, notes, message, finished_at) "
        "VALUES (%s, %s, %s, 'complete', %s, %s, %s, clock_timestamp()) "
        "ON CONFLICT (run_id, name) WHERE status = 'complete' DO UPDATE SET counts = EXCLUDED.counts, "
        "notes = CAST(CAST(known.notes AS jsonb) || CAST(EXCLUDED.notes AS jsonb) AS json), "
        "message = EXCLUDED.message, started_at = EXCLUDED.started_at, finished_at = EXCLUDED.finished_at",
        (
            publication.run_id,
            f"reinstate-{version}",
            publication.sha256,
            Jsonb({"version": version, "by": by}),
            Jsonb(notes),
            retracted.reason,
        ),
    )


def _unmark_exports(settings: Settings, version: int) -> Path | None:
    """Give the folder of the version's files its name back, unless there are new ones."""
    folder = settings.exports / f"v{version}"
    marked = folder.with_name(f"{folder.name}.retracted")
    if folder.is_dir() or not marked.is_dir():
        return folder if folder.is_dir() else None
    with exporting(marked):
        (marked / RETRACTED).unlink(missing_ok=True)
        return marked.rename(folder)

"""Taking a version out of service: readers see the newest good version instead, in one transaction.

Who did it, when and why is an entry ``retract-<version>`` of the run's ledger (``production.stage``): message is the
reason, counts hold version, account and whether the tables were dropped. The publication's row stays, so that its
number is not given again and its content not published again. `catalog.publish.reinstate` takes a retraction back.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.types.json import Json, Jsonb

from catalog.errors import DatabaseError
from catalog.publish.export import exporting
from catalog.publish.gate import PublicationError, account
from catalog.publish.publications import Publication, find_publication, list_publications
from catalog.publish.tables import drop_tables, drop_views, revoke_tables, switch_views
from catalog.publish.tap_schema import clear_tap_schema, write_tap_schema
from catalog.settings import Settings

__all__ = ["RETRACTED", "Withdrawal", "retract_version"]

RETRACTED = "RETRACTED.txt"
"""Name of the notice beside the files of a retracted version."""


@dataclass(frozen=True)
class Withdrawal:
    """What a retraction has done."""

    version: int
    current: int | None
    """Version that readers see now; None when nothing is published any more."""
    exports: Path | None
    """Where the version's files are now, with a notice; None when there were none."""
    dropped: bool


def retract_version(
    connection: Connection, version: int, reason: str, settings: Settings, drop: bool = False
) -> Withdrawal:
    """Take `version` out of service.

    In one transaction the stable views and TAP_SCHEMA change to the newest version that was not retracted, or are
    removed when there is none, and the reader's role loses the version's tables. Then the folder of its files is
    renamed and gets a notice. Done again after an interruption, it completes what is left.

    Parameters
    ----------
    connection : psycopg.Connection
    version : int
    reason : str
        Kept with the version.
    settings : Settings
        ``exports`` is where its files are.
    drop : bool
        Remove its tables as well; their content is lost then, if the run cannot make it again.

    Returns
    -------
    Withdrawal

    Raises
    ------
    NotFoundError
        There is no such version.
    PublicationError
        It was retracted before, and nothing is left to do.
    DatabaseError
        Something else stands on the tables that are to be dropped, or its files are being written.
    """
    connection.commit()
    with connection.transaction():
        # No publication meanwhile: it would choose the current version as well.
        connection.execute("LOCK TABLE production.publication IN SHARE ROW EXCLUSIVE MODE")
        publication = find_publication(connection, version)
        before = publication.retracted
        to_drop = drop and not (before and before.dropped)
        moved = settings.exports / f"v{version}"
        if before and not to_drop and not moved.is_dir():
            raise PublicationError(
                f"Version {version} was retracted already, {before.at:%Y-%m-%d %H:%M} by {before.by}: {before.reason}.",
                "Nothing was changed.",
            )
        if not before:
            revoke_tables(connection, version)
            if publication.current:
                _step_back(connection, version)
        if to_drop:
            _drop(connection, version)
        if not before:
            _record(connection, publication, reason, to_drop)
        elif to_drop:
            _record_drop(connection, publication, reason)
    current = next((each.version for each in list_publications(connection) if each.current), None)
    connection.commit()
    told = find_publication(connection, version)
    exports = _mark_exports(settings, told, current)
    return Withdrawal(version, current, exports, bool(told.retracted and told.retracted.dropped))


def _step_back(connection: Connection, version: int) -> None:
    """Let the stable views show the newest version that is good, or remove them."""
    connection.execute("UPDATE production.publication SET current = false WHERE version = %s", (version,))
    for other in reversed(list_publications(connection)):
        if other.version == version or other.retracted:
            continue
        try:
            with connection.transaction():
                switch_views(connection, other.version)
        except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable):
            # Another rvscat published it with other columns: these views cannot show it.
            continue
        connection.execute("UPDATE production.publication SET current = true WHERE version = %s", (other.version,))
        write_tap_schema(connection)
        return
    drop_views(connection)
    clear_tap_schema(connection)


def _drop(connection: Connection, version: int) -> None:
    try:
        with connection.transaction():
            drop_tables(connection, version)
    except psycopg.errors.DependentObjectsStillExist as error:
        raise DatabaseError(
            f"The tables of version {version} cannot be dropped: {error.diag.message_detail or error}.",
            "Remove what stands on them, or retract the version without dropping its tables.",
        ) from error


def _record(connection: Connection, publication: Publication, reason: str, dropped: bool) -> None:
    counts = {"version": publication.version, "by": account(), "dropped": dropped}
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status, counts, notes, message, finished_at) "
        "VALUES (%s, %s, %s, 'complete', %s, %s, %s, clock_timestamp())",
        (
            publication.run_id,
            f"retract-{publication.version}",
            publication.sha256,
            Json(counts),
            Json([f"Version {publication.version} was retracted: {reason}"]),
            reason,
        ),
    )


def _record_drop(connection: Connection, publication: Publication, reason: str) -> None:
    """Add to the record of a version that its tables have gone later."""
    connection.execute(
        "UPDATE production.stage SET counts = CAST(counts AS jsonb) || %s, "
        "notes = CAST(notes AS jsonb) || jsonb_build_array(format('Tables dropped by %%s, %%s: %%s', %s::text, "
        "to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI TZ'), %s::text)) "
        "WHERE run_id = %s AND name = %s",
        (Jsonb({"dropped": True}), account(), reason, publication.run_id, f"retract-{publication.version}"),
    )


def _mark_exports(settings: Settings, publication: Publication, current: int | None) -> Path | None:
    """Rename the folder of the version's files and put a notice into it."""
    folder = settings.exports / f"v{publication.version}"
    target = folder.with_name(f"{folder.name}.retracted")
    if not folder.is_dir() or publication.retracted is None:
        return target if target.is_dir() else None
    told = publication.retracted
    instead = f"Version {current} is in service instead." if current is not None else "No other version is in service."
    with exporting(folder):
        (folder / RETRACTED).write_text(
            f"Version {publication.version} of this catalogue was retracted on {told.at:%Y-%m-%d %H:%M %Z} "
            f"by {told.by}.\n"
            f"Reason: {told.reason}\n{instead}\nDo not use these files.\n",
            encoding="utf-8",
        )
        number = 1
        while target.exists():
            number += 1
            target = folder.with_name(f"{folder.name}.retracted-{number}")
        return folder.rename(target)

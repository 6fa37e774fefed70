"""The database: reachable, new enough, up to date, not choked."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database import migrate
from catalog.database.connection import MINIMUM_SERVER_VERSION
from catalog.database.queries import load
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, gigabytes, warning
from catalog.operations.secrets import mask
from catalog.settings import mask_password

__all__ = ["examine_database"]

_AREA = "database"
_LONG_SECONDS = 3600
_DEAD_ROWS, _DEAD_SHARE = 100_000, 0.4


def examine_database(patient: Patient) -> Iterator[Finding]:
    """Look at the server, its schema, its transactions and its tables; starts and changes nothing."""
    connection = patient.connection
    if connection is None:
        if patient.stopped:
            yield fine(_AREA, "The embedded server is not running; commands that need it start it.")
        else:
            yield failure(
                _AREA,
                mask(patient.problem),
                "Is the server running, and are host, database, user and password right? (RVSCAT_DATABASE_URL, "
                "`rvscat db status`)",
            )
        return
    version = connection.info.server_version
    words = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < MINIMUM_SERVER_VERSION:
        yield failure(_AREA, f"{words} is too old.", "PostgreSQL 15 or newer is needed.")
    else:
        url = patient.settings.database_url
        yield fine(_AREA, f"{words}, {mask_password(url) if url else 'embedded'}; no extension is needed")
    yield _revision(connection)
    yield from _activity(connection)
    yield from _tables(connection)


def _revision(connection: Connection) -> Finding:
    exists = connection.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone()
    row = None
    if exists is not None and exists[0]:
        row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    head = migrate.head_revision()
    if row is None:
        return warning(_AREA, "The schema has not been made yet.", "`rvscat db upgrade` makes it, as any command does.")
    if row[0] == head:
        return fine(_AREA, f"schema at revision {head}, the newest")
    if row[0] in migrate.known_revisions():
        return warning(_AREA, f"The schema is at {row[0]}; {head} is the newest.", "Bring it up: `rvscat db upgrade`.")
    return failure(
        _AREA,
        f"The schema is at {row[0]}, which this rvscat does not know.",
        "A newer rvscat made it: install that one.",
    )


def _activity(connection: Connection) -> Iterator[Finding]:
    long = _rows(connection, "long_transactions", {"seconds": _LONG_SECONDS})
    for row in long:
        yield warning(
            _AREA,
            f"Process {row['pid']} ({row['application']}, {row['account']}) has a transaction open for "
            f"{row['seconds'] / 3600:.1f} h ({row['state']}): dead rows behind it cannot be cleared.",
            f"See what it is; if nobody needs it: SELECT pg_terminate_backend({row['pid']}).",
        )
    (load_now,) = _rows(connection, "connections")
    text = f"{load_now['used']} of {load_now['most']} connections in use, no transaction open for an hour"
    if load_now["used"] > 0.8 * load_now["most"]:
        yield warning(
            _AREA, f"{load_now['used']} of {load_now['most']} connections are in use.", "Raise max_connections."
        )
    elif not long:
        yield fine(_AREA, text)


def _tables(connection: Connection) -> Iterator[Finding]:
    (size,) = _rows(connection, "size")
    bloated = [
        row
        for row in _rows(connection, "dead_rows")
        if row["dead"] > _DEAD_ROWS and row["dead"] > _DEAD_SHARE * (row["dead"] + row["alive"])
    ]
    for row in bloated:
        yield warning(
            _AREA,
            f"{row['name']} has {row['dead']:,} dead rows beside {row['alive']:,} ({gigabytes(row['bytes'])}).",
            f"VACUUM ANALYZE {row['name']}; VACUUM FULL gives the room back, and locks the table meanwhile.",
        )
    yield fine(_AREA, f"{gigabytes(size['bytes'])} in this database{'' if bloated else ', no table bloated'}")


def _rows(connection: Connection, name: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load(f"operations/{name}").statement, values or {}).fetchall()

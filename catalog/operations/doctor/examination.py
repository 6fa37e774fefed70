"""All areas in turn; what goes wrong in one does not keep the others from being looked at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import psycopg
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from catalog.database.acting import acting
from catalog.database.connection import DATABASE
from catalog.database.embedded.server import running_url
from catalog.database.roles import JOBS, PRODUCTION
from catalog.errors import RvscatError
from catalog.operations.doctor.artefacts import examine_artefacts
from catalog.operations.doctor.configuration import examine_settings
from catalog.operations.doctor.disk import examine_disk
from catalog.operations.doctor.endpoints import examine_endpoints
from catalog.operations.doctor.environment import examine_machine, examine_packages
from catalog.operations.doctor.findings import Finding, Patient, failure
from catalog.operations.doctor.prefect import examine_prefect
from catalog.operations.doctor.roles import examine_roles
from catalog.operations.doctor.server import examine_database
from catalog.operations.doctor.service import examine_service
from catalog.operations.doctor.surveys import examine_surveys
from catalog.operations.secrets import mask
from catalog.profiles import Profile
from catalog.settings import Settings

__all__ = ["AREAS", "examine", "present_connection"]

AREAS: dict[str, Callable[[Patient], Iterator[Finding]]] = {
    "packages": examine_packages,
    "machine": examine_machine,
    "settings": examine_settings,
    "database": examine_database,
    "roles": examine_roles,
    "disk": examine_disk,
    "survey files": examine_surveys,
    "artefacts": examine_artefacts,
    "prefect": examine_prefect,
    "endpoints": examine_endpoints,
    "service": examine_service,
}
_TABLES = {
    "roles": "none",
    "survey files": PRODUCTION.name,
    "artefacts": PRODUCTION.name,
    "service": JOBS.name,
    "machine": PRODUCTION.name,
    "disk": PRODUCTION.name,
}
"""Areas that read our tables, useless before there are any, and the role that each acts as."""


def examine(settings: Settings, profile: Profile, *, online: bool = False) -> Iterator[Finding]:
    """Look at everything that a run of `profile` needs.

    Nothing is started, brought up to date or changed.

    Parameters
    ----------
    settings : Settings
    profile : Profile
    online : bool
        Ask archives, too; otherwise no network but the database's and Prefect's own is used.

    Yields
    ------
    Finding
        As each is found; none holds a password.
    """
    with present_connection(settings) as (connection, problem):
        made = connection is not None and _has_tables(connection)
        for area, look in AREAS.items():
            known = connection if made or area not in _TABLES else None
            patient = Patient(settings, profile, known, problem, problem == "", online)
            try:
                with acting(known, _TABLES[area]) if known is not None and area in _TABLES else nullcontext():
                    for finding in look(patient):
                        yield Finding(finding.area, finding.state, mask(finding.text), mask(finding.remedy))
            except (RvscatError, psycopg.Error, OSError, ValueError) as error:
                told = error.message if isinstance(error, RvscatError) else f"{type(error).__name__}: {error}"
                remedy = error.remedy if isinstance(error, RvscatError) else "This could not be looked at."
                yield failure(area, mask(told.strip()), mask(remedy))
                if connection is not None:
                    connection.rollback()


@contextmanager
def present_connection(settings: Settings) -> Iterator[tuple[Connection | None, str]]:
    """Connect to the database as it is now, or tell why not; an empty reason is a server that nobody has started."""
    try:
        connection = _connect(settings)
    except RvscatError as error:
        yield None, error.message
        return
    except psycopg.Error as error:
        yield None, mask(f"The database cannot be reached: {str(error).strip()}")
        return
    if connection is None:
        yield None, ""
        return
    with connection:
        yield connection, ""


def _connect(settings: Settings) -> Connection | None:
    url = settings.database_url
    if url is None:
        server = running_url(settings)
        if server is None:
            return None
        url = make_conninfo(server, dbname=DATABASE)
    connection = psycopg.connect(url, connect_timeout=10, application_name="rvscat", autocommit=True)
    connection.execute("SET default_transaction_read_only = on; SET statement_timeout = '60s'")
    return connection


def _has_tables(connection: Connection) -> bool:
    # Not by its name alone: an account that acts as no role yet cannot look into the schema.
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_class AS relation JOIN pg_namespace AS schema ON schema.oid = relnamespace "
        "WHERE schema.nspname = 'service' AND relation.relname = 'job')"
    ).fetchone()
    return row is not None and bool(row[0])

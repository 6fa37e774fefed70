"""Acting as a role: taken on and given back whatever happens; accounts that may not are told the grant."""

from contextlib import ExitStack

import psycopg
import pytest

from catalog.database import connection as connecting
from catalog.database import migrate
from catalog.database.acting import act_as, acting, current_role
from catalog.database.connection import connect
from catalog.database.elsewhere import assign, elsewhere
from catalog.database.ledger import Run
from catalog.database.roles import INGEST, JOBS, PRODUCTION, READER, ROLES, Role
from catalog.database.statistics import renew_statistics
from catalog.errors import DatabaseError
from catalog.settings import Settings
from tests.accounts import account, name_in
from tests.databases import database


def acts_as(connection: psycopg.Connection) -> str:
    row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    return str(row[0])


def test_a_role_outlives_a_rollback_and_ends_with_its_block(connection: psycopg.Connection) -> None:
    own = acts_as(connection)
    with acting(connection, INGEST.name):
        connection.rollback()
        assert acts_as(connection) == INGEST.name
        with acting(connection, PRODUCTION.name):
            assert acts_as(connection) == PRODUCTION.name
        connection.rollback()
        assert acts_as(connection) == INGEST.name
    connection.rollback()
    assert acts_as(connection) == own
    assert current_role(connection) == "none"


def act_and_fail(connection: psycopg.Connection, statement: str) -> None:
    with acting(connection, PRODUCTION.name):
        connection.execute(statement)  # type: ignore[call-overload]
        raise KeyboardInterrupt


@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "SELECT 1", "DELETE FROM production.run"])
def test_a_role_ends_with_an_error_and_so_does_what_was_begun(
    connection: psycopg.Connection, statement: str, run: Run
) -> None:
    own = acts_as(connection)
    with pytest.raises((psycopg.Error, KeyboardInterrupt)):
        act_and_fail(connection, statement)
    connection.rollback()
    assert acts_as(connection) == own
    assert connection.execute("SELECT count(*) FROM production.run").fetchone() == (1,)


def test_what_ended_the_connection_is_what_is_told(settings: Settings) -> None:
    with connect(settings) as other, connect(settings) as connection:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (connection.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError, match="terminating"):
            act_and_fail(connection, "SELECT 1")


def test_a_connection_that_ends_meanwhile_does_not_hide_the_error(settings: Settings) -> None:
    with connect(settings) as other, connect(settings) as connection:
        statement = "SELECT pg_terminate_backend(%s, 10000)"

        def fail() -> None:
            with acting(connection, PRODUCTION.name):
                other.execute(statement, (connection.info.backend_pid,))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert connection.closed


def test_a_connection_acts_as_its_role_until_it_ends(settings: Settings) -> None:
    with connect(settings, role=READER.name) as connection:
        connection.rollback()
        assert acts_as(connection) == READER.name


@pytest.mark.parametrize("role", [INGEST, PRODUCTION], ids=lambda role: role.name)
def test_parts_of_a_stage_act_as_the_stage(
    connection: psycopg.Connection, run: Run, settings: Settings, role: Role
) -> None:
    with acting(connection, role.name):
        assignment = assign(connection, run, "ingest", settings)
    assert assignment.values()["role"] == role.name
    with elsewhere(assignment) as here:
        here.connection.rollback()
        assert acts_as(here.connection) == role.name


def test_statistics_are_renewed_without_owning_the_table(connection: psycopg.Connection, run: Run) -> None:
    question = "SELECT reltuples FROM pg_class WHERE oid = 'production.run'::regclass"
    assert connection.execute(question).fetchone() == (-1,)
    with acting(connection, PRODUCTION.name):
        renew_statistics(connection, "production.run", "survey.gaia_source")
    assert connection.execute(question).fetchone() == (1,)
    with acting(connection, INGEST.name):
        renew_statistics(connection, "survey.rvs_spectrum")
    for table in ("tap_schema.tables", "pg_catalog.pg_class", "service.job"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(connection, PRODUCTION.name):
            renew_statistics(connection, table)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(connection, READER.name):
        renew_statistics(connection, "production.run")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_an_account_that_may_not_act_is_told_the_grant(settings: Settings, role: Role) -> None:
    assert settings.database_url is not None
    with account(settings.database_url) as url:
        theirs = settings.model_copy(update={"database_url": url})
        with pytest.raises(DatabaseError, match=f"{name_in(url)} may not act as {role.name}") as caught:
            connect(theirs, role=role.name).__enter__()
        with psycopg.connect(settings.database_url) as superuser:
            superuser.execute(caught.value.remedy.partition(": ")[2])  # type: ignore[call-overload]
        with connect(theirs, role=role.name) as connection:
            assert acts_as(connection) == role.name


def test_a_role_that_is_missing_is_told(connection: psycopg.Connection) -> None:
    with pytest.raises(DatabaseError, match="no role rvscat_nobody"):
        act_as(connection, "rvscat_nobody")
    assert current_role(connection) == "none"


def test_who_makes_the_roles_and_owns_the_database_brings_the_schema_up(server_url: str, settings: Settings) -> None:
    # What CREATE ROLE leaves its maker with, since PostgreSQL 16: all but acting as it.
    roles = ", ".join(role.name for role in ROLES)
    with ExitStack() as stack:
        empty = stack.enter_context(database(server_url))
        with psycopg.connect(empty) as connection:
            sets = connection.info.server_version >= 160_000
        option = "WITH ADMIN TRUE, SET FALSE, INHERIT FALSE" if sets else "WITH ADMIN OPTION"
        url = stack.enter_context(account(empty, f"GRANT {roles} TO {{}} {option}"))
        with psycopg.connect(empty, autocommit=True) as superuser:
            superuser.execute(f"ALTER DATABASE {superuser.info.dbname} OWNER TO {name_in(url)}")  # type: ignore[call-overload]
        theirs = settings.model_copy(update={"database_url": url})
        for role in ROLES:
            with connect(theirs, role=role.name) as connection:
                assert acts_as(connection) == role.name
        with connect(theirs, role=PRODUCTION.name) as connection:
            renew_statistics(connection, "survey.gaia_source")


def test_who_may_not_bring_the_schema_up_is_told_what_to_do(server_url: str, settings: Settings) -> None:
    with database(server_url) as empty, account(empty) as url:
        theirs = settings.model_copy(update={"database_url": url})
        with pytest.raises(DatabaseError, match="may neither act as rvscat_ingest, rvscat_production, ") as caught:
            connecting.database_url(theirs)
        assert caught.value.remedy.count("GRANT ") == len(ROLES)
        assert "CREATE ROLE" not in caught.value.remedy
        with psycopg.connect(empty) as superuser:
            superuser.execute(caught.value.remedy.partition(": ")[2])  # type: ignore[call-overload]
        # It has the roles now, and still owns nothing.
        with pytest.raises(DatabaseError, match="permission denied for") as caught:
            connecting.database_url(theirs)
        assert "only for tests" not in str(caught.value)
        migrate.upgrade(empty)
        with connect(theirs, role=JOBS.name) as connection:
            connection.execute("SELECT count(*) FROM service.job")


def test_what_was_published_by_an_account_becomes_the_role_s(database_url: str) -> None:
    migrate.downgrade(database_url, "0014_operations")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE catalogue.rvs_cnn_v1 (sourceid char(19))")
        connection.execute("CREATE VIEW catalogue.rvs_cnn AS SELECT * FROM catalogue.rvs_cnn_v1")
    migrate.upgrade(database_url)
    with psycopg.connect(database_url) as connection, acting(connection, PRODUCTION.name):
        connection.execute("DROP VIEW catalogue.rvs_cnn")
        connection.execute("DROP TABLE catalogue.rvs_cnn_v1")

"""The schema: up to the newest revision, or down, by alembic."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from catalog.database.membership import require_roles
from catalog.database.resources import MIGRATIONS
from catalog.errors import DatabaseError
from catalog.settings import mask_password

__all__ = ["current_revision", "downgrade", "head_revision", "known_revisions", "upgrade"]

# Any fixed number: two processes must not migrate at once.
_LOCK = 7_205_759


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(url: str, action: str, revision: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            getattr(command, action)(_config(connection), revision)
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` up to `revision`; does nothing when it is there already.

    Raises
    ------
    DatabaseError
        The account owns too little for that, or may neither make our roles nor act as them.
    """
    with psycopg.connect(url) as connection:
        account = connection.info.user
        require_roles(connection, url)
    try:
        _run(url, "upgrade", revision)
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise DatabaseError(
            f"The account {account} may not bring up the schema of {mask_password(url)}: "
            f"{error.orig.diag.message_primary}.",
            "Let the account that owns the database run `rvscat db upgrade`.",
        ) from error


def downgrade(url: str, revision: str = "base") -> None:
    """Take the database at `url` down to `revision`. Data of the dropped tables are lost."""
    _run(url, "downgrade", revision)


def current_revision(url: str) -> str | None:
    """Return the revision of the database at `url`, or None when it is empty."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(
                connection, opts={"version_table_schema": "public"}
            ).get_current_revision()
    finally:
        engine.dispose()


def head_revision() -> str:
    """Return the newest revision that this version of rvscat knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def known_revisions() -> list[str]:
    """Return all revisions that this version of rvscat knows, newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]

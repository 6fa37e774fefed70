"""Whether an account may act as `catalog.database.roles`, and the statements that let it."""

from collections.abc import Sequence

from psycopg import Connection, sql

from catalog.database.queries import load
from catalog.database.roles import ROLES
from catalog.errors import DatabaseError
from catalog.settings import mask_password

__all__ = ["grant", "require_roles"]

_TELLS_SET = 160_000
"""Server that tells a membership from the right to act: who makes a role is its member, and may not act as it."""


def grant(role: str, account: str, server_version: int) -> str:
    """Return the statement that lets an account act as a role.

    Parameters
    ----------
    role, account : str
    server_version : int
        As libpq tells it.

    Returns
    -------
    str
    """
    option = " WITH SET TRUE" if server_version >= _TELLS_SET else ""
    return f"GRANT {role} TO {sql.Identifier(account).as_string(None)}{option};"


def require_roles(connection: Connection, url: str) -> None:
    """Make sure that migrations can have our roles: that they are there for this account, or that it can make them.

    Parameters
    ----------
    connection : psycopg.Connection
    url : str
        Of the database, for the message.

    Raises
    ------
    DatabaseError
        They are not; the remedy has the statements that are missing.
    """
    rows = connection.execute(
        load("operations/memberships").statement, {"names": [role.name for role in ROLES]}
    ).fetchall()
    account, version = connection.info.user, connection.info.server_version
    statements: list[str] = []
    for name, exists, usable, grantable in rows:
        if usable or grantable:
            continue
        statements += [*([] if exists else [f"CREATE ROLE {name} NOLOGIN;"]), grant(name, account, version)]
    if statements:
        raise DatabaseError(
            f"The account {account} may neither act as {_listed(rows)} nor see to it: the schema of "
            f"{mask_password(url)} cannot be brought up.",
            f"As superuser: {' '.join(statements)}",
        )


def _listed(rows: Sequence[tuple[str, bool, bool, bool]]) -> str:
    return ", ".join(name for name, _, usable, grantable in rows if not (usable or grantable))

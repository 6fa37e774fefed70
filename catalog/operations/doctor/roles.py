"""Roles of the database: there, and with exactly the rights that they should have."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.membership import grant
from catalog.database.queries import load
from catalog.database.roles import READER, ROLES, Role
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, warning

__all__ = ["examine_roles"]

_AREA = "roles"
# PostgreSQL 17 and later: statistics of a table may be renewed by who does not own it.
_HARMLESS = frozenset({"MAINTAIN"})
_SHOWN = 4

_Rights = dict[str, dict[tuple[str, str], frozenset[str]]]


def examine_roles(patient: Patient) -> Iterator[Finding]:
    """Compare the rights of our roles with what `catalog.database.roles` says; what is too much is a failure, too."""
    if patient.connection is None:
        return
    found = {
        row["name"]: row for row in _rows(patient.connection, "role_attributes", {"names": [r.name for r in ROLES]})
    }
    tables = _rows(patient.connection, "table_rights")
    schemas = _rows(patient.connection, "schema_rights")
    for role in ROLES:
        if role.name not in found:
            yield failure(_AREA, f"Role {role.name} is missing.", "Bring the schema up: `rvscat db upgrade`.")
            continue
        yield from _examine(role, found[role.name], tables, schemas, patient.connection.info.server_version)
    public = [f"{row['schema']}.{row['name']}" for row in tables if row["grantee"] == "PUBLIC"]
    public += [row["schema"] for row in schemas if row["grantee"] == "PUBLIC"]
    if public:
        yield failure(
            _AREA,
            f"Every account of the server has rights on {_some(public)}.",
            f"REVOKE ALL ON {public[0]} FROM PUBLIC, and so on.",
        )


def _examine(
    role: Role,
    about: Mapping[str, Any],
    tables: list[dict[str, Any]],
    schemas: list[dict[str, Any]],
    version: int,
) -> Iterator[Finding]:
    missing, excess = _differences(role, tables, schemas)
    if powers := about["powers"]:
        yield failure(_AREA, f"{role.name} has {', '.join(powers)}.", f"ALTER ROLE {role.name} NO{powers[0]}")
    if others := about["member_of"]:
        yield failure(
            _AREA, f"{role.name} has the rights of {', '.join(others)}, too.", f"REVOKE {others[0]} FROM {role.name}"
        )
    if not about["usable"]:
        statement = grant(role.name, about["account"], version)
        yield failure(
            _AREA, f"The account {about['account']} may not act as {role.name}.", f"As superuser: {statement}"
        )
    if missing:
        yield failure(
            _AREA,
            f"{role.name} lacks {_some([words for words, _ in missing])}.",
            f"GRANT {missing[0][1]} TO {role.name}; `rvscat db upgrade` grants what new tables need.",
        )
    if excess:
        yield failure(
            _AREA,
            f"{role.name} has more rights than it needs: {_some([words for words, _ in excess])}.",
            f"REVOKE {excess[0][1]} FROM {role.name}",
        )
    if not (powers or others or missing or excess) and about["usable"]:
        yield fine(_AREA, f"{role.name} {role.words}: exactly the rights for that")
    foreign = [
        f"{row['schema']}.{row['name']}"
        for row in tables
        if row["owner"] == role.name and row["schema"] not in role.owns
    ]
    if foreign:
        yield warning(_AREA, f"{role.name} owns {_some(foreign)}.", f"ALTER TABLE {foreign[0]} OWNER TO the account")


def _differences(
    role: Role, tables: list[dict[str, Any]], schemas: list[dict[str, Any]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what a role lacks and what it has too much of: words, and the same for GRANT or REVOKE."""
    granted: dict[tuple[str, str], frozenset[str]] = defaultdict(frozenset)
    known: dict[tuple[str, str], bool] = {}
    for row in tables:
        place = (row["schema"], row["name"])
        # Parts of a table are reached through it; rows of unpublished versions are for nobody but their owner.
        optional = row["is_partition"] or row["owner"] == role.name or (role is READER and row["schema"] == "catalogue")
        known[place] = optional
        if row["grantee"] == role.name:
            granted[place] = frozenset(row["rights"])
    missing, excess = [], []
    for place, optional in known.items():
        wanted, have = role.on(*place), granted[place] - _HARMLESS
        name = ".".join(place)
        if wanted - have and not optional:
            missing.append(_words(wanted - have, name, ""))
        if have - wanted:
            excess.append(_words(have - wanted, name, ""))
    on_schemas = {row["schema"]: frozenset(row["rights"]) for row in schemas if row["grantee"] == role.name}
    for schema in {row["schema"] for row in tables} | set(role.schemas):
        wanted, have = role.schemas.get(schema, frozenset()), on_schemas.get(schema, frozenset())
        if wanted - have:
            missing.append(_words(wanted - have, schema, "SCHEMA "))
        if have - wanted:
            excess.append(_words(have - wanted, schema, "SCHEMA "))
    return missing, excess


def _words(rights: frozenset[str], name: str, kind: str) -> tuple[str, str]:
    listed = ", ".join(sorted(rights))
    return f"{listed} on {kind.lower()}{name}", f"{listed} ON {kind}{name}"


def _some(words: list[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more


def _rows(connection: Connection, name: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load(f"operations/{name}").statement, values or {}).fetchall()

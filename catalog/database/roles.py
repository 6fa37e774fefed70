"""The four roles, each with what its part needs and no more (granted by the migrations).

Nobody logs in as one of them: the account of the connection takes one on by ``SET ROLE``, see
`catalog.database.connection.connect`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["INGEST", "JOBS", "PRODUCTION", "READER", "ROLES", "Role"]

READ = frozenset({"SELECT"})
WRITE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
ADD = frozenset({"SELECT", "INSERT", "UPDATE"})


@dataclass(frozen=True)
class Role:
    """What a role may do."""

    name: str
    words: str
    schemas: Mapping[str, frozenset[str]]
    """Rights on schemas."""
    tables: Mapping[str, frozenset[str]]
    """Rights on tables and views: ``schema.table``, or ``schema.*`` for all others of a schema."""
    owns: frozenset[str] = field(default_factory=frozenset)
    """Schemas in which it may own tables and views."""

    def on(self, schema: str, table: str) -> frozenset[str]:
        """Return its rights on a table."""
        return self.tables.get(f"{schema}.{table}", self.tables.get(f"{schema}.*", frozenset()))


_USAGE = frozenset({"USAGE"})

READER = Role(
    "rvscat_reader",
    "answers queries on what is published",
    {"catalogue": _USAGE, "tap_schema": _USAGE},
    {"catalogue.*": READ, "tap_schema.*": READ},
)
JOBS = Role("rvscat_jobs", "keeps the jobs of the TAP service", {"service": _USAGE}, {"service.job": WRITE})
INGEST = Role(
    "rvscat_ingest",
    "reads survey files into the database",
    {"survey": _USAGE, "production": _USAGE},
    {
        "survey.*": WRITE,
        "production.ingest_file": WRITE,
        "production.quarantine": WRITE,
        "production.run": ADD,
        "production.stage": WRITE,
    },
)
PRODUCTION = Role(
    "rvscat_production",
    "makes labels, flags and validation, and publishes",
    {
        "survey": _USAGE,
        "production": _USAGE,
        "catalogue": frozenset({"USAGE", "CREATE"}),
        "tap_schema": _USAGE,
    },
    {
        "survey.*": READ,
        "production.ingest_file": READ,
        "production.quarantine": READ,
        "production.*": WRITE,
        "catalogue.*": WRITE,
        "tap_schema.*": WRITE,
    },
    owns=frozenset({"catalogue"}),
)
ROLES = (INGEST, PRODUCTION, READER, JOBS)

"""The SQL that a DaCHS archive runs beside the descriptor: as the tables' owner, to be read before it is run."""

from catalog.metadata.columns import RVS_CNN_EXTENDED
from catalog.publish.handover.subject import Subject

__all__ = ["POSITION_INDEX", "functions_sql", "grants_sql", "indexes_sql", "withdraw_sql"]

POSITION_INDEX = 'spoint(radians(ra), radians("dec"))'
"""What DaCHS writes for a position (pgsphere); an index on it answers its cone searches and ADQL circles."""

_HEAD = """-- {purpose}
-- Version {version} of the catalogue, {software}. Run it as {who}, or as a superuser:
--   psql -X -v ON_ERROR_STOP=1 --single-transaction -d <the archive's database> -f {file}
"""


def grants_sql(subject: Subject) -> str:
    """Return the grants that DaCHS's three roles need."""
    names = _names(subject)
    return f"""{_head(subject, "What DaCHS's roles may do with the tables: read them, nothing else.", "grants.sql")}
-- gavoadmin registers the tables (`dachs imp -m`) and grants reading on: it needs the right to do so.
GRANT USAGE ON SCHEMA {subject.schema} TO gavoadmin WITH GRANT OPTION;
GRANT SELECT ON
    {names}
    TO gavoadmin WITH GRANT OPTION;

-- gavo answers services, untrusted answers ADQL.
GRANT USAGE ON SCHEMA {subject.schema} TO gavo, untrusted;
GRANT SELECT ON
    {names}
    TO gavo, untrusted;
"""


def functions_sql(subject: Subject) -> str:
    """Return the functions that the published views call."""
    schemas = "".join(
        f"CREATE SCHEMA IF NOT EXISTS {name};\n" for name in sorted({name for name, _ in subject.functions})
    )
    functions = "".join(f"\n{definition.rstrip()};\n" for _, definition in subject.functions)
    head = _head(
        subject,
        "Functions that the views call: before the schema is brought into another database.",
        "functions.sql",
        who="the owner of the archive's database",
    )
    return f"{head}\n{schemas}{functions}"


def indexes_sql(subject: Subject) -> str:
    """Return the index that DaCHS uses for positions."""
    table = subject.base_table(RVS_CNN_EXTENDED)
    return f"""{_head(subject, "The index that cone searches and ADQL circles of DaCHS use (pgsphere).", "indexes.sql")}
-- `dachs init` has made this extension already where DaCHS runs.
CREATE EXTENSION IF NOT EXISTS pg_sphere;

CREATE INDEX IF NOT EXISTS {table}_spoint
    ON {subject.schema}.{table} USING gist ({POSITION_INDEX});
ANALYZE {subject.schema}.{table};
"""


def withdraw_sql(subject: Subject) -> str:
    """Return what takes the grants back."""
    names = _names(subject)
    return f"""{_head(subject, "Takes back what grants.sql gave: after `dachs drop -f rvs_cnn/q`.", "withdraw.sql")}
REVOKE ALL ON
    {names}
    FROM gavo, untrusted, gavoadmin CASCADE;
REVOKE ALL ON SCHEMA {subject.schema} FROM gavo, untrusted, gavoadmin CASCADE;
"""


def _head(subject: Subject, purpose: str, file: str, who: str = "the owner of the tables") -> str:
    return _HEAD.format(
        purpose=purpose, version=subject.publication.version, software=subject.software, file=file, who=who
    )


def _names(subject: Subject) -> str:
    return ",\n    ".join(f"{subject.schema}.{each.name}" for each in subject.tables)

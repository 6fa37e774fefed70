"""Stages act as roles: whoever migrates may act as them, they renew statistics, and own all that is published.

Revision: 0015_acting, 2026-11-23.
"""

from alembic import op

revision = "0015_acting"
down_revision = "0014_operations"
branch_labels = None
depends_on = None

# From PostgreSQL 16 on, who makes a role is its member without the right to act as it.
MEMBERSHIP = """
DO $do$
DECLARE
    name text;
    able text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH name IN ARRAY ARRAY['rvscat_ingest', 'rvscat_production', 'rvscat_reader', 'rvscat_jobs'] LOOP
        IF NOT pg_has_role(current_user, name, able) THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
END
$do$;
"""

# What was published before stages acted as a role belongs to the account that published it.
OWNERS = """
DO $do$
DECLARE
    entry record;
BEGIN
    FOR entry IN
        SELECT relation.relname, relation.relkind
        FROM pg_class AS relation
        WHERE relation.relnamespace = 'catalogue'::regnamespace AND relation.relkind IN ('r', 'v')
          AND relation.relowner <> 'rvscat_production'::regrole
    LOOP
        EXECUTE format('ALTER %s catalogue.%I OWNER TO rvscat_production',
                       CASE entry.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, entry.relname);
    END LOOP;
END
$do$;
"""

# Before PostgreSQL 17, no right but that of the owner lets anyone renew statistics: this does it for both roles, for
# tables of these two schemas and nothing else.
STATISTICS = """
CREATE FUNCTION production.renew_statistics(VARIADIC tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $statistics$
DECLARE
    relation regclass;
BEGIN
    FOREACH relation IN ARRAY tables::regclass[] LOOP
        IF (SELECT relnamespace NOT IN ('survey'::regnamespace, 'production'::regnamespace)
            FROM pg_class WHERE oid = relation) THEN
            RAISE insufficient_privilege USING MESSAGE = format('%s is no table of survey or production', relation);
        END IF;
        EXECUTE format('ANALYZE %s', relation);
    END LOOP;
END
$statistics$;
COMMENT ON FUNCTION production.renew_statistics IS 'ANALYZE tables of survey and production, as their owner';
REVOKE ALL ON FUNCTION production.renew_statistics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION production.renew_statistics TO rvscat_ingest, rvscat_production;
"""


def upgrade() -> None:
    for statements in (MEMBERSHIP, OWNERS, STATISTICS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))
    # Every account that may act as a role asks whether the schema is the one that it knows.
    op.execute("GRANT SELECT ON public.alembic_version TO PUBLIC")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON public.alembic_version FROM PUBLIC")
    op.execute("DROP FUNCTION production.renew_statistics")
    # Memberships stay: they belong to the server. What is published belongs to its role since revision 0014.

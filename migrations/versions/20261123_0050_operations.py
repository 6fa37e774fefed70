"""Watching and least privilege: how far a running stage is, and roles for ingest and production.

Revision: 0014_operations, 2026-11-23.
"""

from alembic import op

revision = "0014_operations"
down_revision = "0013_incremental"
branch_labels = None
depends_on = None

PROGRESS = """
ALTER TABLE production.stage
    ADD COLUMN progress_done   double precision,
    ADD COLUMN progress_total  double precision,
    ADD COLUMN progress_words  text,
    ADD COLUMN progress_at     timestamptz;
COMMENT ON COLUMN production.stage.progress_done IS 'Work done so far, in units of its own; written at most once a second';
COMMENT ON COLUMN production.stage.progress_total IS 'All of the work, in the same units';
COMMENT ON COLUMN production.stage.progress_words IS 'What the stage was at';
COMMENT ON COLUMN production.stage.progress_at IS 'When it last told how far it is';
"""

ROLES = """
DO $do$
DECLARE
    name text;
    entry record;
    may_analyze text := CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN ', MAINTAIN' ELSE '' END;
    able text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH name IN ARRAY ARRAY['rvscat_ingest', 'rvscat_production'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of this server made it a moment ago
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, able) THEN
            EXECUTE format('GRANT %I TO %I', name, current_user);
        END IF;
    END LOOP;
    -- Statistics of the tables that it fills (PostgreSQL 17 and later; before, autovacuum renews them).
    EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE' || may_analyze || ' ON ALL TABLES IN SCHEMA survey TO rvscat_ingest';
    EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE' || may_analyze || ' ON ALL TABLES IN SCHEMA production TO rvscat_production';
    EXECUTE 'GRANT SELECT' || may_analyze || ' ON ALL TABLES IN SCHEMA survey TO rvscat_production';
    -- What is published belongs to who publishes: a view can be replaced by its owner alone.
    GRANT USAGE, CREATE ON SCHEMA catalogue TO rvscat_production;
    FOR entry IN
        SELECT relation.relname, relation.relkind
        FROM pg_class AS relation
        WHERE relation.relnamespace = 'catalogue'::regnamespace AND relation.relkind IN ('r', 'v')
    LOOP
        EXECUTE format('ALTER %s catalogue.%I OWNER TO rvscat_production',
                       CASE entry.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, entry.relname);
    END LOOP;
END
$do$;
GRANT USAGE ON SCHEMA survey, production TO rvscat_ingest, rvscat_production;
GRANT SELECT, INSERT, UPDATE, DELETE ON production.ingest_file, production.quarantine, production.stage TO rvscat_ingest;
GRANT SELECT, INSERT, UPDATE ON production.run TO rvscat_ingest;
REVOKE INSERT, UPDATE, DELETE ON production.ingest_file, production.quarantine FROM rvscat_production;
GRANT USAGE ON SCHEMA tap_schema TO rvscat_production;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tap_schema TO rvscat_production;
"""

# The roles belong to the server and may serve other databases: they stay, without rights here.
DOWNGRADE = """
DO $do$
DECLARE
    entry record;
BEGIN
    FOR entry IN
        SELECT relation.relname, relation.relkind
        FROM pg_class AS relation
        WHERE relation.relnamespace = 'catalogue'::regnamespace AND relation.relkind IN ('r', 'v')
    LOOP
        EXECUTE format('ALTER %s catalogue.%I OWNER TO %I',
                       CASE entry.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, entry.relname, current_user);
    END LOOP;
END
$do$;
REVOKE ALL ON ALL TABLES IN SCHEMA survey, production, tap_schema FROM rvscat_ingest, rvscat_production;
REVOKE ALL ON SCHEMA survey, production, catalogue, tap_schema FROM rvscat_ingest, rvscat_production;
ALTER TABLE production.stage
    DROP COLUMN progress_done, DROP COLUMN progress_total, DROP COLUMN progress_words, DROP COLUMN progress_at;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(PROGRESS)
    op.get_bind().exec_driver_sql(ROLES.replace("%", "%%"))


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE.replace("%", "%%"))

"""Jobs of the TAP service (UWS 1.1), and the role that keeps them.

Revision: 0012_jobs, 2026-11-23.
"""

from alembic import op

revision = "0012_jobs"
down_revision = "0011_gate"
branch_labels = None
depends_on = None

JOBS = """
CREATE SCHEMA service;

CREATE TABLE service.job (
    job_id              char(32) PRIMARY KEY CHECK (job_id ~ '^[0-9a-f]{32}$'),
    service_id          char(32) NOT NULL CHECK (service_id ~ '^[0-9a-f]{32}$'),
    client              text NOT NULL,
    run_id              text,
    phase               text NOT NULL DEFAULT 'PENDING'
        CHECK (phase IN ('PENDING', 'QUEUED', 'EXECUTING', 'COMPLETED', 'ERROR', 'ABORTED', 'HELD')),
    parameters          jsonb NOT NULL DEFAULT '[]',
    attempts            integer NOT NULL DEFAULT 0,
    execution_duration  integer NOT NULL CHECK (execution_duration >= 0),
    destruction         timestamptz NOT NULL,
    created             timestamptz NOT NULL DEFAULT clock_timestamp(),
    started             timestamptz,
    ended               timestamptz,
    media_type          text,
    n_rows              bigint,
    n_bytes             bigint NOT NULL DEFAULT 0,
    overflow            boolean,
    error_message       text,
    error_status        integer,
    CHECK (phase <> 'ERROR' OR error_message IS NOT NULL),
    CHECK (phase <> 'COMPLETED' OR num_nulls(media_type, n_rows, overflow) = 0)
);
CREATE INDEX ON service.job (service_id, client, created);
CREATE INDEX ON service.job (destruction);

COMMENT ON SCHEMA service IS 'What the TAP service remembers between two starts';
COMMENT ON TABLE service.job IS 'Asynchronous queries (IVOA UWS 1.1); their results are files in the data folder';
COMMENT ON COLUMN service.job.job_id IS 'Random: who knows it may see, abort and delete the job';
COMMENT ON COLUMN service.job.service_id IS 'Data folder whose service made it and keeps its files';
COMMENT ON COLUMN service.job.client IS 'Address that it came from, for fairness and quotas';
COMMENT ON COLUMN service.job.run_id IS 'RUNID, a name that the client gave it';
COMMENT ON COLUMN service.job.parameters IS 'List of [name, value], as they came';
COMMENT ON COLUMN service.job.attempts IS 'How often it was begun: a query that brings the service down is not begun for ever';
COMMENT ON COLUMN service.job.execution_duration IS 'Seconds it may take';
COMMENT ON COLUMN service.job.destruction IS 'When it and its result are deleted';
COMMENT ON COLUMN service.job.n_bytes IS 'Of its uploads and result on disk';
COMMENT ON COLUMN service.job.overflow IS 'True when there were more rows than it was allowed';
COMMENT ON COLUMN service.job.error_status IS 'HTTP status that the same error has in a synchronous answer';
"""

# It writes jobs and nothing else; the role that answers queries cannot even see them.
ROLE = """
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rvscat_jobs') THEN
        BEGIN
            CREATE ROLE rvscat_jobs NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this server made it a moment ago
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'rvscat_jobs', 'MEMBER') THEN
        EXECUTE format('GRANT rvscat_jobs TO %I', current_user);
    END IF;
END
$do$;
GRANT USAGE ON SCHEMA service TO rvscat_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON service.job TO rvscat_jobs;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(JOBS)
    op.get_bind().exec_driver_sql(ROLE.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP SCHEMA service CASCADE")
    # The role belongs to the server and may serve other databases: it stays, without rights here.

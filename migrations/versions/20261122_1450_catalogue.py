"""Public schemas: the catalogue, TAP_SCHEMA 1.1 and the role that reads them.

Revision: 0003_catalogue, 2026-11-22.
"""

from alembic import op

revision = "0003_catalogue"
down_revision = "0002_production"
branch_labels = None
depends_on = None

# Layout of TAP 1.1, section 4.
TAP_SCHEMA = """
CREATE SCHEMA catalogue;
CREATE SCHEMA tap_schema;

CREATE TABLE tap_schema.schemas (
    schema_name   varchar(64) PRIMARY KEY,
    utype         varchar(512),
    description   varchar(4096),
    schema_index  integer
);
CREATE TABLE tap_schema.tables (
    schema_name  varchar(64) NOT NULL REFERENCES tap_schema.schemas ON DELETE CASCADE,
    table_name   varchar(128) PRIMARY KEY,
    table_type   varchar(8) NOT NULL CHECK (table_type IN ('table', 'view')),
    utype        varchar(512),
    description  varchar(4096),
    table_index  integer
);
CREATE TABLE tap_schema.columns (
    table_name    varchar(128) NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    column_name   varchar(64) NOT NULL,
    datatype      varchar(64) NOT NULL,
    arraysize     varchar(16),
    xtype         varchar(64),
    "size"        integer,
    description   varchar(4096),
    utype         varchar(512),
    unit          varchar(64),
    ucd           varchar(64),
    indexed       integer NOT NULL CHECK (indexed IN (0, 1)),
    principal     integer NOT NULL CHECK (principal IN (0, 1)),
    std           integer NOT NULL CHECK (std IN (0, 1)),
    column_index  integer NOT NULL,
    PRIMARY KEY (table_name, column_name),
    UNIQUE (table_name, column_index)
);
CREATE TABLE tap_schema.keys (
    key_id        varchar(64) PRIMARY KEY,
    from_table    varchar(128) NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    target_table  varchar(128) NOT NULL REFERENCES tap_schema.tables ON DELETE CASCADE,
    description   varchar(4096),
    utype         varchar(512)
);
CREATE TABLE tap_schema.key_columns (
    key_id         varchar(64) NOT NULL REFERENCES tap_schema.keys ON DELETE CASCADE,
    from_column    varchar(64) NOT NULL,
    target_column  varchar(64) NOT NULL,
    PRIMARY KEY (key_id, from_column)
);
"""

ROLE = """
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rvscat_reader') THEN
        BEGIN
            CREATE ROLE rvscat_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this server made it a moment ago
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'rvscat_reader', 'MEMBER') THEN
        EXECUTE format('GRANT rvscat_reader TO %I', current_user);
    END IF;
END
$do$;
GRANT USAGE ON SCHEMA catalogue, tap_schema TO rvscat_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA tap_schema TO rvscat_reader;
"""


def upgrade() -> None:
    op.execute(TAP_SCHEMA)
    op.get_bind().exec_driver_sql(ROLE.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP SCHEMA tap_schema CASCADE")
    op.execute("DROP SCHEMA catalogue CASCADE")
    # The role belongs to the server and may serve other databases: it stays, without rights here.

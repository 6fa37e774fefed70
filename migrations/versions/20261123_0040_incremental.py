"""Runs that extend another one by the spectra that have arrived since.

Revision: 0013_incremental, 2026-11-23.
"""

from alembic import op

revision = "0013_incremental"
down_revision = "0012_jobs"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE production.run ADD COLUMN base_run_id bigint REFERENCES production.run CHECK (base_run_id < run_id);
COMMENT ON COLUMN production.run.base_run_id IS
    'Run whose stars, labels and flags this one has taken over, and to which it has added new stars; null for a full run';
DROP INDEX production.run_current;
CREATE UNIQUE INDEX run_current ON production.run (key) WHERE status <> 'superseded' AND base_run_id IS NULL;
-- A run is extended once: the next new spectra extend the extension.
CREATE UNIQUE INDEX run_extension ON production.run (base_run_id) WHERE status <> 'superseded';

ALTER TABLE production.sample_star ADD COLUMN added boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN production.sample_star.added IS
    'The star has come with this run; false for the stars of its base, and in a full run';

CREATE TABLE production.run_file (
    run_id   bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    file_id  bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    PRIMARY KEY (run_id, file_id)
);
CREATE INDEX run_file_file ON production.run_file (file_id);
COMMENT ON TABLE production.run_file IS 'Survey files that were there when a run selected its samples: rows of others have come later';

-- Files that a run of before this step cannot have missed.
INSERT INTO production.run_file (run_id, file_id)
SELECT run.run_id, file.file_id
FROM production.run AS run
JOIN production.stage AS stage ON stage.run_id = run.run_id AND stage.name = 'sample' AND stage.status = 'complete'
JOIN production.ingest_file AS file
    ON file.release = run.release AND file.status = 'complete' AND file.ingested_at <= stage.started_at;

CREATE TABLE production.changed_star (
    run_id     bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    source_id  bigint NOT NULL,
    product    text NOT NULL,
    PRIMARY KEY (run_id, source_id, product)
);
COMMENT ON TABLE production.changed_star IS
    'Stars that a run has taken over although rows of theirs were replaced since: labels and flags are those of the old rows';
COMMENT ON COLUMN production.changed_star.product IS 'Survey product whose row was replaced';
"""

# What was published stays; runs that extend others cannot be told from full ones any more and must not be found again.
DOWNGRADE = """
DROP TABLE production.changed_star;
DROP TABLE production.run_file;
ALTER TABLE production.sample_star DROP COLUMN added;
UPDATE production.run SET status = 'superseded' WHERE base_run_id IS NOT NULL;
DROP INDEX production.run_extension;
DROP INDEX production.run_current;
ALTER TABLE production.run DROP COLUMN base_run_id;
CREATE UNIQUE INDEX run_current ON production.run (key) WHERE status <> 'superseded';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE)

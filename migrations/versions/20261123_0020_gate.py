"""What validation said of a catalogue when it was published, and who accepted what had failed.

Revision: 0011_gate, 2026-11-23.
"""

from alembic import op

revision = "0011_gate"
down_revision = "0010_references"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE production.publication
    ADD COLUMN n_pass            integer,
    ADD COLUMN n_warn            integer,
    ADD COLUMN n_fail            integer,
    ADD COLUMN n_not_run         integer,
    ADD COLUMN accepted_failures jsonb,
    ADD COLUMN accepted_reason   text CHECK (accepted_reason ~ '[^[:space:]]'),
    ADD COLUMN accepted_by       text,
    ADD COLUMN accepted_at       timestamptz,
    ADD CONSTRAINT publication_verdict CHECK (num_nulls(n_pass, n_warn, n_fail, n_not_run) IN (0, 4)),
    ADD CONSTRAINT publication_acceptance
        CHECK (num_nulls(accepted_failures, accepted_reason, accepted_by, accepted_at) IN (0, 4)),
    ADD CONSTRAINT publication_gate
        CHECK (n_fail IS NULL OR accepted_reason IS NOT NULL OR (n_fail = 0 AND n_pass + n_warn > 0));
COMMENT ON COLUMN production.publication.n_pass IS
    'Checks that had passed when the version was published; null for versions of before this was asked';
COMMENT ON COLUMN production.publication.n_warn IS 'Checks that had warned';
COMMENT ON COLUMN production.publication.n_fail IS 'Checks that had failed; published all the same only when somebody accepted it';
COMMENT ON COLUMN production.publication.n_not_run IS 'Checks that could not be made';
COMMENT ON COLUMN production.publication.accepted_failures IS
    'The failed checks that were accepted: comparison, subset, label, n, message of each; empty for a catalogue without validation';
COMMENT ON COLUMN production.publication.accepted_reason IS 'Why it was published although checks had failed, or had not been made';
COMMENT ON COLUMN production.publication.accepted_by IS 'Account that published it so';
COMMENT ON COLUMN production.publication.accepted_at IS 'When that was';
"""

# Versions stay published; why some of them were is forgotten.
DOWNGRADE = """
ALTER TABLE production.publication
    DROP CONSTRAINT publication_gate, DROP CONSTRAINT publication_acceptance, DROP CONSTRAINT publication_verdict,
    DROP COLUMN n_pass, DROP COLUMN n_warn, DROP COLUMN n_fail, DROP COLUMN n_not_run,
    DROP COLUMN accepted_failures, DROP COLUMN accepted_reason, DROP COLUMN accepted_by, DROP COLUMN accepted_at;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE)

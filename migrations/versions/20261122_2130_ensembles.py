"""Ensembles that were trained elsewhere: in the registry before any run needs them.

Revision: 0009_ensembles, 2026-11-22.
"""

from alembic import op

revision = "0009_ensembles"
down_revision = "0008_likeness"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE production.ensemble ALTER COLUMN run_id DROP NOT NULL;
COMMENT ON COLUMN production.ensemble.run_id IS
    'Run whose training sample it was trained on; null for an unpacked ensemble until a run has that very sample';
"""

# What no run has used goes: its folder stays, and unpacking brings it back.
DOWNGRADE = """
DELETE FROM production.ensemble WHERE run_id IS NULL;
ALTER TABLE production.ensemble ALTER COLUMN run_id SET NOT NULL;
COMMENT ON COLUMN production.ensemble.run_id IS NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE)

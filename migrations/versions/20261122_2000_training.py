"""Training: seeds that diverged, members that were dropped and why, what each was trained on.

Revision: 0005_training, 2026-11-22.
"""

from alembic import op

revision = "0005_training"
down_revision = "0004_crossmatch"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE production.ensemble_member
    ADD COLUMN attempt       smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    ADD COLUMN failures      jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN val_mse       double precision,
    ADD COLUMN constant_mse  double precision,
    ADD COLUMN kept          boolean NOT NULL DEFAULT true,
    ADD COLUMN verdict       text NOT NULL DEFAULT 'all members are kept',
    ADD COLUMN backend       text;
COMMENT ON COLUMN production.ensemble_member.attempt IS 'Seeds that had diverged before this one';
COMMENT ON COLUMN production.ensemble_member.failures IS 'Seed and message of each of them';
COMMENT ON COLUMN production.ensemble_member.val_mse IS 'Validation MSE of the best epoch, on labels scaled to [0, 1]';
COMMENT ON COLUMN production.ensemble_member.constant_mse IS 'The same of the mean label of the member''s training stars';
COMMENT ON COLUMN production.ensemble_member.kept IS 'False for members that the ensemble does not average over';
COMMENT ON COLUMN production.ensemble_member.verdict IS 'Rule by which the member was kept or dropped, with its numbers';
COMMENT ON COLUMN production.ensemble_member.backend IS 'What the member was trained on, with its version';
COMMENT ON COLUMN production.ensemble_member.history IS
    'One list each of loss, mse, val_loss, val_mse, learning_rate and seconds: a value an epoch';
COMMENT ON COLUMN production.ensemble.n_members IS 'Members that are averaged over';
"""

COLUMNS = ("attempt", "failures", "val_mse", "constant_mse", "kept", "verdict", "backend")


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.execute("DELETE FROM production.ensemble_member WHERE NOT kept")
    op.execute("ALTER TABLE production.ensemble_member " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
    op.execute("COMMENT ON COLUMN production.ensemble_member.history IS NULL")
    op.execute("COMMENT ON COLUMN production.ensemble.n_members IS NULL")

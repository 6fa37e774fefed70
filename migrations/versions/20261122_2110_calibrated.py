"""Calibrated uncertainties: one more sigma a label, and the residuals that it is calibrated on.

Revision: 0007_calibrated, 2026-11-22.
"""

from alembic import op

revision = "0007_calibrated"
down_revision = "0006_studies"
branch_labels = None
depends_on = None

LABELS = ("teff", "logg", "mh", "alpham", "feh")

UPGRADE = """
ALTER TABLE production.label
    ADD COLUMN sigma_teff_oof    real,
    ADD COLUMN sigma_logg_oof    real,
    ADD COLUMN sigma_mh_oof      real,
    ADD COLUMN sigma_alpham_oof  real,
    ADD COLUMN sigma_feh_oof     real;

CREATE OR REPLACE VIEW production.labelled_star AS
SELECT l.run_id, l.release, l.source_id, l.ensemble_id, s.role, s.apogee_file_id, s.apogee_row,
       l.teff, l.eteff, l.sigma_teff, l.logg, l.elogg, l.sigma_logg, l.mh, l.emh, l.sigma_mh,
       l.feh, l.efeh, l.sigma_feh, l.alpham, l.ealpham, l.sigma_alpham,
       b.flag_boundary, b.flag_bits,
       l.sigma_teff_oof, l.sigma_logg_oof, l.sigma_mh_oof, l.sigma_feh_oof, l.sigma_alpham_oof
FROM production.label l
JOIN production.sample_star s USING (run_id, source_id)
LEFT JOIN production.boundary b USING (run_id, source_id);

CREATE TABLE production.training_residual (
    ensemble_id       bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    source_id         bigint NOT NULL,
    n_unseen          smallint NOT NULL CHECK (n_unseen > 0),
    teff              real NOT NULL,
    residual_teff     real NOT NULL,
    sigma_teff_oof    real,
    logg              real NOT NULL,
    residual_logg     real NOT NULL,
    sigma_logg_oof    real,
    mh                real NOT NULL,
    residual_mh       real NOT NULL,
    sigma_mh_oof      real,
    alpham            real NOT NULL,
    residual_alpham   real NOT NULL,
    sigma_alpham_oof  real,
    feh               real NOT NULL,
    residual_feh      real NOT NULL,
    sigma_feh_oof     real,
    PRIMARY KEY (ensemble_id, source_id)
);
COMMENT ON TABLE production.training_residual IS
    'Training stars as the members see them that were not trained on them; stars that every member has seen have no row';
COMMENT ON COLUMN production.training_residual.n_unseen IS 'Members whose validation part held the star';
"""


def upgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql(UPGRADE)
    for name in LABELS:
        bind.exec_driver_sql(
            f"COMMENT ON COLUMN production.label.sigma_{name}_oof IS "
            "'Calibrated on the out-of-fold residuals; null where the ensemble has none'"
        )
        bind.exec_driver_sql(f"COMMENT ON COLUMN production.training_residual.{name} IS 'Mean over those members'")
        bind.exec_driver_sql(
            f"COMMENT ON COLUMN production.training_residual.residual_{name} IS 'Mean over those members - APOGEE'"
        )
        bind.exec_driver_sql(
            f"COMMENT ON COLUMN production.training_residual.sigma_{name}_oof IS "
            "'Calibrated on the half of the stars that does not hold this one; null where a half is too small'"
        )


# As 0002_production made it.
VIEW = """
CREATE VIEW production.labelled_star AS
SELECT l.run_id, l.release, l.source_id, l.ensemble_id, s.role, s.apogee_file_id, s.apogee_row,
       l.teff, l.eteff, l.sigma_teff, l.logg, l.elogg, l.sigma_logg, l.mh, l.emh, l.sigma_mh,
       l.feh, l.efeh, l.sigma_feh, l.alpham, l.ealpham, l.sigma_alpham,
       b.flag_boundary, b.flag_bits
FROM production.label l
JOIN production.sample_star s USING (run_id, source_id)
LEFT JOIN production.boundary b USING (run_id, source_id);
COMMENT ON VIEW production.labelled_star IS 'Labels of a run with sample and flag; the flag is null until it is computed';
"""


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("DROP TABLE production.training_residual")
    bind.exec_driver_sql("DROP VIEW production.labelled_star")
    drops = ", ".join(f"DROP COLUMN sigma_{name}_oof" for name in LABELS)
    bind.exec_driver_sql(f"ALTER TABLE production.label {drops}")
    bind.exec_driver_sql(VIEW)

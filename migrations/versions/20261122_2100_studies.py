"""Studies of an ensemble: what its networks look at, and how its labels answer to imperfect inputs.

Revision: 0006_studies, 2026-11-22.
"""

from alembic import op

revision = "0006_studies"
down_revision = "0005_training"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE production.study (
    ensemble_id   bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    name          text NOT NULL,
    settings      jsonb NOT NULL,
    settings_key  char(64) NOT NULL,
    counts        json NOT NULL DEFAULT '{}',
    notes         json NOT NULL DEFAULT '[]',
    wall_s        real,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ensemble_id, name)
);
COMMENT ON TABLE production.study IS 'Studies of an ensemble that are done: the current result of each';
COMMENT ON COLUMN production.study.ensemble_id IS 'Ensemble that was studied';
COMMENT ON COLUMN production.study.name IS 'Which study; its results lie in the tables below';
COMMENT ON COLUMN production.study.settings IS 'Settings it was made with';
COMMENT ON COLUMN production.study.settings_key IS
    'SHA-256 of these settings and of the ensemble''s files: under another key the study is done again';
COMMENT ON COLUMN production.study.counts IS 'Figures that sum it up';
COMMENT ON COLUMN production.study.notes IS 'Sentences that a person should read';
COMMENT ON COLUMN production.study.wall_s IS 'Seconds it took, from its last start';
COMMENT ON COLUMN production.study.created_at IS 'When it was done';

CREATE TABLE production.sensitivity_region (
    ensemble_id  bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    region       text NOT NULL,
    position     smallint NOT NULL,
    rule         text NOT NULL,
    n_found      integer NOT NULL CHECK (n_found >= 0),
    n_stars      integer NOT NULL CHECK (n_stars BETWEEN 0 AND n_found),
    labels       real[],
    flux         real[],
    PRIMARY KEY (ensemble_id, region),
    CHECK ((n_stars = 0) = (flux IS NULL) AND (n_stars = 0) = (labels IS NULL))
);
COMMENT ON TABLE production.sensitivity_region IS 'Regions of the Kiel diagram whose gradients were averaged';
COMMENT ON COLUMN production.sensitivity_region.ensemble_id IS 'Ensemble';
COMMENT ON COLUMN production.sensitivity_region.region IS 'Name of the region';
COMMENT ON COLUMN production.sensitivity_region.position IS 'Its place in the settings, from 1';
COMMENT ON COLUMN production.sensitivity_region.rule IS 'Limits of its labels, in words';
COMMENT ON COLUMN production.sensitivity_region.n_found IS 'Training stars in the region';
COMMENT ON COLUMN production.sensitivity_region.n_stars IS 'Those of them that were used';
COMMENT ON COLUMN production.sensitivity_region.labels IS
    'Their mean APOGEE labels in the order teff, logg, mh, alpham, feh; null without stars';
COMMENT ON COLUMN production.sensitivity_region.flux IS 'Their mean normalised flux, a value a pixel; null without stars';

CREATE TABLE production.sensitivity (
    ensemble_id  bigint NOT NULL,
    region       text NOT NULL,
    label        text NOT NULL,
    input        text NOT NULL CHECK (input IN ('spectrum', 'scalars', 'xp')),
    n_stars      integer NOT NULL CHECK (n_stars > 0),
    n_members    smallint NOT NULL CHECK (n_members > 0),
    names        text[],
    gradient     real[] NOT NULL,
    scatter      real[] NOT NULL,
    influence    real NOT NULL CHECK (influence >= 0),
    PRIMARY KEY (ensemble_id, region, label, input),
    FOREIGN KEY (ensemble_id, region) REFERENCES production.sensitivity_region ON DELETE CASCADE,
    CHECK (cardinality(gradient) = cardinality(scatter))
);
COMMENT ON TABLE production.sensitivity IS 'Mean gradients of the labels with respect to the inputs of the networks';
COMMENT ON COLUMN production.sensitivity.ensemble_id IS 'Ensemble';
COMMENT ON COLUMN production.sensitivity.region IS 'Region of the Kiel diagram';
COMMENT ON COLUMN production.sensitivity.label IS 'Column of the label in the catalogue';
COMMENT ON COLUMN production.sensitivity.input IS 'Input of the network';
COMMENT ON COLUMN production.sensitivity.n_stars IS 'Stars that were averaged over';
COMMENT ON COLUMN production.sensitivity.n_members IS 'Networks that were averaged over';
COMMENT ON COLUMN production.sensitivity.names IS 'Names of the elements of scalars and xp; null for pixels';
COMMENT ON COLUMN production.sensitivity.gradient IS
    'Mean over stars and networks; label units a unit of normalised flux, and a full training range of scalars and xp';
COMMENT ON COLUMN production.sensitivity.scatter IS
    'Standard deviation over the networks of their means over stars; 0 with one network';
COMMENT ON COLUMN production.sensitivity.influence IS
    'Root mean square change of the label when each star has this input of the mean training star instead of its own';

CREATE TABLE production.sensitivity_peak (
    ensemble_id      bigint NOT NULL,
    region           text NOT NULL,
    label            text NOT NULL,
    rank             smallint NOT NULL CHECK (rank > 0),
    wavelength       real NOT NULL,
    gradient         real NOT NULL,
    line             text,
    line_wavelength  real,
    PRIMARY KEY (ensemble_id, region, label, rank),
    FOREIGN KEY (ensemble_id, region) REFERENCES production.sensitivity_region ON DELETE CASCADE,
    CHECK ((line IS NULL) = (line_wavelength IS NULL))
);
COMMENT ON TABLE production.sensitivity_peak IS 'Strongest peaks of the gradients along the spectrum, and the lines they fall on';
COMMENT ON COLUMN production.sensitivity_peak.ensemble_id IS 'Ensemble';
COMMENT ON COLUMN production.sensitivity_peak.region IS 'Region of the Kiel diagram';
COMMENT ON COLUMN production.sensitivity_peak.label IS 'Column of the label in the catalogue';
COMMENT ON COLUMN production.sensitivity_peak.rank IS '1 for the strongest';
COMMENT ON COLUMN production.sensitivity_peak.wavelength IS 'Of the peak, nm in vacuum';
COMMENT ON COLUMN production.sensitivity_peak.gradient IS 'Label units a unit of normalised flux';
COMMENT ON COLUMN production.sensitivity_peak.line IS 'Nearest known line within the tolerance; null when there is none';
COMMENT ON COLUMN production.sensitivity_peak.line_wavelength IS 'Of that line, nm in vacuum';

CREATE TABLE production.xp_correlation (
    ensemble_id  bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    label        text NOT NULL,
    n_stars      integer NOT NULL CHECK (n_stars > 1),
    names        text[] NOT NULL,
    pearson      real[] NOT NULL,
    spearman     real[] NOT NULL,
    PRIMARY KEY (ensemble_id, label),
    CHECK (cardinality(pearson) = cardinality(names) AND cardinality(spearman) = cardinality(names))
);
COMMENT ON TABLE production.xp_correlation IS 'Correlation of APOGEE labels and XP coefficients in the training sample';
COMMENT ON COLUMN production.xp_correlation.ensemble_id IS 'Ensemble that was trained on that sample';
COMMENT ON COLUMN production.xp_correlation.label IS 'Column of the label in the catalogue';
COMMENT ON COLUMN production.xp_correlation.n_stars IS 'Training stars';
COMMENT ON COLUMN production.xp_correlation.names IS 'Names of the coefficients';
COMMENT ON COLUMN production.xp_correlation.pearson IS 'Pearson''s coefficient of each; null where all stars have the same value';
COMMENT ON COLUMN production.xp_correlation.spearman IS 'The same of the ranks';

CREATE TABLE production.response (
    ensemble_id        bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    experiment         text NOT NULL,
    level              double precision NOT NULL,
    unit               text NOT NULL,
    region             text NOT NULL,
    label              text NOT NULL,
    n                  integer NOT NULL CHECK (n >= 0),
    bias               real,
    dispersion         real,
    robust_dispersion  real,
    e                  real,
    sigma              real,
    unusable           real NOT NULL CHECK (unusable BETWEEN 0 AND 1),
    PRIMARY KEY (ensemble_id, experiment, level, region, label)
);
COMMENT ON TABLE production.response IS 'Response of the labels to controlled changes of the spectra';
COMMENT ON COLUMN production.response.ensemble_id IS 'Ensemble';
COMMENT ON COLUMN production.response.experiment IS 'What was done to the spectra';
COMMENT ON COLUMN production.response.level IS 'How strongly, in unit';
COMMENT ON COLUMN production.response.unit IS 'Unit of level';
COMMENT ON COLUMN production.response.region IS 'Class of stars';
COMMENT ON COLUMN production.response.label IS 'Column of the label in the catalogue';
COMMENT ON COLUMN production.response.n IS 'Stars that have labels after the change';
COMMENT ON COLUMN production.response.bias IS 'Mean change of the label';
COMMENT ON COLUMN production.response.dispersion IS 'Standard deviation of the change';
COMMENT ON COLUMN production.response.robust_dispersion IS
    'Half the width of the change from percentile 15.87 to 84.13';
COMMENT ON COLUMN production.response.e IS 'Mean model-to-model dispersion of the changed spectra';
COMMENT ON COLUMN production.response.sigma IS 'Mean overall uncertainty of the changed spectra';
COMMENT ON COLUMN production.response.unusable IS 'Fraction of the stars that have no labels after the change';
"""

TABLES = ("response", "xp_correlation", "sensitivity_peak", "sensitivity", "sensitivity_region", "study")


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE production.{table}")

"""Production tables: runs and their stages, samples, ensembles, labels, flags, validation, publications.

Revision: 0002_production, 2026-11-22.
"""

from alembic import op

revision = "0002_production"
down_revision = "0001_survey"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE production.run (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          char(64) NOT NULL,
    release      text NOT NULL,
    profile      jsonb NOT NULL,
    version      text NOT NULL,
    status       text NOT NULL CHECK (status IN ('open', 'complete', 'superseded')),
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);
CREATE UNIQUE INDEX run_current ON production.run (key) WHERE status <> 'superseded';
COMMENT ON COLUMN production.run.key IS 'SHA-256 of profile and release: the same command finds its run again';
COMMENT ON COLUMN production.run.version IS 'Version of rvscat';

CREATE TABLE production.stage (
    stage_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    name        text NOT NULL,
    key         char(64) NOT NULL,
    status      text NOT NULL CHECK (status IN ('running', 'complete', 'failed')),
    counts      json NOT NULL DEFAULT '{}',
    notes       json NOT NULL DEFAULT '[]',
    message     text,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    wall_s      real,
    cpu_s       real,
    peak_mb     real
);
CREATE UNIQUE INDEX stage_complete ON production.stage (run_id, name) WHERE status = 'complete';
COMMENT ON COLUMN production.stage.key IS 'SHA-256 of all that the stage depends on';

CREATE TABLE production.sample_star (
    run_id          bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    release         text NOT NULL,
    source_id       bigint NOT NULL,
    role            text NOT NULL CHECK (role IN ('training', 'observed', 'rejected')),
    cut             text,
    training_cut    text,
    apogee_file_id  bigint,
    apogee_row      integer,
    PRIMARY KEY (run_id, source_id),
    CHECK ((role = 'rejected') = (cut IS NOT NULL))
);
CREATE INDEX sample_star_role ON production.sample_star (run_id, role);
COMMENT ON COLUMN production.sample_star.cut IS 'First cut of the observed sample that rejected the star';
COMMENT ON COLUMN production.sample_star.training_cut IS 'First cut of the training sample that the star failed; null for training stars';

CREATE TABLE production.sample_funnel (
    run_id     bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    sample     text NOT NULL CHECK (sample IN ('observed', 'training')),
    step       smallint NOT NULL,
    cut        text NOT NULL,
    rule       text NOT NULL,
    n_removed  integer NOT NULL,
    n_left     integer NOT NULL,
    PRIMARY KEY (run_id, sample, step)
);

CREATE TABLE production.ensemble (
    ensemble_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          char(64) NOT NULL UNIQUE,
    run_id       bigint NOT NULL REFERENCES production.run,
    release      text NOT NULL,
    path         text NOT NULL,
    sha256       char(64),
    status       text NOT NULL CHECK (status IN ('training', 'complete')),
    n_members    integer NOT NULL,
    n_training   integer NOT NULL,
    settings     jsonb NOT NULL,
    limits       jsonb,
    uncertainty  jsonb,
    metrics      jsonb,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN production.ensemble.key IS 'SHA-256 of training set, settings and pixel grid';

CREATE TABLE production.ensemble_member (
    ensemble_id     bigint NOT NULL REFERENCES production.ensemble ON DELETE CASCADE,
    member          smallint NOT NULL,
    split           smallint NOT NULL,
    initialisation  smallint NOT NULL,
    seed            bigint NOT NULL,
    epochs          integer NOT NULL,
    best_epoch      integer NOT NULL,
    val_loss        double precision NOT NULL,
    history         jsonb NOT NULL,
    weights_sha256  char(64) NOT NULL,
    wall_s          real NOT NULL,
    PRIMARY KEY (ensemble_id, member)
);

CREATE TABLE production.label (
    run_id        bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    release       text NOT NULL,
    source_id     bigint NOT NULL,
    ensemble_id   bigint NOT NULL REFERENCES production.ensemble,
    n_members     smallint NOT NULL,
    teff          real NOT NULL,
    eteff         real NOT NULL,
    sigma_teff    real NOT NULL,
    logg          real NOT NULL,
    elogg         real NOT NULL,
    sigma_logg    real NOT NULL,
    mh            real NOT NULL,
    emh           real NOT NULL,
    sigma_mh      real NOT NULL,
    alpham        real NOT NULL,
    ealpham       real NOT NULL,
    sigma_alpham  real NOT NULL,
    feh           real NOT NULL,
    efeh          real NOT NULL,
    sigma_feh     real NOT NULL,
    PRIMARY KEY (run_id, source_id)
);

CREATE TABLE production.likeness_map (
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    perplexity  smallint NOT NULL,
    threshold   real NOT NULL,
    quantile    real NOT NULL,
    kl          real,
    n_training  integer NOT NULL,
    n_observed  integer NOT NULL,
    settings    jsonb NOT NULL,
    PRIMARY KEY (run_id, perplexity)
);

CREATE TABLE production.likeness (
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    perplexity  smallint NOT NULL,
    source_id   bigint NOT NULL,
    x           real NOT NULL,
    y           real NOT NULL,
    distance    real NOT NULL,
    "like"      boolean NOT NULL,
    PRIMARY KEY (run_id, perplexity, source_id)
);
COMMENT ON COLUMN production.likeness.distance IS 'To the nearest (other) training star in this map';

CREATE TABLE production.boundary (
    run_id         bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    release        text NOT NULL,
    source_id      bigint NOT NULL,
    flag_boundary  char(8) NOT NULL CHECK (flag_boundary ~ '^[01]{8}$'),
    flag_bits      smallint NOT NULL CHECK (flag_bits BETWEEN 0 AND 255),
    PRIMARY KEY (run_id, source_id)
);

CREATE VIEW production.labelled_star AS
SELECT l.run_id, l.release, l.source_id, l.ensemble_id, s.role, s.apogee_file_id, s.apogee_row,
       l.teff, l.eteff, l.sigma_teff, l.logg, l.elogg, l.sigma_logg, l.mh, l.emh, l.sigma_mh,
       l.feh, l.efeh, l.sigma_feh, l.alpham, l.ealpham, l.sigma_alpham,
       b.flag_boundary, b.flag_bits
FROM production.label l
JOIN production.sample_star s USING (run_id, source_id)
LEFT JOIN production.boundary b USING (run_id, source_id);
COMMENT ON VIEW production.labelled_star IS 'Labels of a run with sample and flag; the flag is null until it is computed';

CREATE TABLE production.validation_result (
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    comparison  text NOT NULL,
    subset      text NOT NULL,
    label       text NOT NULL,
    n           integer NOT NULL,
    bias        real,
    dispersion  real,
    robust_dispersion real,
    status      text NOT NULL CHECK (status IN ('pass', 'warn', 'fail', 'not run', 'info')),
    message     text,
    query       text NOT NULL,
    PRIMARY KEY (run_id, comparison, subset, label)
);

CREATE TABLE production.publication (
    version       integer PRIMARY KEY,
    run_id        bigint NOT NULL REFERENCES production.run,
    n_rows        integer NOT NULL,
    sha256        char(64) NOT NULL,
    current       boolean NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX publication_current ON production.publication (current) WHERE current;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.execute("DROP VIEW production.labelled_star")
    for table in (
        "publication", "validation_result", "boundary", "likeness", "likeness_map", "label",
        "ensemble_member", "ensemble", "sample_funnel", "sample_star", "stage", "run",
    ):  # fmt: skip
        op.execute(f"DROP TABLE production.{table}")
